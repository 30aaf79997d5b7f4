/* SPDX-License-Identifier: Apache-2.0 */
/* Dirty blocks: which are told, and that none is missed while others write. */
#include "check_main.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/util.h"
#include "io/disk_dirty.h"

#define BLOCK DISK_DIRTY_BLOCK
#define SIZE  (130 * BLOCK + 512)

static struct disk_dirty dirty;

static void expect(uint64_t first, uint64_t count)
{
	uint64_t bitmap[3] = { 0 };

	ck_assert_uint_eq(disk_dirty_words(SIZE), 3);
	disk_dirty_collect(&dirty, bitmap);
	for (uint64_t block = 0; block < 192; block++)
		if ((bitmap[block / 64] >> block % 64 & 1) != (block - first < count))
			ck_abort_msg("block %llu", (unsigned long long)block);
}

START_TEST(test_every_block_that_a_write_touches_is_told_once)
{
	ck_assert_int_eq(disk_dirty_start(&dirty, SIZE), 0);
	expect(0, 0);
	disk_dirty_mark(&dirty, 0, 1);
	expect(0, 1);
	expect(0, 0);
	disk_dirty_mark(&dirty, BLOCK - 1, 2);
	expect(0, 2);
	disk_dirty_mark(&dirty, 63 * BLOCK, 2 * BLOCK);
	expect(63, 2);
	disk_dirty_mark(&dirty, 63 * BLOCK, 0);
	expect(0, 0);
	disk_dirty_mark(&dirty, 0, SIZE);
	expect(0, 131);
	disk_dirty_mark(&dirty, 130 * BLOCK, 512);
	expect(130, 1);
	disk_dirty_finish(&dirty);
}
END_TEST

START_TEST(test_what_lies_outside_the_disk_does_not_count)
{
	ck_assert_int_eq(disk_dirty_start(&dirty, SIZE), 0);
	disk_dirty_mark(&dirty, 131 * BLOCK, 1);
	disk_dirty_mark(&dirty, UINT64_MAX, UINT64_MAX);
	disk_dirty_mark(&dirty, 1ULL << 63, 1ULL << 63);
	expect(0, 0);
	disk_dirty_mark(&dirty, 129 * BLOCK, UINT64_MAX);
	expect(129, 2);
	disk_dirty_finish(&dirty);
}
END_TEST

START_TEST(test_without_tracking_nothing_is_told_and_a_new_one_begins_clean)
{
	disk_dirty_mark(&dirty, 0, SIZE);
	disk_dirty_stop(&dirty);
	ck_assert_int_eq(disk_dirty_start(&dirty, SIZE), 0);
	ck_assert_int_eq(disk_dirty_start(&dirty, SIZE), -EBUSY);
	expect(0, 0);
	disk_dirty_mark(&dirty, 0, SIZE);
	disk_dirty_stop(&dirty);
	disk_dirty_mark(&dirty, 0, SIZE);
	ck_assert_int_eq(disk_dirty_start(&dirty, SIZE), 0);
	expect(0, 0);
	disk_dirty_finish(&dirty);
	disk_dirty_finish(&dirty);
}
END_TEST

/* A disk of one word a block, and a writer that never rests. */
#define RACE_BLOCKS 200
#define RACE_WRITES 400000

static _Atomic uint32_t disk[RACE_BLOCKS];

static void *write_all_the_time(void *arg)
{
	uint32_t random = 1;

	for (uint32_t i = 1; i <= RACE_WRITES; i++) {
		random = random * 1664525 + 1013904223;
		atomic_store_explicit(&disk[(random >> 16) % RACE_BLOCKS], i, memory_order_relaxed);
		disk_dirty_mark(&dirty, (random >> 16) % RACE_BLOCKS * BLOCK, 1);
	}
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

static void copy_marked(uint32_t *copy, uint64_t *bitmap)
{
	for (unsigned block = 0; block < RACE_BLOCKS; block++) {
		if (bitmap[block / 64] >> block % 64 & 1)
			copy[block] = atomic_load_explicit(&disk[block], memory_order_relaxed);
		bitmap[block / 64] &= ~(1ULL << block % 64);
	}
}

START_TEST(test_no_write_is_missed_while_one_thread_writes_and_one_copies)
{
	uint32_t copy[RACE_BLOCKS] = { 0 };
	uint64_t bitmap[4];
	atomic_bool done = false;
	bool last;
	pthread_t writer;

	ck_assert_int_eq(pthread_create(&writer, NULL, write_all_the_time, &done), 0);
	/* Tracking begins and ends again and again in the middle of it. */
	do {
		last = atomic_load(&done);
		disk_dirty_stop(&dirty);
		ck_assert_int_eq(disk_dirty_start(&dirty, RACE_BLOCKS * BLOCK), 0);
		memset(bitmap, 0xff, sizeof(bitmap));
		for (unsigned round = 0; round < 50; round++) {
			copy_marked(copy, bitmap);
			disk_dirty_collect(&dirty, bitmap);
		}
		if (!last && atomic_load(&done)) {
			copy_marked(copy, bitmap);
			last = true;
		}
	} while (!last);
	pthread_join(writer, NULL);
	disk_dirty_collect(&dirty, bitmap);
	copy_marked(copy, bitmap);
	for (unsigned block = 0; block < RACE_BLOCKS; block++)
		ck_assert_uint_eq(copy[block], disk[block]);
	disk_dirty_finish(&dirty);
}
END_TEST

CHECK_MAIN("disk_dirty", test_every_block_that_a_write_touches_is_told_once,
	   test_what_lies_outside_the_disk_does_not_count,
	   test_without_tracking_nothing_is_told_and_a_new_one_begins_clean,
	   test_no_write_is_missed_while_one_thread_writes_and_one_copies)
