/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lock of many readers and a rare writer. Taking it to read is one instruction inline, where
 * pthread_rwlock_t's are sixty in pages of code of their own: vCPUs take it with every exit.
 */
#ifndef BASE_SHARED_LOCK_H
#define BASE_SHARED_LOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/futex.h"

#define SHARED_LOCK_WRITER 0x80000000U /* there is one, or it waits for the readers to go */

/* readers: how many, and SHARED_LOCK_WRITER; slept on by both sides. writers: one at a time. */
struct shared_lock {
	_Atomic uint32_t readers;
	pthread_mutex_t writers;
};

#define SHARED_LOCK_INIT { .writers = PTHREAD_MUTEX_INITIALIZER }

/* What does not go straight. */
void shared_lock_wait_to_read(struct shared_lock *lock);
void shared_lock_last_reader(struct shared_lock *lock);

/* Who reads may not read once more, nor write: a writer that waits holds new readers up. */
static inline void shared_lock_read(struct shared_lock *lock)
{
	uint32_t before = atomic_fetch_add_explicit(&lock->readers, 1, memory_order_acquire);

	if (__builtin_expect(before & SHARED_LOCK_WRITER, 0))
		shared_lock_wait_to_read(lock);
}

static inline void shared_lock_read_end(struct shared_lock *lock)
{
	uint32_t before = atomic_fetch_sub_explicit(&lock->readers, 1, memory_order_release);

	if (__builtin_expect(before == (SHARED_LOCK_WRITER | 1), 0))
		shared_lock_last_reader(lock);
}

void shared_lock_write(struct shared_lock *lock);
void shared_lock_write_end(struct shared_lock *lock);

#endif
