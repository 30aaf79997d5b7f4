/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry stat`: where a VM's time goes, interval after interval; and a plot of what was recorded.
 */
#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/stat_interval.h"
#include "cli/stat_plot.h"
#include "cli/stat_table.h"
#include "cli/terminal.h"
#include "cli/value.h"
#include "control/client.h"

#define INTERVAL_MIN 0.05
#define INTERVAL_MAX 3600.0

#define COLUMNS_DEFAULT 80
#define COLUMNS_PIPE	500

#define CLEAR "\033[H\033[2J"

struct stat_options {
	const char *name;
	const char *record; /* the file that is written */
	const char *plot;   /* the SVG; name is a record then */
	double interval;    /* seconds */
	uint64_t count;	    /* 0: without end */
	bool json, kvm;
};

static int set_interval(void *target, const char *value, bool on)
{
	struct stat_options *options = target;
	char *end;

	(void)on;
	options->interval = strtod(value, &end);
	if (end == value || *end || !isfinite(options->interval) ||
	    options->interval < INTERVAL_MIN || options->interval > INTERVAL_MAX)
		return because(-EINVAL, "\"%s\" is not a number of seconds, %g to %g", value,
			       INTERVAL_MIN, INTERVAL_MAX);
	return 0;
}

static int set_count(void *target, const char *value, bool on)
{
	(void)on;
	return value_count(value, 1, UINT32_MAX, &((struct stat_options *)target)->count);
}

static int set_json(void *target, const char *value, bool on)
{
	(void)value;
	((struct stat_options *)target)->json = on;
	return 0;
}

static int set_kvm(void *target, const char *value, bool on)
{
	(void)value;
	((struct stat_options *)target)->kvm = on;
	return 0;
}

static int set_record(void *target, const char *value, bool on)
{
	(void)on;
	((struct stat_options *)target)->record = value;
	return 0;
}

static int set_plot(void *target, const char *value, bool on)
{
	(void)on;
	((struct stat_options *)target)->plot = value;
	return 0;
}

static int set_operand(void *target, unsigned index, const char *value)
{
	(void)index;
	((struct stat_options *)target)->name = value;
	return 0;
}

/* What goes on between the first answer and the last. */
struct watch {
	const struct stat_options *options;
	struct control_session *session;
	struct json_object *last; /* answer */
	FILE *record;
	int signals;  /* a descriptor, on a terminal only */
	bool is_live; /* one page, again and again */
	uint64_t shown;
};

static int ask(struct watch *watch, struct json_object **ret_answer)
{
	struct json_object *params = json_object_new_object();

	json_object_object_add(params, "kvm", json_object_new_boolean(watch->options->kvm));
	return control_ask(watch->session, "stat", params, NULL, NULL, ret_answer);
}

static void write_json(FILE *out, struct json_object *interval)
{
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(interval, JSON_C_TO_STRING_PLAIN |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(out);
}

static void show(struct watch *watch, struct json_object *interval)
{
	struct stat_page page = { .columns = COLUMNS_PIPE, .line_end = "\n" };
	uint16_t columns = COLUMNS_DEFAULT, rows = 24;

	if (watch->options->json) {
		write_json(stdout, interval);
		return;
	}
	if (watch->is_live) {
		terminal_size(&columns, &rows);
		page = (struct stat_page){ .columns = columns, .rows = rows, .line_end = "\r\n" };
		fputs(CLEAR, stdout);
	} else if (watch->shown) {
		putchar('\n');
	}
	stat_table_write(stdout, interval, &page);
	fflush(stdout);
}

/* Waits until then. 1: it is time; 0: somebody wants it to end. */
static int wait_until(const struct watch *watch, uint64_t then)
{
	struct pollfd fds[] = { { .fd = watch->is_live ? STDIN_FILENO : -1, .events = POLLIN },
				{ .fd = watch->signals, .events = POLLIN } };
	uint64_t now;
	char key;

	while ((now = clock_now()) < then) {
		struct timespec left = { .tv_sec = (time_t)((then - now) / 1000000000),
					 .tv_nsec = (long)((then - now) % 1000000000) };

		if (ppoll(fds, ARRAY_SIZE(fds), &left, NULL) <= 0)
			continue;
		if (fds[1].revents || (fds[0].revents && read(STDIN_FILENO, &key, 1) != 1))
			return 0;
		if (fds[0].revents && (key == 'q' || key == 'Q' || key == 3 || key == 4))
			return 0;
	}
	return 1;
}

static int show_next(struct watch *watch)
{
	struct json_object *answer = NULL, *interval;
	int err = ask(watch, &answer);

	if (err)
		return err;
	interval = stat_interval(watch->last, answer);
	json_object_put(watch->last);
	watch->last = answer;
	if (!interval)
		return -EPROTO;
	show(watch, interval);
	watch->shown++;
	if (watch->record)
		write_json(watch->record, interval);
	json_object_put(interval);
	return watch->record && ferror(watch->record)
		       ? because(-EIO, "cannot write %s", watch->options->record)
		       : 0;
}

/* A VM that ends while it is watched has been watched to its end. */
static int go_on(struct watch *watch)
{
	uint64_t period = (uint64_t)(watch->options->interval * 1e9), next;
	int err = ask(watch, &watch->last);

	next = clock_now() + period;
	while (!err && (!watch->options->count || watch->shown < watch->options->count)) {
		if (!wait_until(watch, next))
			break;
		err = show_next(watch);
		next = max_u64(next + period, clock_now());
	}
	return err == -EPIPE && watch->shown ? 0 : err;
}

/* Raw, so that a key needs no Enter; what ends ferry otherwise gives the terminal back first. */
static int begin_live(struct watch *watch)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGHUP);
	sigaddset(&ends, SIGQUIT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	watch->signals = signalfd(-1, &ends, SFD_CLOEXEC);
	if (watch->signals < 0)
		return because(-errno, "signalfd: %s", strerror(errno));
	return terminal_raw();
}

static int watch_vm(const struct stat_options *options)
{
	struct watch watch = { .options = options, .signals = -1 };
	int err = control_open(options->name, &watch.session);

	if (!err && options->record) {
		watch.record = fopen(options->record, "we");
		if (!watch.record)
			err = because(-errno, "%s: %s", options->record, strerror(errno));
	}
	watch.is_live = !options->json && isatty(STDOUT_FILENO) == 1 && terminal_is_input() &&
			terminal_is_foreground();
	if (!err && watch.is_live)
		err = begin_live(&watch);
	if (!err)
		err = go_on(&watch);
	terminal_restore();
	if (watch.signals >= 0)
		close(watch.signals);
	if (watch.record && fclose(watch.record) != 0 && !err)
		err = because(-errno, "%s: %s", options->record, strerror(errno));
	json_object_put(watch.last);
	control_close(watch.session);
	return err;
}

static int check_options(const struct stat_options *options)
{
	if (options->plot && (options->record || options->json || options->kvm || options->count))
		return because(-EINVAL, "--plot takes a file that --record wrote, and no other "
					"option");
	return options->plot ? 0 : value_vm_name(options->name);
}

static int run_stat(const struct command *self, int argc, char **argv)
{
	struct stat_options options = { .interval = 1 };
	int err = command_parse(self, argc, argv, &options);

	if (err == COMMAND_GO_ON)
		err = check_options(&options);
	if (err < 0)
		return command_failed(STATUS_USAGE, err);
	if (err == COMMAND_DONE)
		return STATUS_OK;
	err = options.plot ? stat_plot_file(options.name, options.plot) : watch_vm(&options);
	return err ? command_failed(STATUS_FAILED, err) : STATUS_OK;
}

static const struct command_option options_table[] = {
	{ "interval", "SECONDS", "time between two lines (1)", "0.2", 0, set_interval },
	{ "count", "N", "end after N intervals", "10", 0, set_count },
	{ "kvm", NULL, "show KVM's own statistics, too", NULL, 0, set_kvm },
	{ "json", NULL, "print an object a line", NULL, 0, set_json },
	{ "record", "FILE", "write the objects to FILE, besides", "web1.stat", 0, set_record },
	{ "plot", "FILE.svg", "draw what was recorded; NAME is the record", "web1.svg", 0,
	  set_plot },
};

static const char *const notes[] = {
	"Percent of the interval, together 100: GUEST had a CPU, FERRY worked on exits,",
	"HALT it slept, STEAL others had its CPU, SUSP it was paused, held or throttled.",
	"USER and SYS are the CPU time of the same thread by the host's kernel.",
	"On a terminal, q ends it.",
	NULL,
};

static const char *const more[] = {
	"FERRY and SUSP are measured around KVM_RUN. STEAL is the scheduler's run delay; where",
	"it fell nobody knows: GUEST and FERRY are less by it in proportion. HALT is the time",
	"in which the vCPU's thread neither ran nor waited for a CPU, and KVM's polling before",
	"such a sleep. GUEST is what remains: what the guest executed, and KVM's work for it;",
	"the host's kernel counts it in USER or in SYS, in steps of 10 ms ('ferry doctor",
	"--timing' shows whether rightly).",
	"EXITS/S are returns from KVM_RUN, by KVM's name of the reason (KVM_EXIT_IO: io).",
	"What KVM handles itself is seen with --kvm.",
	"An object of --json has, for each of cpus: guest, ferry, halted, steal, suspended,",
	"user, system, guest_time (percent), exits (a second), and with --kvm the objects kvm",
	"(a second) and kvm_now (states). The method stat of the VM's socket has the sums.",
	NULL,
};

const struct command command_stat = {
	.name = "stat",
	.summary = "show where a running VM's time goes",
	.operands = { "NAME" },
	.required = 1,
	.operand = set_operand,
	.options = options_table,
	.option_count = ARRAY_SIZE(options_table),
	.notes = notes,
	.more = more,
	.run = run_stat,
};
