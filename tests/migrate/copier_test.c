/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds of copying while others write: in the end every page is at the sinks as it is here. */
#include "migrate/copier.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ferry/error.h>

#include "base/clock.h"
#include "base/util.h"
#include "check_main.h"
#include "mem/dirty.h"
#include "migrate/state.h"

#define PAGE	GUEST_PAGE_SIZE
#define LOW	(9 * MIB + 3 * PAGE) /* more than four chunks, the last not whole */
#define FAR	(4 * GIB)
#define FAR_LEN (MIB + PAGE)
#define PAGES	((LOW + FAR_LEN) / PAGE)
#define SINKS	4

static struct mem mem, mirror;
static struct copier *copier;
static struct page_sink sinks[SINKS];

/* A sink, which does as a connection does: what it was given arrives when it is flushed. */
static struct arrivals {
	struct kept {
		uint64_t gpa;
		bool is_zero;
		uint8_t data[PAGE];
	} kept[8];
	unsigned count;
	uint64_t added, zeros;
	int err;
	void (*during)(void); /* called once, in the first add() */
} arrivals[SINKS];

static _Atomic uint8_t sink_of[PAGES];

static uint64_t index_of(uint64_t gpa)
{
	return gpa < LOW ? gpa / PAGE : (LOW + gpa - FAR) / PAGE;
}

static int flush(void *self)
{
	struct arrivals *a = self;

	for (unsigned i = 0; i < a->count; i++)
		memcpy((void *)mem_ptr(&mirror, a->kept[i].gpa, PAGE), a->kept[i].data, PAGE);
	a->count = 0;
	return a->err ? because(a->err, "sink %td failed", a - arrivals) : 0;
}

static struct kept *keep(struct arrivals *a, uint64_t gpa)
{
	void (*during)(void) = a->during;
	uint8_t index = (uint8_t)(1 + (a - arrivals)), before;

	a->during = NULL;
	if (during)
		during();
	if (a->count == ARRAY_SIZE(a->kept))
		flush(a);
	before = atomic_exchange(&sink_of[index_of(gpa)], index);
	ck_assert(!before || before == index);
	a->kept[a->count].gpa = gpa;
	return &a->kept[a->count++];
}

static int add(void *self, uint64_t gpa, const void *page)
{
	struct arrivals *a = self;

	memcpy(keep(a, gpa)->data, page, PAGE);
	a->added++;
	return a->err ? because(a->err, "sink %td failed", a - arrivals) : 0;
}

static int add_zero(void *self, uint64_t gpa, uint64_t pages)
{
	struct arrivals *a = self;

	ck_assert_uint_eq(pages, 1);
	memset(keep(a, gpa)->data, 0, PAGE);
	a->zeros++;
	return 0;
}

static void map(struct mem *to)
{
	const struct mem_options options = { .name = "test" };

	ck_assert_int_eq(mem_init(to, -1, 8, &options), 0);
	ck_assert_int_eq(mem_map_ram(to, "low", 0, LOW, 0), 0);
	ck_assert_int_eq(mem_map_ram(to, "far", FAR, FAR_LEN, 0), 0);
}

static uint64_t gpa_of(uint64_t page)
{
	return page < LOW / PAGE ? page * PAGE : FAR + (page - LOW / PAGE) * PAGE;
}

static void write_page(uint64_t page, uint64_t value)
{
	uint64_t words[PAGE / 8];

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = value ? value + page + i : 0;
	ck_assert_int_eq(mem_write(&mem, gpa_of(page), words, PAGE), 0);
}

static void start(unsigned count, uint64_t bandwidth)
{
	const struct copier_options options = { &mem, sinks, count, bandwidth };

	memset(arrivals, 0, sizeof(arrivals));
	for (unsigned i = 0; i < SINKS; i++)
		sinks[i] = (struct page_sink){ add, add_zero, flush, &arrivals[i] };
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	ck_assert_int_eq(copier_create(&options, &copier), 0);
}

static void setup(unsigned count, uint64_t bandwidth)
{
	map(&mem);
	map(&mirror);
	start(count, bandwidth);
}

