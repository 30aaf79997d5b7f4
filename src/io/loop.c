/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop over liburing. */
#include "io/loop.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/util.h"

#define RING_ENTRIES 256

struct loop_message {
	struct loop_message *next;
	void (*fn)(void *arg);
	void *arg;
};

/*
 * lock protects the message queue and nothing else; nothing is taken under it. wake_fd is written
 * only when the queue was empty, so a burst of messages costs one system call.
 */
struct loop {
	struct io_uring ring;
	pthread_t thread;
	struct loop_deferred *deferred;
	unsigned in_flight; /* ops, polls and timeouts that the kernel still has */
	atomic_bool stop;
	pthread_mutex_t lock;
	struct loop_message *messages, **messages_tail;
	int wake_fd;
	struct loop_watch wake;
};

/* What user_data of a poll or a timeout points to; its own life ends with its last completion. */
struct loop_poll {
	struct loop_op op;
	struct loop *loop;
	struct loop_watch *watch; /* NULL once removed */
	unsigned events;
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

/* A free submission entry; the ring is submitted when it is full, so there always is one. */
static struct io_uring_sqe *get_sqe(struct loop *loop)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);

	while (!sqe) {
		io_uring_submit(&loop->ring);
		sqe = io_uring_get_sqe(&loop->ring);
	}
	loop->in_flight++;
	return sqe;
}

#define SUBMIT(loop, op, prep, ...)                                                                \
	do {                                                                                       \
		struct io_uring_sqe *sqe_ = get_sqe(loop);                                     \
		prep(sqe_, __VA_ARGS__);                                                           \
		io_uring_sqe_set_data(sqe_, op);                                                   \
	} while (0)

void loop_readv(struct loop *loop, struct loop_op *op, int fd, const struct iovec *iov,
		unsigned count, uint64_t offset)
{
	SUBMIT(loop, op, io_uring_prep_readv, fd, iov, count, offset);
}

void loop_writev(struct loop *loop, struct loop_op *op, int fd, const struct iovec *iov,
		 unsigned count, uint64_t offset)
{
	SUBMIT(loop, op, io_uring_prep_writev, fd, iov, count, offset);
}

void loop_read(struct loop *loop, struct loop_op *op, int fd, void *buf, unsigned len,
	       uint64_t offset)
{
	SUBMIT(loop, op, io_uring_prep_read, fd, buf, len, offset);
}

void loop_write(struct loop *loop, struct loop_op *op, int fd, const void *buf, unsigned len,
		uint64_t offset)
{
	SUBMIT(loop, op, io_uring_prep_write, fd, buf, len, offset);
}

void loop_fdatasync(struct loop *loop, struct loop_op *op, int fd)
{
	SUBMIT(loop, op, io_uring_prep_fsync, fd, IORING_FSYNC_DATASYNC);
}

void loop_fallocate(struct loop *loop, struct loop_op *op, int fd, int mode, uint64_t offset,
		    uint64_t len)
{
	SUBMIT(loop, op, io_uring_prep_fallocate, fd, mode, (off_t)offset, (off_t)len);
}

void loop_cancel(struct loop *loop, struct loop_op *op)
{
	SUBMIT(loop, &ignored, io_uring_prep_cancel, op, 0);
}

static void poll_submit(struct loop_poll *poll)
{
	SUBMIT(poll->loop, &poll->op, io_uring_prep_poll_add, poll->watch->fd, poll->events);
}

static void poll_done(struct loop_op *op, int res)
{
	struct loop_poll *poll = container_of(op, struct loop_poll, op);

	if (poll->watch && res != -ECANCELED)
		poll->watch->ready(poll->watch, res < 0 ? POLLERR : (unsigned)res);
	if (poll->watch)
		poll_submit(poll);
	else
		free(poll);
}

int loop_watch_add(struct loop *loop, struct loop_watch *watch, int fd, unsigned events,
		   void (*ready)(struct loop_watch *watch, unsigned events))
{
	struct loop_poll *poll = calloc(1, sizeof(*poll));

	if (!poll)
		return -ENOMEM;
	*poll = (struct loop_poll){
		.op.done = poll_done, .loop = loop, .watch = watch, .events = events
	};
	*watch = (struct loop_watch){ .fd = fd, .ready = ready, .poll = poll };
	poll_submit(poll);
	return 0;
}

