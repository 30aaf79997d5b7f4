/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the event loop: what its files share. */
#ifndef IO_LOOP_IMPL_H
#define IO_LOOP_IMPL_H

#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>

#include "io/loop.h"

struct loop_message;

/*
 * lock protects the message queue and nothing else; nothing is taken under it. wake_fd is written
 * only when the queue was empty, so a burst of messages costs one system call.
 */
struct loop {
	struct io_uring ring;
	_Atomic pthread_t thread; /* who runs it now */
	struct loop_deferred *deferred;
	struct loop_lookout *lookouts;
	bool may_look;	    /* somebody else can run meanwhile: there is another CPU */
	uint64_t look_ns;   /* for how long to look before sleeping */
	unsigned in_flight; /* ops, polls and timeouts that the kernel still has */
	bool lasting_polls; /* a poll can have many completions (Linux 5.13) */
	bool more;	    /* the op whose completion is being dispatched will have another */
	atomic_bool stop;
	pthread_mutex_t lock;
	struct loop_message *messages, **messages_tail;
	int wake_fd;
	struct loop_watch wake;
};

/* loop.c: a free submission entry, which counts as in flight. */
struct io_uring_sqe *loop_get_sqe(struct loop *loop);

#define SUBMIT(loop, op, prep, ...)                             \
	do {                                                    \
		struct io_uring_sqe *sqe_ = loop_get_sqe(loop); \
		prep(sqe_, __VA_ARGS__);                        \
		io_uring_sqe_set_data(sqe_, op);                \
	} while (0)

/*
 * loop_lookout.c: looks for work for a while, unless completions are there. False: there is none
 * and every lookout has had its last look, so the loop may sleep.
 */
bool loop_look(struct loop *loop);
void loop_look_init(struct loop *loop);
/* After that sleep and what it was ended by: for how long there was nothing to do, in all. */
void loop_look_learn(struct loop *loop, uint64_t idle_ns);
uint64_t loop_now(void);

#endif
