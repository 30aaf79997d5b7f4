/* SPDX-License-Identifier: Apache-2.0 */
/* A wake-up of the loop that any thread can give, and that costs nothing while one is under way. */
#ifndef IO_KICK_H
#define IO_KICK_H

struct loop;

/* The owner embeds it; fn finds the owner with container_of(). */
struct kick {
	struct loop *loop;
	void (*fn)(struct kick *kick); /* on the loop's thread */
	unsigned pending;	       /* atomic: a loop_call() is under way */
};

static inline void kick_init(struct kick *kick, struct loop *loop, void (*fn)(struct kick *kick))
{
	*kick = (struct kick){ .loop = loop, .fn = fn };
}

/*
 * Has fn called once, soon; kicks given before fn begins are one. Any thread. -ENOMEM: it will not
 * be called, and the next kick tries again.
 */
int kick_give(struct kick *kick);

/* Waits until none is under way. On the loop's thread, when nobody gives any more. Zeroed is fine.
 */
void kick_finish(struct kick *kick);

#endif
