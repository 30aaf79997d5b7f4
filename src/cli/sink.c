/* SPDX-License-Identifier: Apache-2.0 */
/* Writes console output without ever making the loop wait for its reader. */
#include "cli/sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static void write_done(struct loop_op *op, int res);

static void write_on(struct sink *sink)
{
	size_t len = min_u64(sink->used, SINK_SIZE - sink->head);

	if (sink->writing || !len)
		return;
	sink->writing = 1;
	sink->op.done = write_done;
	loop_write(sink->loop, &sink->op, sink->fd, sink->ring + sink->head, (unsigned)len,
		   (uint64_t)-1);
}

static void write_done(struct loop_op *op, int res)
{
	struct sink *sink = container_of(op, struct sink, op);

	sink->writing = 0;
	if (res > 0 && !sink->error) {
		sink->head = (sink->head + (size_t)res) % SINK_SIZE;
		sink->used -= (size_t)res;
	} else if (res != -EINTR && res != -EAGAIN) {
		if (!sink->error)
			sink->error = res ? res : -EIO;
		sink->used = 0;
	}
	/* Begin at the front again: a ring that is never full touches few pages. */
	if (!sink->used)
		sink->head = 0;
	write_on(sink);
	if (sink->used <= SINK_SIZE / 2 && sink->drained)
		sink->drained(sink->self);
}

int sink_init(struct sink *sink, struct loop *loop, int fd, void (*drained)(void *self), void *self)
{
	*sink = (struct sink){ .loop = loop, .fd = fd, .drained = drained, .self = self };
	if (fd < 0)
		return 0;
	sink->ring = malloc(SINK_SIZE);
	return sink->ring ? 0 : -ENOMEM;
}

size_t sink_room(const struct sink *sink)
{
	return !sink->ring || sink->error ? SIZE_MAX : SINK_SIZE - sink->used;
}

void sink_put(struct sink *sink, const void *buf, size_t len)
{
	const char *from = buf;
	size_t tail, first;

	if (!sink->ring || sink->error)
		return;
	tail = (sink->head + sink->used) % SINK_SIZE;
	first = min_u64(len, SINK_SIZE - tail);
	memcpy(sink->ring + tail, from, first);
	memcpy(sink->ring, from + first, len - first);
	sink->used += len;
	write_on(sink);
}

struct last_call {
	struct loop_timer timer;
	struct sink *sink;
};

static void give_up(struct loop_timer *timer)
{
	struct sink *sink = container_of(timer, struct last_call, timer)->sink;

	sink->error = -ETIMEDOUT;
	sink->used = 0;
	if (sink->writing)
		loop_cancel(sink->loop, &sink->op);
}

void sink_drain(struct sink *sink, uint64_t ns)
{
	struct last_call last = { .sink = sink };

	if (!sink->writing)
		return;
	if (loop_timer_arm(sink->loop, &last.timer, ns, give_up) != 0)
		give_up(&last.timer);
	loop_drain(sink->loop, &sink->writing);
	loop_timer_disarm(sink->loop, &last.timer);
}

void sink_finish(struct sink *sink)
{
	free(sink->ring);
	*sink = (struct sink){ .fd = -1 };
}
