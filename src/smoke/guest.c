/* SPDX-License-Identifier: Apache-2.0 */
/* Carries a test from its first boot to its verdict. */
#include "smoke/guest.h"

#include <ferry/error.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define MS 1000000ULL

/* Without output for so long a guest may be waiting for an answer to what it has printed. */
#define PROMPT_NS (100 * MS)
/* From the request to end until the end by force. */
#define GRACE_NS (5000 * MS)

static void on_line(void *self, uint64_t began, const char *line)
{
	struct smoke_guest *guest = self;

	smoke_console_line(&guest->console, began, line);
	smoke_judge_line(&guest->judge, guest->now, line);
}

static void on_send(void *self, const char *text, size_t len)
{
	struct smoke_guest *guest = self;

	smoke_child_type(&guest->child, text, len);
}

static void boot(struct smoke_guest *guest)
{
	int err = smoke_child_start(&guest->child, guest->program, guest->test->args);

	if (err)
		smoke_judge_error(&guest->judge, error_text(err));
	else
		smoke_judge_boot(&guest->judge, guest->now);
}

static int open_console(struct smoke_guest *guest, const char *directory)
{
	char name[128];

	if (directory) {
		smoke_test_file_name(guest->test, guest->number + 1, name, sizeof(name));
		if (asprintf(&guest->console_path, "%s/%s.console", directory, name) < 0)
			return because(-ENOMEM, "out of memory");
	}
	return smoke_console_init(&guest->console, guest->console_path, guest->now);
}

int smoke_guest_start(struct smoke_guest *guest, const struct smoke_test *test, size_t number,
		      const struct smoke_signs *signs, const char *program, const char *directory)
{
	int err;

	*guest = (struct smoke_guest){
		.test = test,
		.number = number,
		.child = SMOKE_CHILD_NONE,
		.console.fd = -1,
		.program = program,
		.now = clock_now(),
		.quiet_at = UINT64_MAX,
		.kill_at = UINT64_MAX,
	};
	guest->lines.complete = on_line;
	guest->lines.self = guest;
	err = smoke_judge_init(&guest->judge, &test->rules, signs);
	if (err)
		return err;
	guest->judge.send = on_send;
	guest->judge.self = guest;
	guest->judge.started = guest->now;
	err = open_console(guest, directory);
	if (err)
		smoke_judge_error(&guest->judge, error_text(err));
	else
		boot(guest);
	return 0;
}

void smoke_guest_finish(struct smoke_guest *guest)
{
	smoke_child_finish(&guest->child);
	smoke_console_finish(&guest->console);
	smoke_judge_finish(&guest->judge);
	free(guest->console_path);
	guest->console_path = NULL;
}

