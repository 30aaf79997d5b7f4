/* SPDX-License-Identifier: Apache-2.0 */
/* The trees of regions beside plain lists of them, at random. */
#include "mem/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "check_main.h"
#include "mem/mem_impl.h"

#define PAGE GUEST_PAGE_SIZE
#define MOST 300

/* A list that tells what the trees must. */
struct list {
	size_t count;
	struct mem_record *records[MOST];
};

static struct mem_pool pool;
static struct mem_node *roots[2]; /* by order */
static struct list list;
static uint64_t seed;

static uint64_t rnd(uint64_t below)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (seed >> 33) % below;
}

static void insert(struct mem_record *record)
{
	for (int order = BY_GPA; order <= BY_HVA; order++)
		roots[order] = mem_tree_insert(&pool, order, roots[order], record);
	list.records[list.count++] = record;
}

static void remove_at(size_t i)
{
	struct mem_record *record = list.records[i];

	for (int order = BY_GPA; order <= BY_HVA; order++)
		roots[order] = mem_tree_remove(&pool, order, roots[order], &record->region);
	list.records[i] = list.records[--list.count];
	mem_record_put(record);
}

/* In places of 16 pages that do not overlap; several may have the same addresses. */
static struct mem_record *new_record(void)
{
	struct mem_region region = {
		.gpa = rnd(1 << 20) * 16 * PAGE,
		.size = (1 + rnd(16)) * PAGE,
		.hva = (uint8_t *)(uintptr_t)((1 << 20) + rnd(64) * PAGE),
		.body = mem_body_create(),
	};
	struct mem_record *record = mem_record_create(&region);

	bool is_taken = false;

	for (size_t i = 0; i < list.count; i++)
		is_taken |= list.records[i]->region.gpa == region.gpa;
	ck_assert(!is_taken);
	mem_body_put(region.body);
	return record;
}

static void begin(void)
{
	seed = 1;
	list.count = 0;
	memset(&pool, 0, sizeof(pool));
	roots[BY_GPA] = roots[BY_HVA] = NULL;
}

static void end(void)
{
	while (list.count) {
		ck_assert_int_eq(mem_pool_begin(&pool, list.count, 1), 0);
		remove_at(0);
	}
	ck_assert_ptr_null(roots[BY_GPA]);
	ck_assert_ptr_null(roots[BY_HVA]);
	mem_pool_finish(&pool);
}

/* Whether it is balanced; and what it says of itself is true. */
static bool is_sound(const struct mem_node *node)
{
	unsigned left, right;

	if (!node)
		return true;
	left = node->left ? node->left->height : 0;
	right = node->right ? node->right->height : 0;
	return is_sound(node->left) && is_sound(node->right) && left <= right + 1 &&
	       right <= left + 1 && node->height == 1 + (left > right ? left : right);
}

static bool has(const struct list *of, const struct mem_region *region)
{
	for (size_t i = 0; i < of->count; i++)
		if (&of->records[i]->region == region)
			return true;
	return false;
}

static void check_sorted(const struct mem_node *root, const struct list *of)
{
	const struct mem_region *region, *before = NULL;
	bool is_right = true;
	size_t i = 0;

	for (; (region = mem_tree_at(root, i)); i++, before = region)
		is_right &= has(of, region) && (!before || before->gpa < region->gpa);
	ck_assert(is_right);
	ck_assert_uint_eq(i, of->count);
}

static bool is_hit(const struct mem_region *region, int order, uint64_t from, uint64_t last)
{
	uint64_t begins = order == BY_GPA ? region->gpa : (uintptr_t)region->hva;

	return begins <= last && begins + region->size - 1 >= from;
}

static void check_overlaps(int order)
{
	uint64_t from = order == BY_GPA ? rnd(1 << 20) * 16 * PAGE : (1 << 20) + rnd(80) * PAGE;
	uint64_t last = from + rnd(order == BY_GPA ? 1 << 28 : 1 << 17);
	const struct mem_region *region = NULL;
	size_t expected = 0, found = 0;

	/* Or only a page's last byte. */
	from += rnd(2) * (PAGE - 1);
	last = max_u64(from, last);
	for (size_t i = 0; i < list.count; i++)
		expected += is_hit(&list.records[i]->region, order, from, last);
	while ((region = mem_tree_next(roots[order], order, region, from, last))) {
		ck_assert(is_hit(region, order, from, last));
		found++;
	}
	ck_assert_uint_eq(found, expected);
}

static void check_below(void)
{
	gpa_t gpa = rnd(1 << 20) * 16 * PAGE;
	size_t expected = 0;

	for (size_t i = 0; i < list.count; i++)
		expected += list.records[i]->region.gpa < gpa;
	ck_assert_uint_eq(mem_tree_below(roots[BY_GPA], gpa), expected);
}

static void change(void)
{
	if (list.count < MOST && rnd(100) < (list.count < 20 ? 90 : 50))
		insert(new_record());
	else if (list.count)
		remove_at(rnd(list.count));
}

START_TEST(test_trees_tell_what_a_list_does)
{
	begin();
	for (unsigned i = 0; i < 4000; i++) {
		ck_assert_int_eq(mem_pool_begin(&pool, list.count, 1), 0);
		change();
		check_overlaps(BY_GPA);
		check_overlaps(BY_HVA);
		check_below();
		if (i % 100)
			continue;
		ck_assert(is_sound(roots[BY_GPA]) && is_sound(roots[BY_HVA]));
		check_sorted(roots[BY_GPA], &list);
	}
	end();
}
END_TEST

START_TEST(test_older_trees_stay_as_they_were)
{
	static struct list lists[100];
	struct mem_node *older[100];

	begin();
	for (unsigned i = 0; i < 100; i++) {
		older[i] = mem_tree_get(roots[BY_GPA]);
		lists[i] = list;
		for (unsigned edits = (unsigned)rnd(5); edits; edits--) {
			ck_assert_int_eq(mem_pool_begin(&pool, list.count, 1), 0);
			change();
		}
	}
	for (unsigned i = 0; i < 100; i++) {
		ck_assert(is_sound(older[i]));
		check_sorted(older[i], &lists[i]);
		mem_tree_put(older[i]);
	}
	end();
}
END_TEST

/* A tree that is kept makes an edit copy all that it touches. take() asserts that there is one. */
START_TEST(test_an_edit_and_its_way_back_have_the_nodes_they_need)
{
	begin();
	for (unsigned round = 0; round < 300; round++) {
		size_t edits = 1 + rnd(rnd(10) ? 4 : 100);
		struct mem_node *kept[2] = { mem_tree_get(roots[BY_GPA]),
					     mem_tree_get(roots[BY_HVA]) };

		mem_pool_finish(&pool);
		ck_assert_int_eq(mem_pool_begin(&pool, list.count, edits), 0);
		for (size_t i = 0; i < 2 * edits; i++)
			change();
		mem_tree_put(kept[BY_GPA]);
		mem_tree_put(kept[BY_HVA]);
		mem_pool_end(&pool);
	}
	end();
}
END_TEST

CHECK_MAIN("trees of regions", test_trees_tell_what_a_list_does,
	   test_older_trees_stay_as_they_were,
	   test_an_edit_and_its_way_back_have_the_nodes_they_need)
