/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry smoke`: boots kernels and says what became of them. */
#include "cli/smoke.h"

#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/util.h"
#include "cli/command.h"
#include "cli/config.h"
#include "smoke/report.h"
#include "smoke/scratch.h"

/* What asks ferry to end ends the guests first. Before anything is started. */
static int catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int write_file(const char *path, const struct text *text)
{
	FILE *file = fopen(path, "we");
	int err = file ? 0 : -errno;

	if (file && text->len && fwrite(text->data, text->len, 1, file) != 1)
		err = -errno;
	if (file && fclose(file) != 0 && !err)
		err = -errno;
	if (!err && text->failed)
		err = -ENOMEM;
	return err ? because(err, "cannot write %s: %s", path, strerror(-err)) : 0;
}

static int write_reports(const struct smoke_options *options, const struct smoke_results *results)
{
	struct text text = { 0 };
	int err = 0;

	if (options->json) {
		smoke_json(&text, results);
		err = write_file(options->json, &text);
	}
	text_clear(&text);
	if (options->junit && !err) {
		smoke_junit(&text, results);
		err = write_file(options->junit, &text);
	}
	text_finish(&text);
	return err;
}

/* Reports that cannot be written are better known before the tests than after. */
static int check_outputs(const struct smoke_options *options)
{
	const char *const files[] = { options->json, options->junit };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		FILE *file = files[i] ? fopen(files[i], "ae") : NULL;

		if (files[i] && !file)
			return because(-errno, "cannot write %s: %s", files[i], strerror(errno));
		if (file)
			fclose(file);
	}
	if (options->output && mkdir(options->output, 0777) < 0 && errno != EEXIST)
		return because(-errno, "cannot make %s: %s", options->output, strerror(errno));
	return 0;
}

static int run_tests(const struct smoke_options *options, struct smoke_tests *tests,
		     struct smoke_results *ret_results)
{
	uint64_t began = clock_now();
	AUTO_CLOSE int stop_fd = catch_signals();
	struct smoke_runner runner = {
		.tests = tests,
		.place = { .program = "/proc/self/exe", .consoles = options->output },
		.jobs = options->jobs,
		.stop_fd = stop_fd,
	};
	struct smoke_view view;
	char *scratch = NULL;
	int err = smoke_view_init(&view, tests, options->tap);

	if (err)
		return err;
	err = smoke_scratch_make(tests, &scratch);
	runner.place.scratch = scratch;
	runner.watcher = smoke_view_watcher(&view);
	if (!err) {
		err = smoke_runner_run(&runner, ret_results);
		smoke_view_sum(&view, (double)(clock_now() - began) / 1e9);
	}
	smoke_scratch_remove(scratch);
	smoke_view_finish(&view);
	return err;
}

/* Each machine is made, and never started. */
static int try_all(struct smoke_tests *tests)
{
	int status = STATUS_OK;

	for (size_t i = 0; i < tests->count; i++) {
		struct smoke_words words = { 0 };

		smoke_words_add_all(&words, &tests->all[i].booted);
		for (size_t k = 0; k < tests->all[i].disks.count; k++)
			smoke_words_add(&words, "--disk=%s", tests->all[i].disks.all[k].value);
		smoke_words_add(&words, "--dry-run");
		printf("%s\n", tests->all[i].name);
		fflush(stdout);
		error_clear();
		/* Behind "ferry run". */
		if (smoke_words_check(&words) != 0 ||
		    command_run.run(&command_run, (int)words.count - 2, words.all + 2) != STATUS_OK)
			status = STATUS_USAGE;
		smoke_words_finish(&words);
	}
	return status;
}

/* Of a command that failed in one guest: its own status, unless that means something else here. */
static int results_status(const struct smoke_results *results)
{
	int own = results->count == 1 ? results->all[0].guest_status : -1;

	if (own <= STATUS_USAGE || results->all[0].verdict != SMOKE_FAIL)
		return smoke_results_status(results);
	for (unsigned i = SMOKE_PASS; i < SMOKE_VERDICTS; i++) {
		if (own == smoke_verdict_status((enum smoke_verdict)i))
			return smoke_results_status(results);
	}
	return own;
}

static int smoke(const struct smoke_options *options, int argc, char **argv)
{
	struct smoke_results results = { 0 };
	struct smoke_tests tests = { 0 };
	int status = STATUS_FAILED;
	int err = smoke_plan(options, argc, argv, &tests);

	if (err)
		return command_failed(STATUS_USAGE, err);
	if (options->dry_run) {
		status = try_all(&tests);
		smoke_tests_finish(&tests);
		return status;
	}
	err = check_outputs(options);
	if (!err)
		err = run_tests(options, &tests, &results);
	if (!err) {
		status = results_status(&results);
		err = write_reports(options, &results);
	} else if (err == -ECANCELED) {
		write_reports(options, &results);
		because(err, "interrupted");
	}
	smoke_results_finish(&results);
	smoke_tests_finish(&tests);
	return err ? command_failed(STATUS_FAILED, err) : status;
}

/* `ferry smoke merge REPORT…` */
static int merge(const struct smoke_options *options)
{
	struct smoke_results results = { 0 };
	int status = STATUS_FAILED, err = 0;

	if (options->operands.count < 2)
		return command_failed(STATUS_USAGE, because(-EINVAL, "smoke merge: which reports? "
							    "'ferry smoke --json FILE' writes them"));
	for (size_t i = 1; i < options->operands.count && !err; i++) {
		struct json_object *root = NULL;

		error_clear();
		err = config_load(options->operands.all[i], &root);
		if (!err)
			err = smoke_json_read(root, &results);
		json_object_put(root);
		if (err)
			because_of(err, "%s", options->operands.all[i]);
	}
	if (!err)
		err = write_reports(options, &results);
	if (!err) {
		smoke_view_tap(&results);
		status = smoke_results_status(&results);
	}
	smoke_results_finish(&results);
	return err ? command_failed(STATUS_USAGE, err) : status;
}

static int run_smoke(const struct command *self, int argc, char **argv)
{
	struct smoke_options options;
	int status;
	int err;

	smoke_options_init(&options);
	err = command_parse(self, argc, argv, &options);
	if (err < 0)
		status = command_failed(STATUS_USAGE, err);
	else if (err == COMMAND_DONE)
		status = STATUS_OK;
	else if (options.operands.count && strcmp(options.operands.all[0], "merge") == 0)
		status = merge(&options);
	else
		status = smoke(&options, argc, argv);
	smoke_options_finish(&options);
	return status;
}

static const char *const notes[] = {
	"Status: 0 pass, 40 fail, 34 panic, 41 oops, 42 silence, 124 timeout, 32 reset,",
	"43 exit, 33 crash, 1 ferry or the host failed, 2 wrong usage: nothing booted.",
	NULL,
};

static const char *const more[] = {
	"Each kernel is booted in a ferry of its own, as many at once as CPUs and memory allow. The first",
	"of these is its verdict:",
	"  pass     every --expect was seen; without any, the guest switched itself off",
	"  fail     a --fail was seen; or, where it would have passed, a subtest had failed",
	"  panic    the kernel panicked, and said so by pvpanic or on its console",
	"  oops     it printed an oops, a BUG, a warning or a stall that no --ignore matches",
	"  silence  nothing was printed for as long as --silence says",
	"  timeout  it was not done after --timeout",
	"  reset    it reset itself, or took a triple fault, where it should not",
	"  exit     it switched itself off before all was seen",
	"  crash    KVM could not go on running it",
	"  error    ferry or the host failed: status 1, and nothing is said about the guest",
	"Of several tests the first verdict that is neither pass nor error gives the exit status.",
	"",
	"Lines. Regular expressions are POSIX extended ones (regex(7)), looked for in each line without its",
	"end and without the terminal's escape sequences. --expect is also looked for in a line that has",
	"not ended, such as a prompt, when the guest says no more for a tenth of a second; such a line has no",
	"end that $ could match. Panics and the",
	"like are looked for in whole lines. After one the console is read on for a moment, and the",
	"functions that its trace names are its fingerprint.",
	"",
	"Subtests. What the guest prints as TAP, KTAP or kselftest's output becomes subtests.",
	"",
	"--run CMD: ferry's own first process mounts /dev, /proc and /sys, runs CMD, and switches the guest",
	"off; what CMD ended with is in the reports, and with one guest it is the exit status, unless that",
	"is one that means something else here: then it is 40.",
	"",
	"--root: a directory, or a tarball such as 'docker export' writes (libarchive13), becomes the initial",
	"RAM disk: the guest sees what the host has when the tests begin, and what it writes there is lost.",
	"Without --run the guest's first process is /init, or else /sbin/init.",
	"",
	"--disk: what a guest writes goes to a file of its own in $TMPDIR or /var/tmp, and is gone with it, so",
	"that many may use an image at once; readonly keeps it from writing. qcow2 images are read by",
	"qemu-img (qemu-utils), once, before the first boot. The other keys are those of 'ferry run'.",
	"",
	"--warm=REGEX: tests that are alike in all that makes the machine share one boot. When a line of it,",
	"or a prompt, matches REGEX, the guest is saved, in $TMPDIR or /tmp; each test goes on from there, with",
	"its own --send, --expect and time. So REGEX is what the guest prints when it waits for input.",
	"With --run no REGEX is needed: ferry's first process waits, and is told the command.",
	"",
	"--migrate-every TIME: the guest is moved from one ferry to the next, live, its memory copied, as",
	"long as the test goes on. What is expected of it and its verdict are the same; how often it was moved",
	"is in the JSON report. Three moves that fail, one after the other, are an error.",
	"",
	"--boots N: when all was seen, the guest must reset itself, and boots again, N times in all.",
	"",
	"A file of tests is TOML 1.0 or JSON: its name ends in .toml or .json. Its keys are the options' names:",
	"  timeout = 60                        { \"timeout\": 60, \"expect\": \"login:\",",
	"  expect = 'login:'                     \"matrix\": { \"kernel\": [\"vmlinuz-6.1\", \"vmlinuz-6.12\"],",
	"  [matrix]                                          \"cpus\": [1, 4] },",
	"  kernel = ['vmlinuz-6.1',              \"tests\": [ { \"name\": \"ext4\",",
	"            'vmlinuz-6.12']                          \"append\": \"root=/dev/vda\" },",
	"  cpus = [1, 4]                                    { \"name\": \"quiet\" } ] }",
	"  [[tests]]",
	"  name = 'ext4'",
	"  append = 'root=/dev/vda'",
	"  [[tests]]",
	"  name = 'quiet'",
	"Each of tests is run with each combination of the matrix; what else is there is for all, and",
	"options of the command line are added. \"dialog\": [ [\"login:\", \"root\\n\"], … ] is --expect with",
	"--send, several times. --shard 2/4 runs every fourth of the tests, the second of them first;",
	"'ferry smoke merge REPORT...' joins what --json wrote and makes TAP, --junit and --json of it.",
	NULL,
};

const struct command command_smoke = {
	.name = "smoke",
	.summary = "boot kernels for CI, with a verdict on each",
	.operands = { "KERNEL" },
	.repeats = true,
	.operand = smoke_operand,
	.options = smoke_option_table,
	.option_count = SMOKE_OPTIONS,
	.notes = notes,
	.more = more,
	.run = run_smoke,
};
