/* SPDX-License-Identifier: Apache-2.0 */
/* How long pictures of the map and the addresses in them stay, and that none stays for ever. */
#include "mem/mem.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/util.h"
#include "check_main.h"
#include "mem/dirty.h"
#include "mem/readers.h"
#include "mem/txn.h"
#include "mem/window.h"

#define PAGE GUEST_PAGE_SIZE
#define A    (16 * MIB)
#define B    (32 * MIB)

static struct mem mem;

static void begin(void)
{
	const struct mem_options options = { .name = "test" };

	ck_assert_int_eq(mem_init(&mem, -1, 32768, &options), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "low", 0, MIB, 0), 0);
}

static bool is_mapped(const void *hva)
{
	unsigned char present;

	return mincore((void *)(uintptr_t)hva, PAGE, &present) == 0;
}

static const void *map_a(void)
{
	ck_assert_int_eq(mem_map_ram(&mem, "a", A, PAGE, 0), 0);
	return mem_ptr(&mem, A, 1);
}

START_TEST(test_addresses_go_with_the_last_picture_that_has_them)
{
	const struct mem_map *map;
	const void *a;

	begin();
	a = map_a();
	map = mem_map_get(&mem);
	mem_map_keep(map);
	ck_assert_int_eq(mem_unmap(&mem, A), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "b", B, PAGE, 0), 0);
	ck_assert(is_mapped(a));
	ck_assert_ptr_eq(mem_map_find(map, A)->hva, a);
	ck_assert_uint_eq(map->count, 2);
	mem_map_put(map);
	ck_assert(is_mapped(a));
	mem_map_put(map);
	ck_assert(!is_mapped(a));
	mem_finish(&mem);
}
END_TEST

START_TEST(test_an_alias_keeps_the_addresses_of_what_it_shares)
{
	const uint8_t *low;
	struct mem_txn txn;

	begin();
	low = mem_ptr(&mem, 0, 1);
	mem_txn_begin(&txn, &mem);
	mem_txn_map_alias(&txn, "alias", A, PAGE, 0, low);
	mem_txn_map_alias(&txn, "again", B, PAGE, 0, low);
	ck_assert_int_eq(mem_txn_commit(&txn), 0);
	ck_assert_int_eq(mem_unmap(&mem, 0), 0);
	ck_assert_int_eq(mem_unmap(&mem, A), 0);
	ck_assert(is_mapped(low));
	ck_assert_int_eq(mem_unmap(&mem, B), 0);
	ck_assert(!is_mapped(low));
	mem_finish(&mem);
}
END_TEST

START_TEST(test_a_look_keeps_what_it_sees_and_no_commit_waits_for_it)
{
	const struct mem_region *region;
	const void *a, *later;
	unsigned look, other;

	begin();
	a = map_a();
	look = mem_look_begin(&mem);
	region = mem_map_find(mem_map(&mem), A);
	for (unsigned i = 0; i < 100; i++) {
		ck_assert_int_eq(mem_unmap(&mem, A), 0);
		later = map_a();
		other = mem_look_begin(&mem);
		mem_look_end(&mem, other);
	}
	ck_assert(is_mapped(a));
	ck_assert_ptr_eq(region->hva, a);
	mem_look_end(&mem, look);
	ck_assert_int_eq(mem_unmap(&mem, A), 0);
	ck_assert(!is_mapped(a));
	ck_assert(!is_mapped(later));
	ck_assert_ptr_null(mem.readers->waiting);
	ck_assert_ptr_null(mem.readers->retired);
	mem_finish(&mem);
}
END_TEST

static unsigned count(const struct mem_map *map)
{
	unsigned sum = 0;

	for (; map; map = map->next)
		sum++;
	return sum;
}

/* One after the other, and always one of them open. */
START_TEST(test_looks_without_end_do_not_keep_everything)
{
	unsigned look, kept = 0;

	begin();
	look = mem_look_begin(&mem);
	for (unsigned i = 0; i < 100; i++) {
		unsigned next;

		map_a();
		ck_assert_int_eq(mem_unmap(&mem, A), 0);
		next = mem_look_begin(&mem);
		mem_look_end(&mem, look);
		look = next;
		kept = count(mem.readers->waiting) + count(mem.readers->retired);
		ck_assert_uint_le(kept, 8);
	}
	ck_assert_uint_gt(kept, 0);
	mem_look_end(&mem, look);
	mem_finish(&mem);
}
END_TEST