static void teardown(void)
{
	copier_destroy(copier);
	mem_dirty_stop(&mem);
	mem_finish(&mem);
	mem_finish(&mirror);
}

static uint64_t total_added(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SINKS; i++)
		sum += arrivals[i].added;
	return sum;
}

static void check_same(void)
{
	for (uint64_t i = 0; i < PAGES; i++)
		ck_assert_msg(memcmp(mem_ptr(&mem, gpa_of(i), PAGE),
				     mem_ptr(&mirror, gpa_of(i), PAGE), PAGE) == 0,
			      "page %llu differs", (unsigned long long)i);
}

/* Writers that go on until they are told to stop: three in four pages get data, one becomes zero.
 */
static atomic_bool writers_stop;
static _Atomic uint64_t writes;

static void *writer_main(void *arg)
{
	uint64_t word = (uintptr_t)arg * 0x9e3779b97f4a7c15 + 1;

	while (!writers_stop) {
		word ^= word << 13;
		word ^= word >> 7;
		word ^= word << 17;
		write_page(word % PAGES, word % 4 ? word : 0);
		atomic_fetch_add(&writes, 1);
	}
	return NULL;
}

static void copy_raced(unsigned count)
{
	pthread_t writers[2];

	setup(count, 0);
	for (uint64_t i = 0; i < PAGES; i += 2)
		write_page(i, 1);
	writers_stop = false;
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&writers[i], NULL, writer_main, (void *)(i + 1));
	for (unsigned round = 0; round < 20; round++) {
		uint64_t before;

		ck_assert_int_eq(copier_round(copier), 0);
		/* Each of the two may have been about to count one that the round has copied. */
		before = writes;
		while (writes < before + 3)
			sched_yield();
		ck_assert_int_eq(copier_collect(copier), 0);
		ck_assert_uint_gt(copier_pending(copier), 0);
	}
	writers_stop = true;
	for (unsigned i = 0; i < 2; i++)
		pthread_join(writers[i], NULL);
	ck_assert_int_eq(copier_collect(copier), 0);
	ck_assert_int_eq(copier_round(copier), 0);
	ck_assert_uint_eq(copier_pending(copier), 0);
	check_same();
	teardown();
}

START_TEST(test_what_is_written_meanwhile_is_right_in_the_end_with_one_thread)
{
	copy_raced(1);
}
END_TEST

START_TEST(test_what_is_written_meanwhile_is_right_in_the_end_with_two_threads)
{
	copy_raced(2);
}
END_TEST

START_TEST(test_what_is_written_meanwhile_is_right_in_the_end_with_three_threads)
{
	copy_raced(3);
}
END_TEST

START_TEST(test_what_is_written_meanwhile_is_right_in_the_end_with_four_threads)
{
	copy_raced(4);
}
END_TEST

START_TEST(test_only_what_holds_data_is_copied_first_and_only_what_changed_then)
{
	setup(2, 0);
	write_page(0, 1);
	write_page(LOW / PAGE - 1, 2);
	write_page(PAGES - 1, 3);
	write_page(700, 0); /* there, and zero */
	ck_assert_uint_eq(copier_pending(copier), PAGES);
	ck_assert_int_eq(copier_round(copier), 0);
	ck_assert_uint_eq(total_added(), 3);
	ck_assert_uint_eq(arrivals[0].zeros + arrivals[1].zeros, 0);
	ck_assert_uint_eq(copier_loaded(copier), 3);
	ck_assert_uint_eq(copier_copied(copier), PAGES);
	ck_assert_int_eq(copier_collect(copier), 0);
	ck_assert_uint_eq(copier_pending(copier), 0);
	write_page(0, 0);
	write_page(5, 5);
	ck_assert_int_eq(copier_collect(copier), 0);
	ck_assert_uint_eq(copier_pending(copier), 2);
	ck_assert_int_eq(copier_round(copier), 0);
	/* What was sent is zero now, and must become so there. */
	ck_assert_uint_eq(arrivals[0].zeros + arrivals[1].zeros, 1);
	ck_assert_uint_eq(total_added(), 4);
	check_same();
	teardown();
}
END_TEST

static void write_low(void)
{
	write_page(0, 77);
	write_page(1, 0);
}

