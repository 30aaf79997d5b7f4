/* SPDX-License-Identifier: Apache-2.0 */
/* What the event loop waits for besides operations: descriptors and times. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/util.h"
#include "io/loop_impl.h"

/* What user_data of a poll or a timeout points to; its own life ends with its last completion. */
struct loop_poll {
	struct loop_op op;
	struct loop *loop;
	struct loop_watch *watch; /* NULL once removed */
	unsigned events;
	bool is_eventfd;
};

struct loop_timeout {
	struct loop_op op;
	struct loop *loop;
	struct loop_timer *timer; /* NULL once disarmed */
	struct __kernel_timespec when;
};

static void ignore(struct loop_op *op, int res)
{
	(void)op;
	(void)res;
}

static struct loop_op ignored = { .done = ignore };

void loop_cancel(struct loop *loop, struct loop_op *op)
{
	SUBMIT(loop, &ignored, io_uring_prep_cancel, op, 0);
}

/* A lasting poll tells of every signal, whether or not somebody reads the counter. */
static void poll_submit(struct loop_poll *poll)
{
	int fd = poll->watch->fd;

	if (poll->is_eventfd && poll->loop->lasting_polls)
		SUBMIT(poll->loop, &poll->op, io_uring_prep_poll_multishot, fd, poll->events);
	else
		SUBMIT(poll->loop, &poll->op, io_uring_prep_poll_add, fd, poll->events);
}

static void poll_done(struct loop_op *op, int res)
{
	struct loop_poll *poll = container_of(op, struct loop_poll, op);
	bool more = poll->loop->more;
	uint64_t counter;

	if (poll->watch && poll->is_eventfd && !poll->loop->lasting_polls)
		(void)!read(poll->watch->fd, &counter, sizeof(counter));
	if (poll->watch && res != -ECANCELED)
		poll->watch->ready(poll->watch, res < 0 ? POLLERR : (unsigned)res);
	if (more)
		return;
	if (poll->watch)
		poll_submit(poll);
	else
		free(poll);
}

static int poll_begin(struct loop *loop, struct loop_watch *watch, unsigned events, bool is_eventfd)
{
	struct loop_poll *poll = calloc(1, sizeof(*poll));

	if (!poll)
		return -ENOMEM;
	*poll = (struct loop_poll){ .op.done = poll_done,
				    .loop = loop,
				    .watch = watch,
				    .events = events,
				    .is_eventfd = is_eventfd };
	watch->poll = poll;
	poll_submit(poll);
	return 0;
}

int loop_watch_add(struct loop *loop, struct loop_watch *watch, int fd, unsigned events,
		   void (*ready)(struct loop_watch *watch, unsigned events))
{
	*watch = (struct loop_watch){ .fd = fd, .ready = ready };
	return poll_begin(loop, watch, events, false);
}

int loop_watch_eventfd(struct loop *loop, struct loop_watch *watch, int fd,
		       void (*ready)(struct loop_watch *watch, unsigned events))
{
	*watch = (struct loop_watch){ .fd = fd, .ready = ready };
	return poll_begin(loop, watch, POLLIN, true);
}

void loop_watch_remove(struct loop *loop, struct loop_watch *watch)
{
	struct loop_poll *poll = watch->poll;

	if (!poll)
		return;
	poll->watch = NULL;
	watch->poll = NULL;
	loop_cancel(loop, &poll->op);
}

static void timeout_done(struct loop_op *op, int res)
{
	struct loop_timeout *timeout = container_of(op, struct loop_timeout, op);
	struct loop_timer *timer = timeout->timer;

	(void)res;
	free(timeout);
	if (!timer)
		return;
	timer->timeout = NULL;
	timer->fired(timer);
}

int loop_timer_arm(struct loop *loop, struct loop_timer *timer, uint64_t ns,
		   void (*fired)(struct loop_timer *timer))
{
	struct loop_timeout *timeout = calloc(1, sizeof(*timeout));

	if (!timeout)
		return -ENOMEM;
	loop_timer_disarm(loop, timer);
	*timeout = (struct loop_timeout){
		.op.done = timeout_done,
		.loop = loop,
		.timer = timer,
		.when = { .tv_sec = (long long)(ns / 1000000000),
			  .tv_nsec = (long long)(ns % 1000000000) },
	};
	*timer = (struct loop_timer){ .fired = fired, .timeout = timeout };
	SUBMIT(loop, &timeout->op, io_uring_prep_timeout, &timeout->when, 0, 0);
	return 0;
}

void loop_timer_disarm(struct loop *loop, struct loop_timer *timer)
{
	struct loop_timeout *timeout = timer->timeout;

	if (!timeout)
		return;
	timeout->timer = NULL;
	timer->timeout = NULL;
	SUBMIT(loop, &ignored, io_uring_prep_timeout_remove, (uintptr_t)&timeout->op, 0);
}
