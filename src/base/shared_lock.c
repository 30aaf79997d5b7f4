/* SPDX-License-Identifier: Apache-2.0 */
/* What a lock of many readers does when a writer comes. */
#include "base/shared_lock.h"

/* The last of those who wait counts like any reader: it may be the one the writer waits for. */
void shared_lock_wait_to_read(struct shared_lock *lock)
{
	uint32_t now;

	do {
		shared_lock_read_end(lock);
		while ((now = atomic_load(&lock->readers)) & SHARED_LOCK_WRITER)
			futex_wait(&lock->readers, now);
		now = atomic_fetch_add_explicit(&lock->readers, 1, memory_order_acquire);
	} while (now & SHARED_LOCK_WRITER);
}

void shared_lock_last_reader(struct shared_lock *lock)
{
	futex_wake_all(&lock->readers);
}

void shared_lock_write(struct shared_lock *lock)
{
	uint32_t now;

	pthread_mutex_lock(&lock->writers);
	atomic_fetch_or(&lock->readers, SHARED_LOCK_WRITER);
	while ((now = atomic_load_explicit(&lock->readers, memory_order_acquire)) !=
	       SHARED_LOCK_WRITER)
		futex_wait(&lock->readers, now);
}

void shared_lock_write_end(struct shared_lock *lock)
{
	atomic_fetch_and_explicit(&lock->readers, ~SHARED_LOCK_WRITER, memory_order_release);
	futex_wake_all(&lock->readers);
	pthread_mutex_unlock(&lock->writers);
}
