/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of the map, with what came last beside their trees, beside plain lists, at random. */
#include "mem/recent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "check_main.h"
#include "mem/mem_impl.h"
#include "mem/txn.h"

#define PAGE   GUEST_PAGE_SIZE
#define PLACES 40
#define STEPS  6
#define OLDER  50
/* Where place i is; a region has one page or two, and its place has four. */
#define PLACE(i) (((i) + 1) * 4 * PAGE)

/* What is at each place: how many pages, and where they are for the host. */
struct list {
	struct {
		uint64_t pages;
		const uint8_t *hva; /* of an alias; of others it is the map's to say */
	} places[PLACES];
	size_t count;
};

static struct mem mem;
static const uint8_t *shared; /* the pages that all aliases have a part of */
static uint64_t seed;

static uint64_t rnd(uint64_t below)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (seed >> 33) % below;
}

static void begin(void)
{
	const struct mem_options options = { .name = "test" };

	seed = 1;
	ck_assert_int_eq(mem_init(&mem, -1, 32768, &options), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "low", 0, 4 * PAGE, 0), 0);
	shared = mem_ptr(&mem, 0, 1);
}

static void put_at(struct mem_txn *txn, struct list *list, size_t at)
{
	uint64_t pages = 1 + rnd(2);
	const uint8_t *hva = rnd(2) ? shared + rnd(3) * PAGE : NULL;

	if (hva)
		mem_txn_map_alias(txn, "alias", PLACE(at), pages * PAGE, 0, hva);
	else
		mem_txn_map(txn, "own", PLACE(at), pages * PAGE, 0);
	list->places[at].pages = pages;
	list->places[at].hva = hva;
	list->count++;
}

static void step(struct mem_txn *txn, struct list *list, bool wants_more)
{
	size_t at = rnd(PLACES), to = rnd(PLACES);

	if (!list->places[at].pages) {
		if (wants_more)
			put_at(txn, list, at);
		return;
	}
	if (!list->places[to].pages) {
		mem_txn_move(txn, PLACE(at), PLACE(to));
		list->places[to] = list->places[at];
	} else {
		mem_txn_unmap(txn, PLACE(at));
		list->count--;
	}
	list->places[at].pages = 0;
}

/* Some transactions fail at their end, and then nothing has happened. */
static void change(struct list *list, bool wants_more)
{
	struct list next = *list;
	bool fails = rnd(4) == 0;
	struct mem_txn txn;

	mem_txn_begin(&txn, &mem);
	for (uint64_t steps = 1 + rnd(STEPS); steps; steps--)
		step(&txn, &next, wants_more);
	if (fails)
		mem_txn_map(&txn, "over", 0, PAGE, 0);
	ck_assert_int_eq(mem_txn_commit(&txn), fails ? -EEXIST : 0);
	if (!fails)
		*list = next;
}

/* Each region at its index, at its address, and nothing beside it. */
static void check_by_gpa(const struct mem_map *map, const struct list *list)
{
	size_t index = 1;

	ck_assert_uint_eq(map->count, 1 + list->count);
	ck_assert_uint_eq(mem_map_at(map, 0)->gpa, 0);
	for (size_t i = 0; i < PLACES; i++) {
		const struct mem_region *region = mem_map_find(map, PLACE(i));

		ck_assert_int_eq(region != NULL, list->places[i].pages != 0);
		if (!region)
			continue;
		ck_assert_ptr_eq(mem_map_at(map, index++), region);
		ck_assert_uint_eq(region->gpa, PLACE(i));
		ck_assert_uint_eq(region->size, list->places[i].pages * PAGE);
		if (list->places[i].hva)
			ck_assert_ptr_eq(region->hva, list->places[i].hva);
		else
			ck_assert_ptr_eq(mem_map_find_hva(map, region->hva + 1), region);
	}
	ck_assert_ptr_null(mem_map_at(map, index));
}

static bool has_page(const struct list *list, size_t place, const uint8_t *hva)
{
	const uint8_t *begin = list->places[place].hva;

	return begin && list->places[place].pages && begin <= hva &&
	       hva < begin + list->places[place].pages * PAGE;
}

/* All that have a page of those that are shared, in their order. */
static void check_by_hva(const struct mem_map *map, const struct list *list)
{
	for (const uint8_t *hva = shared; hva < shared + 4 * PAGE; hva += PAGE) {
		const struct mem_region *region = NULL, *before = NULL;
		size_t expected = 1, found = 0;

		for (size_t i = 0; i < PLACES; i++)
			expected += has_page(list, i, hva);
		for (; (region = mem_map_next_hva(map, before, hva, 1)); before = region, found++)
			ck_assert(!before || mem_tree_is_before(BY_HVA, before, region));
		ck_assert_uint_eq(found, expected);
	}
}

START_TEST(test_pictures_tell_what_a_list_does)
{
	struct list list = { 0 };

	begin();
	for (unsigned i = 0; i < 2000; i++) {
		/* There are many for a while, and then few. */
		change(&list, i / 100 % 2 == 0 || list.count < 3);
		check_by_gpa(mem_map(&mem), &list);
		check_by_hva(mem_map(&mem), &list);
	}
	mem_finish(&mem);
}
END_TEST

START_TEST(test_older_pictures_stay_as_they_were)
{
	static struct list lists[OLDER];
	const struct mem_map *maps[OLDER];
	struct list list = { 0 };

	begin();
	for (unsigned i = 0; i < OLDER; i++) {
		change(&list, true);
		maps[i] = mem_map_get(&mem);
		lists[i] = list;
	}
	for (unsigned i = 0; i < OLDER; i++) {
		check_by_gpa(maps[i], &lists[i]);
		check_by_hva(maps[i], &lists[i]);
		mem_map_put(maps[i]);
	}
	mem_finish(&mem);
}
END_TEST

/* What the bench slots-many counts on. */
START_TEST(test_what_comes_and_goes_copies_no_tree)
{
	const struct mem_node *by_gpa, *by_hva, *aliases;
	struct mem_txn txn;

	begin();
	mem_txn_begin(&txn, &mem);
	for (size_t i = 0; i < PLACES; i++)
		mem_txn_map_alias(&txn, "many", PLACE(i), PAGE, 0, shared);
	ck_assert_int_eq(mem_txn_commit(&txn), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "first", MIB, PAGE, 0), 0);
	by_gpa = mem_map(&mem)->by_gpa;
	by_hva = mem_map(&mem)->by_hva;
	aliases = mem_map(&mem)->aliases_by_hva;
	for (unsigned i = 0; i < 10; i++) {
		ck_assert_int_eq(mem_map_ram(&mem, "comes", 2 * MIB, PAGE, 0), 0);
		ck_assert_int_eq(mem_unmap(&mem, 2 * MIB), 0);
		ck_assert_ptr_eq(mem_map(&mem)->by_gpa, by_gpa);
		ck_assert_ptr_eq(mem_map(&mem)->by_hva, by_hva);
		ck_assert_ptr_eq(mem_map(&mem)->aliases_by_hva, aliases);
	}
	mem_finish(&mem);
}
END_TEST

CHECK_MAIN("what came last to the map", test_pictures_tell_what_a_list_does,
	   test_older_pictures_stay_as_they_were, test_what_comes_and_goes_copies_no_tree)
