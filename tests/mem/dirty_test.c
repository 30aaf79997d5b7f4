/* SPDX-License-Identifier: Apache-2.0 */
/* What ferry itself writes, without a guest: marks, what collect tells, and what clear forgets. */
#include "mem/dirty.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "check_main.h"

#define PAGE GUEST_PAGE_SIZE

static struct mem mem;
static uint64_t bitmap[64];

static void setup(void)
{
	struct mem_options options = { .name = "test" };

	ck_assert_int_eq(mem_init(&mem, -1, 8, &options), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "low", 0, 2 * MIB, 0), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "next", 2 * MIB, MIB + PAGE, 0), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "rom", 4 * GIB, MIB, MEM_READONLY), 0);
}

static const struct mem_region *region(unsigned i)
{
	return mem_map_at(mem_map(&mem), i);
}

/* Collects one region afresh and counts. */
static unsigned dirty(unsigned i)
{
	unsigned count = 0;

	memset(bitmap, 0, sizeof(bitmap));
	ck_assert_int_eq(mem_dirty_collect(&mem, region(i), bitmap), 0);
	for (unsigned word = 0; word < ARRAY_SIZE(bitmap); word++)
		count += (unsigned)__builtin_popcountll(bitmap[word]);
	return count;
}

static bool is_dirty(uint64_t page)
{
	return bitmap[page / 64] >> page % 64 & 1;
}

START_TEST(test_nothing_is_told_that_was_written_before_the_start)
{
	setup();
	mem_write(&mem, 0, "x", 1);
	mem_mark_dirty(&mem, 0, 1);
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	ck_assert_uint_eq(dirty(0), 0);
	mem_mark_dirty(&mem, 0, 1);
	mem_dirty_stop(&mem);
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	ck_assert_uint_eq(dirty(0), 0);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_every_page_of_a_write_is_told)
{
	uint8_t data[3 * PAGE] = { 0 };

	setup();
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	mem_write(&mem, 5 * PAGE + 100, data, 2 * PAGE);
	ck_assert_uint_eq(dirty(0), 3);
	ck_assert(is_dirty(5) && is_dirty(6) && is_dirty(7));
	mem_write(&mem, 62 * PAGE, data, 2 * PAGE);
	mem_write(&mem, 64 * PAGE, data, 1);
	ck_assert_uint_eq(dirty(0), 6);
	ck_assert(is_dirty(62) && is_dirty(63) && is_dirty(64));
	mem_write(&mem, 2 * MIB - 1, data, 2);
	ck_assert_uint_eq(dirty(0), 7);
	ck_assert(is_dirty(511));
	ck_assert_uint_eq(dirty(1), 1);
	ck_assert(is_dirty(0));
	mem_finish(&mem);
}
END_TEST

START_TEST(test_marks_may_reach_beyond_memory)
{
	setup();
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	mem_mark_dirty(&mem, 3 * MIB, 64 * MIB);
	ck_assert_uint_eq(dirty(1), 1);
	ck_assert(is_dirty(256));
	mem_mark_dirty(&mem, 4 * GIB + MIB - 1, UINT64_MAX);
	mem_mark_dirty(&mem, UINT64_MAX, UINT64_MAX);
	mem_mark_dirty(&mem, 100, 0);
	mem_mark_dirty(&mem, 16 * MIB, 100);
	ck_assert_uint_eq(dirty(0), 0);
	ck_assert_uint_eq(dirty(2), 1);
	ck_assert(is_dirty(255));
	mem_finish(&mem);
}
END_TEST

