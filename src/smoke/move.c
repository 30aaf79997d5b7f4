/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A move: a ferry that takes the guest says that it listens; `ferry migrate` is started; the ferry
 * that had the guest ends with a status of its own, and the other one's console goes on where its
 * console stopped.
 */
#include "smoke/move.h"

#include <ferry/error.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* A guest that has gone although who asked for it failed is not to be killed there. */
#define LAST_WAIT_NS 5000000000ULL

void smoke_move_init(struct smoke_move *move)
{
	*move = (struct smoke_move){ .to = SMOKE_CHILD_NONE, .mover = SMOKE_CHILD_NONE };
}

void smoke_move_finish(struct smoke_move *move)
{
	smoke_child_finish(&move->mover);
	smoke_child_finish(&move->to);
}

int smoke_move_begin(struct smoke_move *move, struct smoke_child *child, const char *program,
		     const struct smoke_words *words, const char *name, const char *directory)
{
	struct smoke_words all = { 0 };
	int err;

	move->given_up_at = UINT64_MAX;
	snprintf(move->uri, sizeof(move->uri), "unix:%s/%s", directory, name);
	smoke_words_add_all(&all, words);
	smoke_words_add(&all, "--name=%s", name);
	smoke_words_add(&all, "--incoming=%s", move->uri);
	err = smoke_words_check(&all);
	if (!err)
		err = smoke_child_start(&move->to, program, all.all);
	smoke_words_finish(&all);
	if (err)
		return err;
	snprintf(move->to.name, sizeof(move->to.name), "%s", name);
	child->is_held = true;
	return 0;
}

/* Memory is copied: over unix: it would be handed over, and the guest would see less of a move. */
static int start_mover(struct smoke_move *move, const struct smoke_child *child, const char *program)
{
	struct smoke_words words = { 0 };
	int err;

	smoke_words_add(&words, "ferry");
	smoke_words_add(&words, "migrate");
	smoke_words_add(&words, "%s", child->name);
	smoke_words_add(&words, "%s", move->uri);
	smoke_words_add(&words, "--copy-memory");
	err = smoke_words_check(&words);
	if (!err)
		err = smoke_child_start(&move->mover, program, words.all);
	smoke_words_finish(&words);
	return err;
}

void smoke_move_give_up(struct smoke_move *move)
{
	if (!smoke_move_is_under_way(move))
		return;
	smoke_move_finish(move);
	/* Who was killed has not removed it. */
	unlink(move->uri + strlen("unix:"));
}

static void fail(struct smoke_move *move, struct smoke_child *child)
{
	move->failed++;
	smoke_move_give_up(move);
	child->is_held = false;
	smoke_child_type_more(child);
}

/* The socket is there. */
static bool listens(const struct smoke_child *to)
{
	return memmem(to->said, to->said_len, "listening at ", strlen("listening at ")) != NULL;
}

static void mover_ended(struct smoke_move *move, uint64_t now)
{
	int status;

	if (move->mover.err >= 0)
		smoke_child_listen(&move->mover);
	status = smoke_child_reap(&move->mover);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	snprintf(move->why, sizeof(move->why), "%s", smoke_child_said(&move->mover));
	move->given_up_at = now + LAST_WAIT_NS;
}

int smoke_move_step(struct smoke_move *move, struct smoke_child *child, const char *program)
{
	uint64_t now = clock_now();

	if (!smoke_move_is_under_way(move))
		return 0;
	if (move->to.err >= 0)
		smoke_child_listen(&move->to);
	if (smoke_child_has_exited(child))
		return 0; /* and how tells what became of the move */
	if (smoke_child_has_exited(&move->mover))
		mover_ended(move, now);
	if (now >= move->given_up_at) {
		fail(move, child);
	} else if (move->mover.pidfd < 0 && listens(&move->to)) {
		return start_mover(move, child, program);
	} else if (move->mover.pidfd < 0 && smoke_child_has_exited(&move->to)) {
		snprintf(move->why, sizeof(move->why), "%s", smoke_child_said(&move->to));
		fail(move, child);
	}
	return 0;
}

void smoke_move_arrived(struct smoke_move *move, struct smoke_child *child)
{
	smoke_child_inherit(child, &move->to);
	smoke_move_finish(move);
	move->count++;
	move->failed = 0;
}