unsigned smoke_guest_poll(const struct smoke_guest *guest, struct pollfd *fds)
{
	const struct smoke_child *child = &guest->child;
	unsigned n = 0;

	if (child->out >= 0)
		fds[n++] = (struct pollfd){ .fd = child->out, .events = POLLIN };
	if (child->err >= 0)
		fds[n++] = (struct pollfd){ .fd = child->err, .events = POLLIN };
	if (child->in >= 0 && child->typed.len)
		fds[n++] = (struct pollfd){ .fd = child->in, .events = POLLOUT };
	if (child->pid > 0)
		fds[n++] = (struct pollfd){ .fd = child->pidfd, .events = POLLIN };
	return n;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t smoke_guest_deadline(const struct smoke_guest *guest)
{
	return earlier(smoke_judge_deadline(&guest->judge),
		       earlier(guest->quiet_at, guest->kill_at));
}

/* One piece of the console's output; false: there is none now. */
static bool read_some(struct smoke_guest *guest)
{
	char buf[16384];
	ssize_t n;

	if (guest->child.out < 0)
		return false;
	n = read(guest->child.out, buf, sizeof(buf));
	if (n > 0) {
		if (!guest->first_byte)
			guest->first_byte = guest->now;
		guest->quiet_at = guest->now + PROMPT_NS;
		smoke_judge_alive(&guest->judge, guest->now);
		smoke_lines_put(&guest->lines, guest->now, buf, (size_t)n);
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(guest->child.out);
		guest->child.out = -1;
	}
	return false;
}

static bool has_exited(const struct smoke_guest *guest)
{
	struct pollfd fd = { .fd = guest->child.pidfd, .events = POLLIN };

	return guest->child.pid > 0 && poll(&fd, 1, 0) > 0;
}

/* All that it said comes before how it ended. */
static void reap(struct smoke_guest *guest)
{
	int status;

	while (read_some(guest))
		;
	smoke_lines_end(&guest->lines);
	if (guest->child.err >= 0)
		smoke_child_listen(&guest->child);
	status = smoke_child_reap(&guest->child);
	smoke_judge_ended(&guest->judge, status, smoke_child_said(&guest->child));
	smoke_child_finish(&guest->child);
	if (smoke_judge_wants_boot(&guest->judge))
		boot(guest);
}

static void end_child(struct smoke_guest *guest)
{
	if (!guest->decided)
		guest->decided = guest->now;
	if (guest->child.pid > 0 && guest->kill_at == UINT64_MAX) {
		smoke_child_signal(&guest->child, SIGTERM);
		guest->kill_at = guest->now + GRACE_NS;
	} else if (guest->child.pid > 0 && guest->now >= guest->kill_at) {
		smoke_child_signal(&guest->child, SIGKILL);
		guest->kill_at = guest->now + GRACE_NS;
	}
	if (guest->child.pid == 0) {
		smoke_lines_end(&guest->lines);
		guest->ended = true;
	}
}

void smoke_guest_step(struct smoke_guest *guest, uint64_t now)
{
	bool exited = has_exited(guest);

	guest->now = now;
	/* A guest that prints without end must not keep the others waiting. */
	for (int i = 0; i < 16 && read_some(guest); i++)
		;
	if (guest->child.err >= 0)
		smoke_child_listen(&guest->child);
	smoke_child_type_more(&guest->child);
	if (exited)
		reap(guest);
	if (now >= guest->quiet_at) {
		guest->quiet_at = UINT64_MAX;
		smoke_judge_prompt(&guest->judge, now, smoke_lines_rest(&guest->lines));
	}
	smoke_judge_time(&guest->judge, now);
	if (guest->judge.phase == SMOKE_DECIDED)
		end_child(guest);
}

void smoke_guest_cancel(struct smoke_guest *guest, const char *why)
{
	smoke_judge_error(&guest->judge, why);
}

static char *frames_text(const struct smoke_frames *frames)
{
	struct text text = { 0 };

	for (unsigned i = 0; i < frames->count; i++)
		text_add(&text, "%s%s", i ? " " : "", frames->names[i]);
	return text.data;
}

static double seconds(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) / 1e9 : 0;
}

int smoke_guest_result(struct smoke_guest *guest, struct smoke_result *ret_result)
{
	struct smoke_judge *judge = &guest->judge;
	struct text tail = { 0 };

	smoke_console_tail(&guest->console, &tail);
	*ret_result = (struct smoke_result){
		.name = strdup(guest->test->name),
		.verdict = judge->verdict,
		.reason = strdup(judge->reason),
		.seconds = seconds(judge->started, guest->decided),
		.first_byte = guest->first_byte ? seconds(judge->started, guest->first_byte) : -1,
		.boots = judge->boots,
		.guest_status = judge->guest_status,
		.fingerprint = frames_text(&judge->frames),
		.subtests = judge->ktap,
		.tail = tail.data,
		.console = guest->console_path,
	};
	guest->console_path = NULL;
	judge->ktap = (struct smoke_ktap){ 0 };
	return ret_result->name && ret_result->reason ? 0 : because(-ENOMEM, "out of memory");
}