START_TEST(test_a_write_during_a_round_is_for_the_next)
{
	setup(1, 0);
	write_page(0, 1);
	write_page(1, 1);
	write_page(PAGES - 1, 1);
	arrivals[0].during = write_low;
	ck_assert_int_eq(copier_round(copier), 0);
	ck_assert_int_eq(copier_collect(copier), 0);
	ck_assert_uint_eq(copier_pending(copier), 2);
	ck_assert_int_eq(copier_round(copier), 0);
	check_same();
	teardown();
}
END_TEST

START_TEST(test_a_limit_of_bandwidth_holds)
{
	uint64_t begun, ms;

	setup(3, 16 * MIB);
	for (uint64_t i = 0; i < 8 * MIB / PAGE; i++)
		write_page(i, 1);
	begun = clock_now();
	ck_assert_int_eq(copier_round(copier), 0);
	ms = (clock_now() - begun) / 1000000;
	/* 8 MiB, of which the last piece does not wait behind itself. */
	ck_assert_uint_ge(ms, 300);
	ck_assert_uint_le(ms, 5000);
	check_same();
	teardown();
}
END_TEST

static void lift_limit(void)
{
	copier_set_bandwidth(copier, 0);
}

START_TEST(test_a_limit_can_be_lifted_while_it_is_waited_for)
{
	uint64_t begun;

	setup(1, 64 * KIB);
	for (uint64_t i = 0; i < 8 * MIB / PAGE; i++)
		write_page(i, 1);
	arrivals[0].during = lift_limit;
	begun = clock_now();
	ck_assert_int_eq(copier_round(copier), 0);
	ck_assert_uint_le((clock_now() - begun) / 1000000, 20000);
	check_same();
	teardown();
}
END_TEST

static void *late(void *arg)
{
	const struct timespec a_moment = { .tv_nsec = 30000000 };
	void (*fn)(void) = *(void (**)(void))arg;

	nanosleep(&a_moment, NULL);
	fn();
	return NULL;
}

static void stop(void)
{
	copier_stop(copier, because(-ECANCELED, "enough"));
}

static void interrupt(void)
{
	copier_interrupt(copier);
}

/* A round that would take minutes; how long it took when fn() had been called. */
static int slow_round(void (*fn)(void), uint64_t *ret_ms)
{
	uint64_t begun = clock_now();
	pthread_t thread;
	int err;

	for (uint64_t i = 0; i < PAGES; i++)
		write_page(i, 1);
	pthread_create(&thread, NULL, late, &fn);
	err = copier_round(copier);
	*ret_ms = (clock_now() - begun) / 1000000;
	pthread_join(thread, NULL);
	return err;
}

START_TEST(test_a_stop_ends_a_round_and_all_later_ones_with_its_reason)
{
	uint64_t ms;

	setup(3, 64 * KIB);
	ck_assert_int_eq(slow_round(stop, &ms), -ECANCELED);
	ck_assert_str_eq(error_text(-ECANCELED), "enough");
	ck_assert_uint_le(ms, 10000);
	error_clear();
	ck_assert_int_eq(copier_round(copier), -ECANCELED);
	ck_assert_str_eq(error_text(-ECANCELED), "enough");
	teardown();
}
END_TEST

START_TEST(test_an_interruption_leaves_the_rest_to_be_copied)
{
	struct buffer left = { 0 };
	uint64_t ms, bits = 0;

	setup(2, 64 * KIB);
	ck_assert_int_eq(slow_round(interrupt, &ms), 0);
	ck_assert_uint_le(ms, 10000);
	ck_assert_int_eq(copier_collect(copier), 0);
	ck_assert_uint_gt(copier_pending(copier), 0);
	ck_assert_uint_lt(total_added(), PAGES);
	/* The next ends as soon, having done nothing. */
	ck_assert_int_eq(copier_round(copier), 0);
	ck_assert_uint_gt(copier_pending(copier), 0);
	ck_assert_int_eq(copier_export(copier, &left), 0);
	for (size_t at = 0; at < left.size; at++)
		bits += (uint64_t)__builtin_popcount(left.data[at]);
	ck_assert_uint_eq(bits, copier_pending(copier));
	buffer_finish(&left);
	copier_set_bandwidth(copier, 0);
	copier_set_still(copier);
	ck_assert_int_eq(copier_round(copier), 0);
	ck_assert_uint_eq(copier_pending(copier), 0);
	check_same();
	teardown();
}
END_TEST

