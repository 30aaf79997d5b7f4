/* SPDX-License-Identifier: Apache-2.0 */
/* Carries a test from its first boot to its verdict. */
#include "smoke/guest.h"

#include <ferry/error.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
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

/* Of the VM: only what is to be talked to needs one that is known. */
static void make_name(struct smoke_guest *guest, char *name, size_t size)
{
	snprintf(name, size, "smoke-%d-%zu-%u", (int)getpid(), guest->number + 1,
		 ++guest->generation);
}

static int start_child(struct smoke_guest *guest)
{
	const struct smoke_test *test = guest->test;
	struct smoke_words words = { 0 };
	char name[sizeof(guest->child.name)];
	int err;

	make_name(guest, name, sizeof(name));
	smoke_words_add_all(&words, guest->snapshot ? &test->carried : &test->booted);
	smoke_words_add(&words, "--name=%s", name);
	smoke_overlays_words(&guest->overlays, &test->disks, &words);
	if (guest->snapshot)
		smoke_words_add(&words, "--restore=%s", guest->snapshot);
	err = smoke_words_check(&words);
	if (!err)
		err = smoke_child_start(&guest->child, guest->place->program, words.all);
	smoke_words_finish(&words);
	snprintf(guest->child.name, sizeof(guest->child.name), "%s", name);
	return err;
}

static void plan_move(struct smoke_guest *guest)
{
	double every = guest->test->move_every;

	guest->move_at = every > 0 ? guest->now + (uint64_t)(every * 1e9) : UINT64_MAX;
}

static void boot(struct smoke_guest *guest)
{
	int err = start_child(guest);

	if (err)
		smoke_judge_error(&guest->judge, error_text(err));
	else
		smoke_judge_boot(&guest->judge, guest->now);
	plan_move(guest);
}

static int open_console(struct smoke_guest *guest)
{
	char name[128];

	if (guest->place->consoles) {
		smoke_test_file_name(guest->test, guest->number + 1, name, sizeof(name));
		if (asprintf(&guest->console_path, "%s/%s.console", guest->place->consoles, name) < 0)
			return because(-ENOMEM, "out of memory");
	}
	return smoke_console_init(&guest->console, guest->console_path, guest->now);
}

int smoke_guest_start(struct smoke_guest *guest, const struct smoke_test *test, size_t number,
		      const struct smoke_signs *signs, const struct smoke_place *place,
		      const struct smoke_origin *origin)
{
	int err;

	*guest = (struct smoke_guest){
		.test = test,
		.place = place,
		.snapshot = origin ? origin->snapshot : NULL,
		.number = number,
		.child = SMOKE_CHILD_NONE,
		.saver = SMOKE_CHILD_NONE,
		.console.fd = -1,
		.now = clock_now(),
		.quiet_at = UINT64_MAX,
		.kill_at = UINT64_MAX,
		.move_at = UINT64_MAX,
	};
	smoke_move_init(&guest->move);
	guest->lines.complete = on_line;
	guest->lines.self = guest;
	err = smoke_judge_init(&guest->judge, &test->rules, signs);
	if (err)
		return err;
	guest->judge.send = on_send;
	guest->judge.self = guest;
	guest->judge.started = guest->now;
	err = open_console(guest);
	if (!err)
		err = smoke_overlays_make(&guest->overlays, &test->disks,
					  origin ? origin->overlays : NULL);
	if (err)
		smoke_judge_error(&guest->judge, error_text(err));
	else
		boot(guest);
	return 0;
}

void smoke_guest_finish(struct smoke_guest *guest)
{
	smoke_move_finish(&guest->move);
	smoke_child_finish(&guest->saver);
	smoke_child_finish(&guest->child);
	smoke_console_finish(&guest->console);
	smoke_judge_finish(&guest->judge);
	smoke_overlays_finish(&guest->overlays);
	free(guest->console_path);
	guest->console_path = NULL;
}

static unsigned poll_for(int fd, short events, struct pollfd *fds, unsigned n)
{
	if (fd >= 0)
		fds[n++] = (struct pollfd){ .fd = fd, .events = events };
	return n;
}

/* Its words, and its end. */
static unsigned poll_helper(const struct smoke_child *child, struct pollfd *fds, unsigned n)
{
	if (child->pid <= 0)
		return n;
	n = poll_for(child->err, POLLIN, fds, n);
	return poll_for(child->pidfd, POLLIN, fds, n);
}