START_TEST(test_host_address_marks_its_page)
{
	int elsewhere;

	setup();
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	mem_mark_dirty_hva(&mem, region(1)->hva + 3 * PAGE + 5, PAGE);
	mem_mark_dirty_hva(&mem, region(1)->hva + MIB + PAGE - 1, 100);
	mem_mark_dirty_hva(&mem, &elsewhere, sizeof(elsewhere));
	ck_assert_uint_eq(dirty(1), 3);
	ck_assert(is_dirty(3) && is_dirty(4) && is_dirty(256));
	ck_assert_uint_eq(dirty(0), 0);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_told_again_until_cleared_and_not_after)
{
	setup();
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	mem_write(&mem, 70 * PAGE, "x", 1);
	mem_write(&mem, 200 * PAGE, "x", 1);
	ck_assert_uint_eq(dirty(0), 2);
	ck_assert_uint_eq(dirty(0), 2);
	ck_assert_int_eq(mem_dirty_clear(&mem, region(0), 64, 64, bitmap), 0);
	ck_assert_uint_eq(dirty(0), 1);
	ck_assert(is_dirty(200));
	mem_write(&mem, 70 * PAGE, "y", 1);
	ck_assert_uint_eq(dirty(0), 2);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_clear_takes_only_what_was_collected_and_asked_for)
{
	setup();
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	mem_write(&mem, 1 * PAGE, "x", 1);
	mem_write(&mem, 9 * PAGE, "x", 1);
	ck_assert_uint_eq(dirty(0), 2);
	mem_write(&mem, 2 * PAGE, "x", 1); /* not in the bitmap: told by the next collect */
	ck_assert_int_eq(mem_dirty_clear(&mem, region(0), 0, 9, bitmap), 0);
	ck_assert_uint_eq(dirty(0), 2);
	ck_assert(is_dirty(2) && is_dirty(9));
	ck_assert_int_eq(mem_dirty_clear(&mem, region(0), 1, 1, bitmap), -EINVAL);
	ck_assert_int_eq(mem_dirty_clear(&mem, region(0), 448, 65, bitmap), -EINVAL);
	ck_assert_int_eq(mem_dirty_clear(&mem, region(0), 512, 0, bitmap), 0);
	ck_assert_uint_eq(dirty(0), 2);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_collect_adds_to_what_the_caller_has)
{
	setup();
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	mem_write(&mem, PAGE, "x", 1);
	memset(bitmap, 0, sizeof(bitmap));
	bitmap[0] = 1;
	ck_assert_int_eq(mem_dirty_collect(&mem, region(0), bitmap), 0);
	ck_assert_uint_eq(bitmap[0], 3);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_discarded_pages_are_told)
{
	setup();
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	ck_assert_int_eq(mem_discard(&mem, 10 * PAGE + 1, 3 * PAGE), 0);
	ck_assert_uint_eq(dirty(0), 2);
	ck_assert(is_dirty(11) && is_dirty(12));
	mem_finish(&mem);
}
END_TEST

START_TEST(test_always_dirty_pages_are_in_every_collect)
{
	setup();
	ck_assert_int_eq(mem_mark_always_dirty(&mem, 4 * PAGE + 8, PAGE), 0);
	ck_assert_int_eq(mem_mark_always_dirty(&mem, 4 * PAGE, 1), 0);
	ck_assert_int_eq(mem_mark_always_dirty(&mem, 3 * MIB, PAGE), 0);
	ck_assert_int_eq(mem_mark_always_dirty(&mem, 16 * MIB, 1), -EFAULT);
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(dirty(0), 2);
		ck_assert(is_dirty(4) && is_dirty(5));
		ck_assert_int_eq(mem_dirty_clear(&mem, region(0), 0, 512, bitmap), 0);
	}
	ck_assert_uint_eq(dirty(1), 1);
	ck_assert_int_eq(mem_unmark_always_dirty(&mem, 4 * PAGE, PAGE), -ENOENT);
	ck_assert_int_eq(mem_unmark_always_dirty(&mem, 4 * PAGE + 8, PAGE), 0);
	ck_assert_uint_eq(dirty(0), 2); /* the last time */
	ck_assert_int_eq(mem_dirty_clear(&mem, region(0), 0, 512, bitmap), 0);
	ck_assert_uint_eq(dirty(0), 1);
	ck_assert(is_dirty(4));
	/* The region goes: its ranges tell nothing beyond a smaller one in its place. */
	ck_assert_int_eq(mem_unmap(&mem, 2 * MIB), 0);
	ck_assert_int_eq(mem_mark_always_dirty(&mem, 0, 2 * MIB), 0);
	ck_assert_int_eq(mem_unmap(&mem, 0), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "small", 0, PAGE, 0), 0);
	ck_assert_uint_eq(dirty(0), 1);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_regions_may_come_and_go_while_tracking)
{
	struct mem_region gone;

	setup();
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	gone = *region(1);
	ck_assert_int_eq(mem_unmap(&mem, 2 * MIB), 0);
	ck_assert_int_eq(mem_dirty_collect(&mem, &gone, bitmap), -ENOENT);
	ck_assert_int_eq(mem_dirty_clear(&mem, &gone, 0, 64, bitmap), -ENOENT);
	ck_assert_int_eq(mem_map_ram(&mem, "new", 2 * MIB, MIB + PAGE, 0), 0);
	ck_assert_int_eq(mem_dirty_collect(&mem, &gone, bitmap), -ENOENT);
	ck_assert_uint_eq(dirty(1), 257);
	ck_assert_int_eq(mem_dirty_clear(&mem, region(1), 0, 257, bitmap), 0);
	ck_assert_uint_eq(dirty(1), 0);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_only_one_tracking_and_none_is_an_error)
{
	setup();
	mem_dirty_stop(&mem);
	ck_assert_int_eq(mem_dirty_collect(&mem, region(0), bitmap), -EINVAL);
	ck_assert_int_eq(mem_dirty_clear(&mem, region(0), 0, 64, bitmap), -EINVAL);
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	ck_assert_int_eq(mem_dirty_start(&mem), -EBUSY);
	mem_dirty_stop(&mem);
	mem_dirty_stop(&mem);
	ck_assert_int_eq(mem_dirty_collect(&mem, region(0), bitmap), -EINVAL);
	mem_finish(&mem);
}
END_TEST