static unsigned count_mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned lines = 0;

	for (int c; (c = fgetc(file)) != EOF;)
		lines += c == '\n';
	fclose(file);
	return lines;
}

START_TEST(test_many_changes_leave_nothing_behind)
{
	unsigned before;

	begin();
	map_a();
	before = count_mappings();
	for (unsigned i = 0; i < 5000; i++) {
		ck_assert_int_eq(mem_unmap(&mem, A), 0);
		map_a();
	}
	/* The allocator's own may come and go. */
	ck_assert_uint_lt(count_mappings(), before + 50);
	ck_assert_ptr_null(mem.readers->waiting);
	ck_assert_ptr_null(mem.readers->retired);
	mem_finish(&mem);
}
END_TEST

static atomic_bool over;

struct onlooker {
	pthread_t thread;
	uint64_t looks, wrong;
};

/* Both regions are there, or neither, in each picture; the addresses are there for certain. */
static void *look_on(void *arg)
{
	struct onlooker *onlooker = arg;

	for (; !atomic_load(&over); onlooker->looks++) {
		unsigned look = mem_look_begin(&mem);
		const struct mem_map *map = mem_map(&mem), *kept;
		const struct mem_region *a = mem_map_find(map, A), *b = mem_map_find(map, B);
		uint32_t word = 0;

		onlooker->wrong += !a != !b || (a && a->hva[0] + b->hva[0] != 0);
		mem_look_end(&mem, look);
		onlooker->wrong += mem_read(&mem, 0, &word, sizeof(word)) != 0;
		kept = mem_map_get(&mem);
		a = mem_map_find(kept, A);
		onlooker->wrong += a && a->hva[0] != 0;
		mem_map_put(kept);
	}
	return NULL;
}

static void both(void)
{
	struct mem_txn txn;
	bool there = mem_ptr(&mem, A, 1) != NULL;

	mem_txn_begin(&txn, &mem);
	for (gpa_t gpa = A; gpa <= B; gpa += B - A) {
		if (there)
			mem_txn_unmap(&txn, gpa);
		else
			mem_txn_map(&txn, "both", gpa, PAGE, 0);
	}
	ck_assert_int_eq(mem_txn_commit(&txn), 0);
}

START_TEST(test_readers_never_see_half_of_a_change_nor_what_is_freed)
{
	struct onlooker onlookers[3] = { 0 };

	begin();
	atomic_store(&over, false);
	for (unsigned i = 0; i < ARRAY_SIZE(onlookers); i++)
		ck_assert_int_eq(pthread_create(&onlookers[i].thread, NULL, look_on, &onlookers[i]),
				 0);
	for (unsigned i = 0; i < 2000; i++)
		both();
	atomic_store(&over, true);
	for (unsigned i = 0; i < ARRAY_SIZE(onlookers); i++) {
		pthread_join(onlookers[i].thread, NULL);
		ck_assert_uint_gt(onlookers[i].looks, 0);
		ck_assert_uint_eq(onlookers[i].wrong, 0);
	}
	mem_finish(&mem);
}
END_TEST

START_TEST(test_a_pinned_map_does_not_change)
{
	const struct mem_map *map;

	begin();
	map_a();
	map = mem_map(&mem);
	mem_pin(&mem);
	ck_assert_int_eq(mem_unmap(&mem, A), -EBUSY);
	ck_assert_int_eq(mem_map_ram(&mem, "b", B, PAGE, 0), -EBUSY);
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	ck_assert_int_eq(mem_dirty_stop(&mem), 0);
	ck_assert_ptr_eq(mem_map(&mem), map);
	mem_unpin(&mem);
	ck_assert_int_eq(mem_unmap(&mem, A), 0);
	mem_finish(&mem);
}
END_TEST

CHECK_MAIN("pictures of the map", test_addresses_go_with_the_last_picture_that_has_them,
	   test_an_alias_keeps_the_addresses_of_what_it_shares,
	   test_a_look_keeps_what_it_sees_and_no_commit_waits_for_it,
	   test_looks_without_end_do_not_keep_everything, test_many_changes_leave_nothing_behind,
	   test_readers_never_see_half_of_a_change_nor_what_is_freed,
	   test_a_pinned_map_does_not_change)