void loop_watch_remove(struct loop *loop, struct loop_watch *watch)
{
	struct loop_poll *poll = watch->poll;

	if (!poll)
		return;
	poll->watch = NULL;
	watch->poll = NULL;
	SUBMIT(loop, &ignored, io_uring_prep_cancel, &poll->op, 0);
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
		.when = { .tv_sec = (long long)(ns / 1000000000), .tv_nsec = (long long)(ns % 1000000000) },
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

static struct loop_message *take_messages(struct loop *loop)
{
	struct loop_message *first;

	pthread_mutex_lock(&loop->lock);
	first = loop->messages;
	loop->messages = NULL;
	loop->messages_tail = &loop->messages;
	pthread_mutex_unlock(&loop->lock);
	return first;
}

static void deliver_messages(struct loop_watch *watch, unsigned events)
{
	struct loop *loop = container_of(watch, struct loop, wake);
	struct loop_message *next;
	uint64_t count;

	(void)events;
	(void)!read(loop->wake_fd, &count, sizeof(count));
	for (struct loop_message *m = take_messages(loop); m; m = next) {
		next = m->next;
		m->fn(m->arg);
		free(m);
	}
}

static void wake_up(struct loop *loop)
{
	(void)!write(loop->wake_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
}

int loop_call(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct loop_message *m = calloc(1, sizeof(*m));
	bool was_empty;

	if (!m)
		return -ENOMEM;
	m->fn = fn;
	m->arg = arg;
	pthread_mutex_lock(&loop->lock);
	was_empty = !loop->messages;
	*loop->messages_tail = m;
	loop->messages_tail = &m->next;
	pthread_mutex_unlock(&loop->lock);
	if (was_empty)
		wake_up(loop);
	return 0;
}

void loop_stop(struct loop *loop)
{
	atomic_store(&loop->stop, true);
	wake_up(loop);
}

bool loop_is_here(const struct loop *loop)
{
	return pthread_equal(loop->thread, pthread_self());
}

/* Calls back for every completion that is there. */
static void reap(struct loop *loop)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&loop->ring, &cqe) == 0) {
		struct loop_op *op = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&loop->ring, cqe);
		loop->in_flight--;
		op->done(op, res);
	}
}

void loop_defer(struct loop *loop, struct loop_deferred *deferred)
{
	if (deferred->queued)
		return;
	deferred->queued = true;
	deferred->next = loop->deferred;
	loop->deferred = deferred;
}

void loop_defer_cancel(struct loop *loop, struct loop_deferred *deferred)
{
	struct loop_deferred **link = &loop->deferred;

	while (*link && *link != deferred)
		link = &(*link)->next;
	if (!*link)
		return;
	*link = deferred->next;
	deferred->queued = false;
}

static void run_deferred(struct loop *loop)
{
	while (loop->deferred) {
		struct loop_deferred *deferred = loop->deferred;

		loop->deferred = deferred->next;
		deferred->queued = false;
		deferred->fn(deferred);
	}
}

/* Submits, waits for at least one completion, and dispatches. */
static int turn(struct loop *loop)
{
	int r = io_uring_submit_and_wait(&loop->ring, 1);

	if (r < 0 && r != -EINTR && r != -EAGAIN && r != -EBUSY)
		return because(r, "io_uring: waiting failed (errno %d)", -r);
	reap(loop);
	run_deferred(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	int r = 0;

	loop->thread = pthread_self();
	while (r == 0 && !atomic_load(&loop->stop))
		r = turn(loop);
	atomic_store(&loop->stop, false);
	return r;
}

int loop_drain(struct loop *loop, const unsigned *pending)
{
	int r = 0;

	loop->thread = pthread_self();
	while (r == 0 && *pending)
		r = turn(loop);
	return r;
}

static int ring_init(struct loop *loop)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CLAMP | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CQSIZE,
		.cq_entries = 16 * RING_ENTRIES,
	};
	int r = io_uring_queue_init_params(RING_ENTRIES, &loop->ring, &params);

	if (r == -EINVAL) { /* before 5.19: no COOP_TASKRUN */
		params.flags = IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
		r = io_uring_queue_init_params(RING_ENTRIES, &loop->ring, &params);
	}
	if (r == -EPERM)
		return because(r, "io_uring is forbidden here: set /proc/sys/kernel/io_uring_disabled to 0");
	if (r == -ENOSYS)
		return because(r, "this kernel has no io_uring: ferry needs Linux 5.10 or newer");
	return r < 0 ? because(r, "io_uring: cannot set up a ring (errno %d)", -r) : 0;
}

int loop_create(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	r = ring_init(loop);
	if (r < 0) {
		free(loop);
		return r;
	}
	pthread_mutex_init(&loop->lock, NULL);
	loop->messages_tail = &loop->messages;
	loop->thread = pthread_self();
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0) {
		r = -errno;
		goto fail;
	}
	r = loop_watch_add(loop, &loop->wake, loop->wake_fd, POLLIN, deliver_messages);
	if (r < 0)
		goto fail;
	*ret_loop = loop;
	return 0;
fail:
	loop_destroy(loop);
	return r;
}

void loop_destroy(struct loop *loop)
{
	struct loop_message *next;

	if (!loop)
		return;
	loop_watch_remove(loop, &loop->wake);
	loop_drain(loop, &loop->in_flight);
	for (struct loop_message *m = loop->messages; m; m = next) {
		next = m->next;
		free(m);
	}
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	pthread_mutex_destroy(&loop->lock);
	io_uring_queue_exit(&loop->ring);
	free(loop);
}
