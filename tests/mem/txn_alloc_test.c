/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A failure of each of ferry's own allocations, in transactions of every kind: nothing happens, and
 * nothing is left behind. The linker puts these functions in the place of the C library's.
 */
#include "mem/txn_scenarios.h"

#include <stdlib.h>

#include "mem/tree.h"

/* Of the nodes that are put by for a change of the map some fail. */
#define MANY 24
#define LAST 12

/* Which allocation fails, counted from 0 since allocations_begin(). */
static struct {
	bool counts;
	int at; /* -1: none */
	int seen, hit;
} allocations;

static bool fails(void)
{
	if (!allocations.counts || allocations.seen++ != allocations.at)
		return false;
	allocations.hit++;
	errno = ENOMEM;
	return true;
}

#define WRAP(type, name, parameters, arguments)                                                    \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		return fails() ? NULL : __real_##name arguments;                                   \
	}

/* NOLINTBEGIN(bugprone-reserved-identifier): ld(1), --wrap. */
WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, (void *old, size_t size), (old, size))
WRAP(void *, reallocarray, (void *old, size_t count, size_t size), (old, count, size))
WRAP(void *, aligned_alloc, (size_t align, size_t size), (align, size))
WRAP(char *, strdup, (const char *text), (text))
/* NOLINTEND(bugprone-reserved-identifier) */

static int commit_failing(const struct scenario *scenario, int at)
{
	int r;

	/* Nothing is at hand from before. */
	mem_pool_finish(mem.pool);
	allocations.at = at;
	allocations.seen = allocations.hit = 0;
	allocations.counts = true;
	r = commit(scenario);
	allocations.counts = false;
	return r;
}

static int count_allocations(const struct variant *variant, const struct scenario *scenario)
{
	begin(variant);
	ck_assert_int_eq(commit_failing(scenario, -1), 0);
	fixture_close();
	return allocations.seen;
}

/* Advice, and texts, may be done without. */
static void fail_at(const struct variant *variant, const struct scenario *scenario, int at)
{
	static struct state was, is;
	int r;

	begin(variant);
	take_state(&was);
	r = commit_failing(scenario, at);
	ck_assert_int_eq(allocations.hit, 1);
	ck_assert_msg(r == 0 || r == -ENOMEM, "%s, allocation %d: %d", scenario->name, at, r);
	if (r < 0) {
		take_state(&is);
		check_same(&was, &is, scenario->unlogs);
		check_content(scenario);
		check_logs();
		check_at_rest();
		ck_assert_int_eq(commit(scenario), 0);
	}
	check_model();
	check_logs();
	check_at_rest();
	fixture_close();
}

START_TEST(test_a_failure_at_any_allocation_leaves_everything_as_it_was)
{
	unsigned turn = 0, cases = 0;

	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		for (size_t s = 0; s < ARRAY_SIZE(scenarios); s++) {
			int count = count_allocations(&variants[v], &scenarios[s]);

			ck_assert_int_gt(count, 2);
			for (int at = 0; at < count; at += at < MANY ? 1 : 13) {
				if (is_left_out(&turn, 7))
					continue;
				fail_at(&variants[v], &scenarios[s], at);
				cases++;
			}
		}
	}
	printf("%u failures\n", cases);
	ck_assert_uint_gt(cases, turn ? 100 : 1000);
}
END_TEST

/* KVM refuses a change, and then there is no memory for taking back the ones before it. */
static bool fail_back(const struct variant *variant, const struct scenario *scenario, int refused,
		      int at)
{
	static struct state was, is;
	int r;

	begin(variant);
	take_state(&was);
	faults.at[0] = refused;
	faults.error = -EINVAL;
	r = commit_failing(scenario, at);
	check_model();
	check_at_rest();
	if (r == -EINVAL) {
		take_state(&is);
		check_same(&was, &is, true);
	} else if (r < 0 && r != -ENOMEM) {
		ck_assert_int_eq(r, -ENOTRECOVERABLE);
		ck_assert_msg(strstr(error_text(r), "not taken back"), "%s", error_text(r));
	}
	fixture_close();
	return allocations.hit;
}

START_TEST(test_an_allocation_that_fails_on_the_way_back_leaves_what_kvm_has)
{
	unsigned turn = 0, cases = 0;

	for (size_t v = 1; v < ARRAY_SIZE(variants); v++) {
		for (size_t s = 0; s < ARRAY_SIZE(scenarios); s++) {
			int count = count_allocations(&variants[v], &scenarios[s]);

			for (int refused = 1; refused < 6; refused += 2)
				for (int at = count > LAST ? count - LAST : 0;
				     !is_left_out(&turn, 7) &&
				     fail_back(&variants[v], &scenarios[s], refused, at); at++)
					cases++;
		}
	}
	printf("%u double failures\n", cases);
	ck_assert_uint_gt(cases, turn ? 10 : 200);
}
END_TEST

CHECK_MAIN("transactions without memory",
	   test_a_failure_at_any_allocation_leaves_everything_as_it_was,
	   test_an_allocation_that_fails_on_the_way_back_leaves_what_kvm_has)
