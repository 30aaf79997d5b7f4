/* SPDX-License-Identifier: Apache-2.0 */
/* Moves a guest under test from one ferry to another on this host, live, while it is being judged. */
#ifndef SMOKE_MOVE_H
#define SMOKE_MOVE_H

#include <stdbool.h>
#include <stdint.h>

#include "smoke/child.h"
#include "smoke/words.h"

/* After so many that failed one after the other it is ferry's fault, and no bad luck. */
#define SMOKE_MOVES_FAILED_MAX 3

/* Zeroed by smoke_move_init(). */
struct smoke_move {
	struct smoke_child to;	  /* waits for the guest */
	struct smoke_child mover; /* `ferry migrate` */
	char uri[160];
	unsigned count;	 /* of moves that were made */
	unsigned failed; /* since the last one */
	char why[512];	 /* the last that failed */
	uint64_t given_up_at; /* when it counts as failed; UINT64_MAX: it does not */
};

void smoke_move_init(struct smoke_move *move);
/* Ends what it started. */
void smoke_move_finish(struct smoke_move *move);

static inline bool smoke_move_is_under_way(const struct smoke_move *move)
{
	return move->to.pid > 0 || move->mover.pid > 0;
}

/*
 * Begins one: words are those of a `ferry run` for a guest that runs already, name is the VM's there,
 * directory is for a socket. What child is told from here on waits. -errno with a text.
 */
int smoke_move_begin(struct smoke_move *move, struct smoke_child *child, const char *program,
		     const struct smoke_words *words, const char *name, const char *directory);
/* Whatever there is to do; a move that has failed is over then. -errno with a text as from begin. */
int smoke_move_step(struct smoke_move *move, struct smoke_child *child, const char *program);
/* child has ended because its guest is elsewhere: it becomes the one that has it. */
void smoke_move_arrived(struct smoke_move *move, struct smoke_child *child);
/* child has ended otherwise: so has the move. */
void smoke_move_give_up(struct smoke_move *move);

#endif