/* A writer stores round after round; whoever collects, clears and then reads never misses the last.
 */
#define ROUNDS 200000
#define WORDS  8

static void *write_rounds(void *arg)
{
	uint64_t *words[WORDS];

	(void)arg;
	for (unsigned i = 0; i < WORDS; i++)
		words[i] = mem_ptr_rw(&mem, i * PAGE, 8);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		__atomic_store_n(words[round % WORDS], round, __ATOMIC_RELAXED);
		mem_mark_dirty(&mem, round % WORDS * PAGE, 8);
	}
	return NULL;
}

/* What a destination would have. */
static void receive(uint64_t *copy)
{
	memset(bitmap, 0, sizeof(bitmap));
	ck_assert_int_eq(mem_dirty_collect(&mem, region(0), bitmap), 0);
	ck_assert_int_eq(mem_dirty_clear(&mem, region(0), 0, 64, bitmap), 0);
	for (unsigned i = 0; i < WORDS; i++)
		if (is_dirty(i))
			copy[i] = __atomic_load_n((uint64_t *)mem_ptr_rw(&mem, i * PAGE, 8),
						  __ATOMIC_RELAXED);
}

START_TEST(test_copy_by_marks_is_the_memory_while_another_thread_writes)
{
	uint64_t copy[WORDS] = { 0 };
	pthread_t writer;

	setup();
	ck_assert_int_eq(pthread_create(&writer, NULL, write_rounds, NULL), 0);
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	for (unsigned i = 0; i < WORDS; i++)
		copy[i] = __atomic_load_n((uint64_t *)mem_ptr_rw(&mem, i * PAGE, 8),
					  __ATOMIC_RELAXED);
	for (int i = 0; i < 1000; i++)
		receive(copy);
	pthread_join(writer, NULL);
	receive(copy);
	for (unsigned i = 0; i < WORDS; i++)
		ck_assert_uint_eq(copy[i], *(const uint64_t *)mem_ptr(&mem, i * PAGE, 8));
	mem_finish(&mem);
}
END_TEST

CHECK_MAIN("dirty", test_nothing_is_told_that_was_written_before_the_start,
	   test_every_page_of_a_write_is_told, test_marks_may_reach_beyond_memory,
	   test_host_address_marks_its_page, test_told_again_until_cleared_and_not_after,
	   test_clear_takes_only_what_was_collected_and_asked_for,
	   test_collect_adds_to_what_the_caller_has, test_discarded_pages_are_told,
	   test_always_dirty_pages_are_in_every_collect,
	   test_regions_may_come_and_go_while_tracking, test_only_one_tracking_and_none_is_an_error,
	   test_copy_by_marks_is_the_memory_while_another_thread_writes)
