/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop over liburing. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/util.h"
#include "io/loop_impl.h"

#define RING_ENTRIES 256

struct loop_message {
	struct loop_message *next;
	void (*fn)(void *arg);
	void *arg;
};

/* A free submission entry; the ring is submitted when it is full, so there always is one. */
struct io_uring_sqe *loop_get_sqe(struct loop *loop)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);

	while (!sqe) {
		io_uring_submit(&loop->ring);
		sqe = io_uring_get_sqe(&loop->ring);
	}
	loop->in_flight++;
	return sqe;
}

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

	(void)events;
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

/* Calls back for the completions that are there now: what they bring at once waits for its turn. */
static void reap(struct loop *loop)
{
	struct io_uring_cqe *cqe;

	for (unsigned left = io_uring_cq_ready(&loop->ring); left; left--) {
		struct loop_op *op;
		int res;

		if (io_uring_peek_cqe(&loop->ring, &cqe) < 0)
			return;
		op = io_uring_cqe_get_data(cqe);
		res = cqe->res;
		loop->more = cqe->flags & IORING_CQE_F_MORE;
		io_uring_cqe_seen(&loop->ring, cqe);
		if (!loop->more)
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

static bool is_failure(int r)
{
	return r < 0 && r != -EINTR && r != -EAGAIN && r != -EBUSY;
}

/* Submits, looks, sleeps until there is a completion, and dispatches. */
static int turn(struct loop *loop)
{
	uint64_t begin = 0;
	bool found = false;
	int r = 0;

	if (loop->lookouts) {
		begin = loop_now();
		r = io_uring_submit(&loop->ring);
		found = !is_failure(r) && loop_look(loop);
	}
	if (!found && !is_failure(r))
		r = io_uring_submit_and_wait(&loop->ring, 1);
	if (is_failure(r))
		return because(r, "io_uring: waiting failed (errno %d)", -r);
	reap(loop);
	run_deferred(loop);
	if (begin && !found)
		loop_look_learn(loop, loop_now() - begin);
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

	if (!*pending) /* somebody else may be running it */
		return 0;
	loop->thread = pthread_self();
	while (r == 0 && *pending)
		r = turn(loop);
	return r;
}

/* Seccomp does not see what a ring does: so it does what the loop needs, and nothing that opens or connects. */
static int restrict_ring(struct io_uring *ring)
{
	static const uint8_t ops[] = {
		IORING_OP_READV,	IORING_OP_WRITEV,   IORING_OP_READ,
		IORING_OP_WRITE,	IORING_OP_FSYNC,    IORING_OP_FALLOCATE,
		IORING_OP_POLL_ADD,	IORING_OP_TIMEOUT,  IORING_OP_TIMEOUT_REMOVE,
		IORING_OP_ASYNC_CANCEL,
	};
	struct io_uring_restriction allowed[ARRAY_SIZE(ops)] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		allowed[i].opcode = IORING_RESTRICTION_SQE_OP;
		allowed[i].sqe_op = ops[i];
	}
	/* liburing 2.3 declares functions for these two, and has none. */
	if (syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, allowed,
		    ARRAY_SIZE(ops)) < 0 ||
	    syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
		return -errno;
	return 0;
}

static int ring_init(struct loop *loop)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CLAMP | IORING_SETUP_COOP_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
		.cq_entries = 16 * RING_ENTRIES,
	};
	int r = io_uring_queue_init_params(RING_ENTRIES, &loop->ring, &params);

	if (r == -EINVAL) { /* before 5.19: no COOP_TASKRUN */
		params.flags &= ~(IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG);
		r = io_uring_queue_init_params(RING_ENTRIES, &loop->ring, &params);
	}
	if (r == 0) {
		r = restrict_ring(&loop->ring);
		if (r < 0)
			io_uring_queue_exit(&loop->ring);
	}
	/* Came with the lasting polls, which have no sign of their own. */
	loop->lasting_polls = params.features & IORING_FEAT_RSRC_TAGS;
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
	loop_look_init(loop);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0) {
		r = -errno;
		goto fail;
	}
	r = loop_watch_eventfd(loop, &loop->wake, loop->wake_fd, deliver_messages);
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
