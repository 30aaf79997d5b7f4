/* SPDX-License-Identifier: Apache-2.0 */
/* A lock of many readers: who is kept out, who waits for whom, and that nobody waits for ever. */
#include "base/shared_lock.h"

#include <stdbool.h>

#include "check_main.h"

#define READERS 3
#define WRITES	2000

static struct shared_lock lock = SHARED_LOCK_INIT;
static unsigned pair[2]; /* the same, whenever somebody reads */
static atomic_bool ends, differed;
static atomic_uint step;

static void *read_often(void *arg)
{
	(void)arg;
	while (!atomic_load(&ends)) {
		shared_lock_read(&lock);
		if (pair[0] != pair[1])
			atomic_store(&differed, true);
		shared_lock_read_end(&lock);
	}
	return NULL;
}

static void *write_often(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < WRITES; i++) {
		shared_lock_write(&lock);
		pair[0]++;
		sched_yield();
		pair[1]++;
		shared_lock_write_end(&lock);
	}
	return NULL;
}

START_TEST(test_readers_never_see_half_of_a_write_and_no_write_is_lost)
{
	pthread_t readers[READERS], writers[2];

	for (unsigned i = 0; i < READERS; i++)
		ck_assert_int_eq(pthread_create(&readers[i], NULL, read_often, NULL), 0);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&writers[i], NULL, write_often, NULL), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(writers[i], NULL);
	atomic_store(&ends, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	ck_assert(!atomic_load(&differed));
	ck_assert_uint_eq(pair[0], 2 * WRITES);
	ck_assert_uint_eq(pair[1], 2 * WRITES);
	ck_assert_uint_eq(atomic_load(&lock.readers), 0);
}
END_TEST

static void *write_once(void *arg)
{
	(void)arg;
	shared_lock_write(&lock);
	atomic_fetch_add(&step, 1);
	shared_lock_write_end(&lock);
	return NULL;
}

static void *read_once(void *arg)
{
	(void)arg;
	shared_lock_read(&lock);
	/* The writer was here first. */
	if (atomic_load(&step) != 1)
		atomic_store(&differed, true);
	shared_lock_read_end(&lock);
	return NULL;
}

START_TEST(test_a_writer_waits_for_who_reads_and_later_readers_for_it)
{
	pthread_t writer, reader;

	shared_lock_read(&lock);
	ck_assert_int_eq(pthread_create(&writer, NULL, write_once, NULL), 0);
	while (!(atomic_load(&lock.readers) & SHARED_LOCK_WRITER))
		sched_yield();
	ck_assert_int_eq(pthread_create(&reader, NULL, read_once, NULL), 0);
	for (unsigned i = 0; i < 100; i++)
		sched_yield();
	ck_assert_uint_eq(atomic_load(&step), 0);
	shared_lock_read_end(&lock);
	pthread_join(writer, NULL);
	pthread_join(reader, NULL);
	ck_assert(!atomic_load(&differed));
	ck_assert_uint_eq(atomic_load(&lock.readers), 0);
}
END_TEST

CHECK_MAIN("shared lock", test_readers_never_see_half_of_a_write_and_no_write_is_lost,
	   test_a_writer_waits_for_who_reads_and_later_readers_for_it)
