/* SPDX-License-Identifier: Apache-2.0 */
/* Console output on its way to a descriptor whose reader may be slow. */
#ifndef CLI_SINK_H
#define CLI_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "io/loop.h"

#define SINK_SIZE 65536 /* what it can hold */

/*
 * Everything belongs to the loop's thread. Bytes are written in order, by one asynchronous write at
 * a time; drained() tells that there is much room again.
 */
struct sink {
	struct loop *loop;
	struct loop_op op;
	unsigned writing; /* 1 while op is under way */
	int fd;		  /* the caller's; it may be blocking */
	int error; /* -errno of the write that ended it: it takes, and drops, all from then on */
	char *ring;
	size_t head, used; /* offset of the first byte; bytes */
	void (*drained)(void *self);
	void *self;
};

/* fd -1: a sink that takes everything and keeps nothing. -ENOMEM. */
int sink_init(struct sink *sink, struct loop *loop, int fd, void (*drained)(void *self),
	      void *self);

/* How many bytes it can take now. */
size_t sink_room(const struct sink *sink);

/* len is at most sink_room(). */
void sink_put(struct sink *sink, const void *buf, size_t len);

/* Waits until all is written, at most ns nanoseconds; then gives the rest up (error -ETIMEDOUT). */
void sink_drain(struct sink *sink, uint64_t ns);

/* After sink_drain(). A zeroed sink is fine. */
void sink_finish(struct sink *sink);

#endif