unsigned smoke_guest_poll(const struct smoke_guest *guest, struct pollfd *fds)
{
	const struct smoke_child *child = &guest->child;
	unsigned n = poll_for(child->out, POLLIN, fds, 0);

	if (child->typed.len && !child->is_held)
		n = poll_for(child->in, POLLOUT, fds, n);
	n = poll_helper(child, fds, n);
	n = poll_helper(&guest->move.to, fds, n);
	n = poll_helper(&guest->move.mover, fds, n);
	return poll_helper(&guest->saver, fds, n);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool is_judged(const struct smoke_guest *guest)
{
	return guest->judge.phase == SMOKE_RUNNING || guest->judge.phase == SMOKE_REBOOTING;
}

uint64_t smoke_guest_deadline(const struct smoke_guest *guest)
{
	uint64_t deadline = earlier(guest->quiet_at, guest->kill_at);

	if (smoke_move_is_under_way(&guest->move))
		deadline = earlier(deadline, guest->move.given_up_at);
	else if (is_judged(guest))
		deadline = earlier(deadline, guest->move_at);
	return earlier(smoke_judge_deadline(&guest->judge), deadline);
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

/* The guest's console goes on elsewhere: in the middle of a line, maybe. */
static void go_on_elsewhere(struct smoke_guest *guest)
{
	if (guest->move.to.pid <= 0) {
		smoke_judge_error(&guest->judge, "the guest was moved, and nobody has it");
		smoke_child_finish(&guest->child);
		return;
	}
	smoke_move_arrived(&guest->move, &guest->child);
	plan_move(guest);
}

/* All that it said comes before how it ended. */
static void reap(struct smoke_guest *guest)
{
	int status;

	while (read_some(guest))
		;
	if (guest->child.err >= 0)
		smoke_child_listen(&guest->child);
	status = smoke_child_reap(&guest->child);
	if (smoke_judge_has_moved(status) && guest->judge.phase != SMOKE_DECIDED) {
		go_on_elsewhere(guest);
		return;
	}
	smoke_lines_end(&guest->lines);
	smoke_move_give_up(&guest->move);
	smoke_judge_ended(&guest->judge, status, smoke_child_said(&guest->child));
	smoke_child_finish(&guest->child);
	if (smoke_judge_wants_boot(&guest->judge))
		boot(guest);
}

static void end_child(struct smoke_guest *guest)
{
	smoke_move_give_up(&guest->move);
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

/* The disks' files are named there as they are here. */
static int begin_move(struct smoke_guest *guest)
{
	struct smoke_words words = { 0 };
	char name[sizeof(guest->child.name)];
	int err;

	make_name(guest, name, sizeof(name));
	smoke_words_add_all(&words, &guest->test->carried);
	smoke_overlays_words(&guest->overlays, &guest->test->disks, &words);
	err = smoke_words_check(&words);
	if (!err)
		err = smoke_move_begin(&guest->move, &guest->child, guest->place->program, &words,
				       name, guest->place->scratch);
	smoke_words_finish(&words);
	return err;
}

static void step_move(struct smoke_guest *guest)
{
	struct smoke_move *move = &guest->move;
	bool was_under_way = smoke_move_is_under_way(move);
	int err = smoke_move_step(move, &guest->child, guest->place->program);

	if (was_under_way && !smoke_move_is_under_way(move))
		plan_move(guest);
	if (!err && move->failed == SMOKE_MOVES_FAILED_MAX) {
		err = because(-EIO, "the guest could not be moved: %s", move->why);
	} else if (!err && !was_under_way && guest->now >= guest->move_at) {
		err = begin_move(guest);
	}
	if (err)
		smoke_judge_error(&guest->judge, error_text(err));
}

/* false: it is under way still. */
static bool save(struct smoke_guest *guest)
{
	struct smoke_child *saver = &guest->saver;
	struct smoke_words words = { 0 };
	int status, err;

	if (saver->pidfd < 0) {
		smoke_words_add(&words, "ferry");
		smoke_words_add(&words, "snapshot");
		smoke_words_add(&words, "%s", guest->child.name);
		smoke_words_add(&words, "%s", guest->test->snapshot);
		err = smoke_words_check(&words);
		if (!err)
			err = smoke_child_start(saver, guest->place->program, words.all);
		smoke_words_finish(&words);
		if (err)
			smoke_judge_overrule(&guest->judge, error_text(err));
		return err != 0;
	}
	if (saver->err >= 0)
		smoke_child_listen(saver);
	if (saver->pid <= 0 || !smoke_child_has_exited(saver))
		return saver->pid <= 0;
	status = smoke_child_reap(saver);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		smoke_judge_overrule(&guest->judge, smoke_child_said(saver));
	return true;
}

static void end(struct smoke_guest *guest)
{
	if (!guest->decided)
		guest->decided = guest->now;
	if (!guest->test->snapshot || guest->judge.verdict != SMOKE_PASS || save(guest))
		end_child(guest);
}

void smoke_guest_step(struct smoke_guest *guest, uint64_t now)
{
	bool exited = smoke_child_has_exited(&guest->child);

	guest->now = now;
	/* A guest that prints without end must not keep the others waiting. */
	for (int i = 0; i < 16 && read_some(guest); i++)
		;
	if (guest->child.err >= 0)
		smoke_child_listen(&guest->child);
	smoke_child_type_more(&guest->child);
	if (exited)
		reap(guest);
	else if (is_judged(guest))
		step_move(guest);
	if (now >= guest->quiet_at) {
		guest->quiet_at = UINT64_MAX;
		smoke_judge_prompt(&guest->judge, now, smoke_lines_rest(&guest->lines));
	}
	smoke_judge_time(&guest->judge, now);
	if (guest->judge.phase == SMOKE_DECIDED)
		end(guest);
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
		.moves = guest->move.count,
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
