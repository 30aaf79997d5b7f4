/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: one thread, one io_uring, one place to wait. */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * Everything here belongs to the loop's thread (the one in loop_run(), or before that the one that
 * set things up), except loop_call() and loop_stop(), which any thread may use. Callbacks run on the
 * loop's thread and never block.
 */
struct loop;

/* -ENOSYS or -EPERM where the kernel has no io_uring or forbids it; the text says what to do. */
int loop_create(struct loop **ret_loop);

/* Every watch and timer must have been removed and every op be done. NULL is fine. */
void loop_destroy(struct loop *loop);

/* Dispatches until loop_stop(). 0, or -errno of io_uring_enter(2). May be called again. */
int loop_run(struct loop *loop);

/* Makes loop_run() return once the callback under way has ended. Any thread. */
void loop_stop(struct loop *loop);

/* Dispatches until *pending is 0: for whoever must not go before its ops are done. */
int loop_drain(struct loop *loop, const unsigned *pending);

/*
 * One asynchronous operation. The caller owns it and keeps it, and the buffers and iovecs it
 * names, until done() is called with the result as the system call would return it (-errno on
 * failure). An op may be submitted again from its own done(). A submission never fails by itself:
 * what cannot be submitted is completed with -errno.
 */
struct loop_op {
	void (*done)(struct loop_op *op, int res);
};

void loop_readv(struct loop *loop, struct loop_op *op, int fd, const struct iovec *iov,
		unsigned count, uint64_t offset);
void loop_writev(struct loop *loop, struct loop_op *op, int fd, const struct iovec *iov,
		 unsigned count, uint64_t offset);
/* offset -1: the file's own position (sockets, pipes, terminals). */
void loop_read(struct loop *loop, struct loop_op *op, int fd, void *buf, unsigned len,
	       uint64_t offset);
void loop_write(struct loop *loop, struct loop_op *op, int fd, const void *buf, unsigned len,
		uint64_t offset);
void loop_fdatasync(struct loop *loop, struct loop_op *op, int fd);
/* mode as in fallocate(2). */
void loop_fallocate(struct loop *loop, struct loop_op *op, int fd, int mode, uint64_t offset,
		    uint64_t len);

/* Asks for the op's early end; its done() is called in any case, perhaps with -ECANCELED. */
void loop_cancel(struct loop *loop, struct loop_op *op);

/* A descriptor that is waited for. Zero it before its first use; ready() and fd are set by add. */
struct loop_watch {
	int fd;
	void (*ready)(struct loop_watch *watch, unsigned events);
	struct loop_poll *poll; /* the loop's own; NULL while not added */
};

/*
 * Calls ready(watch, events) whenever fd has any of events (poll(2): POLLIN, POLLOUT; POLLERR and
 * POLLHUP always). It is told again while the condition lasts. -ENOMEM.
 */
int loop_watch_add(struct loop *loop, struct loop_watch *watch, int fd, unsigned events,
		   void (*ready)(struct loop_watch *watch, unsigned events));

/*
 * Calls ready() after every signal of an eventfd, once for several that come together. The counter
 * is the loop's: nobody else reads it. -ENOMEM.
 */
int loop_watch_eventfd(struct loop *loop, struct loop_watch *watch, int fd,
		       void (*ready)(struct loop_watch *watch, unsigned events));

/* After it ready() is not called any more, and watch may be freed. Harmless when not added. */
void loop_watch_remove(struct loop *loop, struct loop_watch *watch);

/* A timer. Zero it before its first use. */
struct loop_timer {
	void (*fired)(struct loop_timer *timer);
	struct loop_timeout *timeout; /* the loop's own; NULL while not armed */
};

/* Calls fired once after ns nanoseconds of CLOCK_MONOTONIC. Replaces an earlier arming. -ENOMEM. */
int loop_timer_arm(struct loop *loop, struct loop_timer *timer, uint64_t ns,
		   void (*fired)(struct loop_timer *timer));
void loop_timer_disarm(struct loop *loop, struct loop_timer *timer);

/*
 * Work that is done once for a burst: fn is called when all completions at hand have been
 * dispatched, before the loop waits again. Deferring it again in the meantime changes nothing; from
 * fn on, it is another time. Zero it before its first use. Loop thread.
 */
struct loop_deferred {
	void (*fn)(struct loop_deferred *deferred);
	struct loop_deferred *next; /* the loop's own */
	bool queued;
};

void loop_defer(struct loop *loop, struct loop_deferred *deferred);
/* After it the deferred may be freed. Harmless when it is not queued. */
void loop_defer_cancel(struct loop *loop, struct loop_deferred *deferred);

/*
 * Somebody who can see that work has come, and whom a wake-up costs more than a look: a queue whose
 * other side must leave its CPU to notify us. Before it sleeps the loop calls look(lookout, false),
 * for a while if work was lately soon to come, then look(lookout, true) once, which first asks to
 * be notified; that takes the lookout off the list. look() takes up what it sees, and returns
 * whether there was any; it may add and remove its own lookout and no other. Zero it before its
 * first use. Loop thread.
 */
struct loop_lookout {
	bool (*look)(struct loop_lookout *lookout, bool last);
	struct loop_lookout *next; /* the loop's own */
	bool queued;
};

/* Adding it again changes nothing. */
void loop_lookout_add(struct loop *loop, struct loop_lookout *lookout);
/* After it the lookout may be freed. Harmless when it is not on the list. */
void loop_lookout_remove(struct loop *loop, struct loop_lookout *lookout);

/*
 * Work has come, and more may be about to, from a thread that cannot run while this one does, for there is
 * one CPU: it runs first. Loop thread.
 */
void loop_let_others_run(struct loop *loop);

/*
 * A message: fn(arg) is run on the loop's thread, in the order of the calls. Any thread; when the
 * loop does not run, it is run by the next loop_run() or loop_drain(). -ENOMEM.
 */
int loop_call(struct loop *loop, void (*fn)(void *arg), void *arg);

/* Whether the caller is on the loop's thread. */
bool loop_is_here(const struct loop *loop);

#endif