START_TEST(test_the_first_failure_of_a_sink_ends_all)
{
	for (unsigned i = 0; i < SINKS; i++) {
		char text[] = "sink ? failed";

		setup(SINKS, 0);
		for (uint64_t page = 0; page < PAGES; page++)
			write_page(page, 1);
		arrivals[i].err = -ENOSPC;
		text[5] = (char)('0' + i);
		ck_assert_int_eq(copier_round(copier), -ENOSPC);
		ck_assert_str_eq(error_text(-ENOSPC), text);
		teardown();
		memset(sink_of, 0, sizeof(sink_of));
	}
}
END_TEST

START_TEST(test_what_is_missing_can_be_told_and_taken)
{
	struct buffer missing = { 0 };

	setup(1, 0);
	for (uint64_t i = 0; i < PAGES; i++)
		write_page(i, 1);
	ck_assert_int_eq(copier_round(copier), 0);
	write_page(3, 4);
	write_page(LOW / PAGE - 1, 0);
	write_page(PAGES - 1, 5);
	ck_assert_int_eq(copier_collect(copier), 0);
	ck_assert_int_eq(copier_export(copier, &missing), 0);
	ck_assert_uint_eq(missing.size, ((LOW / PAGE + 63) / 64 + (FAR_LEN / PAGE + 63) / 64) * 8);
	ck_assert_uint_eq(missing.data[0], 8);
	copier_destroy(copier);
	mem_dirty_stop(&mem);
	memset((void *)mem_ptr(&mirror, gpa_of(LOW / PAGE - 1), PAGE), 0, PAGE);
	start(2, 0);
	memset(sink_of, 0, sizeof(sink_of));
	ck_assert_int_eq(copier_import(copier, &missing), 0);
	ck_assert_uint_eq(copier_pending(copier), 3);
	copier_set_still(copier);
	ck_assert_int_eq(copier_round(copier), 0);
	ck_assert_uint_eq(total_added(), 2);
	check_same();
	buffer_finish(&missing);
	teardown();
}
END_TEST

START_TEST(test_a_bitmap_of_another_memory_is_refused)
{
	struct buffer missing = { 0 };

	setup(1, 0);
	ck_assert_int_eq(copier_import(copier, &missing), -EBADMSG);
	ck_assert_int_eq(copier_export(copier, &missing), 0);
	missing.size -= 8;
	ck_assert_int_eq(copier_import(copier, &missing), -EBADMSG);
	missing.size += 8;
	/* Bits behind the end of a region are nothing. */
	memset(missing.data, 0xff, missing.size);
	ck_assert_int_eq(copier_import(copier, &missing), 0);
	ck_assert_uint_eq(copier_pending(copier), PAGES);
	copier_set_still(copier);
	ck_assert_int_eq(copier_round(copier), 0);
	buffer_finish(&missing);
	teardown();
}
END_TEST

CHECK_MAIN("copier", test_what_is_written_meanwhile_is_right_in_the_end_with_one_thread,
	   test_what_is_written_meanwhile_is_right_in_the_end_with_two_threads,
	   test_what_is_written_meanwhile_is_right_in_the_end_with_three_threads,
	   test_what_is_written_meanwhile_is_right_in_the_end_with_four_threads,
	   test_only_what_holds_data_is_copied_first_and_only_what_changed_then,
	   test_a_write_during_a_round_is_for_the_next, test_a_limit_of_bandwidth_holds,
	   test_a_limit_can_be_lifted_while_it_is_waited_for,
	   test_a_stop_ends_a_round_and_all_later_ones_with_its_reason,
	   test_an_interruption_leaves_the_rest_to_be_copied,
	   test_the_first_failure_of_a_sink_ends_all, test_what_is_missing_can_be_told_and_taken,
	   test_a_bitmap_of_another_memory_is_refused)
