/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions of every kind, and a failure at each of their ioctls: all of it happens, or nothing.
 */
#include "mem/txn_scenarios.h"

static int run_whole(const struct variant *variant, const struct scenario *scenario)
{
	int r, seen;

	begin(variant);
	r = commit(scenario);
	ck_assert_msg(r == 0, "%s: %s: %s", variant->name, scenario->name, error_text(r));
	seen = faults.seen;
	check_model();
	check_logs();
	check_at_rest();
	check_content(scenario);
	ck_assert_int_eq(faults.stops, expected_stops(variant, scenario));
	fixture_close();
	return seen;
}

static void fail_at(const struct variant *variant, const struct scenario *scenario, int at,
		    int error)
{
	static struct state was, is;
	bool more = scenario->unlogs;
	int r;

	begin(variant);
	take_state(&was);
	faults.at[0] = at;
	faults.error = error;
	r = commit(scenario);
	/* What is asked of KVM besides may fail without harm. */
	if (r == 0) {
		fixture_close();
		return;
	}
	ck_assert_int_eq(faults.hit, 1);
	ck_assert_int_eq(r, error);
	ck_assert(strstr(error_text(r), strerror(-error)));
	take_state(&is);
	check_same(&was, &is, more);
	check_model();
	check_logs();
	check_at_rest();
	check_content(scenario);
	/* And it can be done after all. */
	ck_assert_int_eq(commit(scenario), 0);
	check_model();
	check_logs();
	fixture_close();
}

START_TEST(test_every_kind_of_transaction_is_what_kvm_has_afterwards)
{
	for (size_t v = 0; v < ARRAY_SIZE(variants); v++)
		for (size_t s = 0; s < ARRAY_SIZE(scenarios); s++)
			ck_assert_int_gt(run_whole(&variants[v], &scenarios[s]), 0);
}
END_TEST

START_TEST(test_a_failure_at_any_ioctl_leaves_everything_as_it_was)
{
	static const int errors[] = { -ENOMEM, -EINVAL, -EEXIST };
	unsigned turn = 0;
	int cases = 0, left_out = 0;

	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		for (size_t s = 0; s < ARRAY_SIZE(scenarios); s++) {
			int count = run_whole(&variants[v], &scenarios[s]);

			for (int at = 0; at < count; at++)
				for (size_t e = 0; e < ARRAY_SIZE(errors); e++, cases++)
					if (is_left_out(&turn, 7))
						left_out++;
					else
						fail_at(&variants[v], &scenarios[s], at, errors[e]);
		}
	}
	printf("%d failures\n", cases - left_out);
	ck_assert_int_gt(cases, 500);
}
END_TEST

/* Whether the second one was reached: it is in the way back. */
static bool fail_twice(const struct variant *variant, const struct scenario *scenario, int at,
		       int again)
{
	static struct state is;
	int r, hit;

	begin(variant);
	faults.at[0] = at;
	faults.at[1] = again;
	faults.error = -ENOMEM;
	r = commit(scenario);
	hit = faults.hit;
	check_model();
	check_at_rest();
	if (r < 0 && hit == 2 && r != -ENOMEM) {
		ck_assert_int_eq(r, -ENOTRECOVERABLE);
		ck_assert_msg(strstr(error_text(r), "not taken back"), "%s", error_text(r));
		/* All that there is can be taken away and made again. */
		take_state(&is);
		for (size_t i = is.count; i-- > 0;)
			ck_assert_int_eq(mem_unmap(&mem, is.regions[i].gpa), 0);
		check_model();
		ck_assert_int_eq(mem_map_ram(&mem, "low", LOW, LOW_PAGES * PAGE, 0), 0);
		check_model();
	}
	fixture_close();
	return hit == 2;
}

START_TEST(test_what_cannot_be_taken_back_is_told_and_the_map_is_what_kvm_has)
{
	unsigned turn = 0;
	int cases = 0;

	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		for (size_t s = 0; s < ARRAY_SIZE(scenarios); s++) {
			int count = run_whole(&variants[v], &scenarios[s]);

			if (scenarios[s].unlogs)
				continue;
			for (int at = 0; at < count; at++)
				for (int again = at + 1;
				     !is_left_out(&turn, 7) &&
				     fail_twice(&variants[v], &scenarios[s], at, again); again++)
					cases++;
		}
	}
	printf("%d double failures\n", cases);
	ck_assert_int_gt(cases, turn ? 10 : 200);
}
END_TEST

static void step_fails_at_commit(struct mem_txn *txn)
{
	mem_txn_move(txn, HIGH, FREE);
	mem_txn_unmap(txn, NEXT);
	mem_txn_protect(txn, LOW, true);
	mem_txn_map(txn, "new", ROM + PAGE, PAGE, 0); /* overlaps */
}

static void check_refused(void (*steps)(struct mem_txn *txn), int error, const char *text)
{
	const struct scenario scenario = { .steps = steps };
	static struct state was, is;
	int r;

	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		begin(&variants[v]);
		take_state(&was);
		r = commit(&scenario);
		ck_assert_int_eq(r, error);
		ck_assert_msg(strstr(error_text(r), text), "%s", error_text(r));
		take_state(&is);
		check_same(&was, &is, false);
		check_model();
		check_at_rest();
		fixture_close();
	}
}

static void step_fails_at_once(struct mem_txn *txn)
{
	mem_txn_unmap(txn, NEXT);
	ck_assert_int_eq(mem_txn_map(txn, "odd", FREE, 100, 0), -EINVAL);
	ck_assert_int_eq(mem_txn_unmap(txn, LOW), -EINVAL);
}

static void step_unknown(struct mem_txn *txn)
{
	mem_txn_unmap(txn, HIGH);
	mem_txn_unmap(txn, HIGH);
}

static void step_move_onto_other(struct mem_txn *txn)
{
	mem_txn_unmap(txn, LOW);
	mem_txn_move(txn, NEXT, ROM + PAGE);
}

static void step_foreign_alias(struct mem_txn *txn)
{
	static uint8_t page[2 * PAGE] __attribute__((aligned(4096)));

	mem_txn_unmap(txn, LOW);
	mem_txn_map_alias(txn, "alias", LOW, PAGE, 0, page);
}

static void step_alias_past_end(struct mem_txn *txn)
{
	mem_txn_map_alias(txn, "alias", FREE, 2 * PAGE, 0,
			  (const uint8_t *)mem_ptr(&mem, HIGH, PAGE) + (HIGH_PAGES - 1) * PAGE);
}

START_TEST(test_a_step_that_cannot_be_undoes_those_before)
{
	check_refused(step_fails_at_commit, -EEXIST, "new");
	check_refused(step_fails_at_once, -EINVAL, "odd");
	check_refused(step_unknown, -ENOENT, "no memory begins");
	check_refused(step_move_onto_other, -EEXIST, "rom");
	check_refused(step_foreign_alias, -EFAULT, "alias");
	check_refused(step_alias_past_end, -EFAULT, "alias");
}
END_TEST

START_TEST(test_an_abort_is_as_if_nothing_had_been)
{
	static struct state was, is;
	struct mem_txn txn;

	begin(&variants[1]);
	take_state(&was);
	mem_txn_begin(&txn, &mem);
	all_kinds(&txn);
	mem_txn_abort(&txn);
	take_state(&is);
	check_same(&was, &is, false);
	check_at_rest();
	fixture_close();
}
END_TEST

static int refuse_to_stop(void *self)
{
	(void)self;
	return because(-ENOSYS, "cannot stop");
}

START_TEST(test_a_guest_that_cannot_be_stopped_keeps_its_memory)
{
	static struct state was, is;

	begin(&variants[1]);
	take_state(&was);
	mem.guard.stop = refuse_to_stop;
	ck_assert_int_eq(mem_unmap(&mem, LOW), -ENOSYS);
	ck_assert_str_eq(error_text(0), "cannot stop");
	take_state(&is);
	check_same(&was, &is, false);
	ck_assert_int_eq(faults.goes, 0);
	fixture_close();
}
END_TEST

static unsigned told(gpa_t gpa, uint64_t *bits)
{
	const struct mem_map *now = mem_map(&mem);
	unsigned sum = 0;

	for (size_t i = 0; i < now->count; i++) {
		if (mem_map_at(now, i)->gpa != gpa)
			continue;
		memset(bits, 0, WORDS * sizeof(*bits));
		ck_assert_int_eq(mem_dirty_collect(&mem, mem_map_at(now, i), bits), 0);
		for (unsigned word = 0; word < WORDS; word++)
			sum += (unsigned)__builtin_popcountll(bits[word]);
	}
	return sum;
}

START_TEST(test_dirty_pages_are_told_after_each_change)
{
	for (size_t v = 1; v < ARRAY_SIZE(variants); v++) {
		uint64_t was[WORDS], is[WORDS];

		begin(&variants[v]);
		ck_assert_uint_gt(told(NEXT, was), 10);
		ck_assert_int_eq(commit(&(struct scenario){ .steps = protect }), 0);
		told(NEXT, is);
		ck_assert(memcmp(was, is, sizeof(was)) == 0);
		told(HIGH, was);
		ck_assert_int_eq(commit(&(struct scenario){ .steps = protect_and_move }), 0);
		told(FAR, is);
		ck_assert(memcmp(was, is, sizeof(was)) == 0);
		told(ROM, was);
		ck_assert_int_eq(commit(&(struct scenario){ .steps = unprotect }), 0);
		told(ROM, is);
		ck_assert(memcmp(was, is, sizeof(was)) == 0);
		fixture_close();
	}
}
END_TEST

/* KVM says of a new slot that all of it is dirty, and of a page that is what ferry's marks say. */
START_TEST(test_what_was_written_through_an_alias_is_told_by_the_owner_when_it_goes)
{
	for (size_t v = 1; v < ARRAY_SIZE(variants); v++) {
		const struct mem_region *next;
		uint64_t bits[WORDS];

		begin(&variants[v]);
		ck_assert_int_eq(commit(&(struct scenario){ .steps = alias }), 0);
		next = mem_map_at(mem_map(&mem), 1);
		memset(bits, 0xff, sizeof(bits));
		ck_assert_int_eq(mem_dirty_clear(&mem, next, 0, NEXT_PAGES, bits), 0);
		ck_assert_uint_eq(told(NEXT, bits), 0);
		mem_mark_dirty(&mem, FREE + PAGE, 1);
		ck_assert_uint_eq(told(NEXT, bits), 0);
		ck_assert_int_eq(mem_unmap(&mem, FREE), 0);
		told(NEXT, bits);
		ck_assert_uint_eq(bits[0], 3 << 3); /* a new alias is wholly dirty */
		fixture_close();
	}
}
END_TEST

static uint32_t word_at(gpa_t gpa)
{
	uint32_t word = 0;

	ck_assert_int_eq(mem_read(&mem, gpa, &word, sizeof(word)), 0);
	return word;
}

START_TEST(test_an_overlay_hides_a_page_and_gives_it_back)
{
	static const uint32_t value = 77;
	struct mem_txn txn;

	begin(&variants[0]);
	ck_assert_int_eq(mem_write(&mem, NEXT + 20 * PAGE, &value, sizeof(value)), 0);
	ck_assert_int_eq(mem_write(&mem, NEXT + 69 * PAGE, &value, sizeof(value)), 0);
	mem_txn_begin(&txn, &mem);
	overlay(&txn);
	mem_txn_map_alias(&txn, "hidden", FAR, PAGE, 0, mem_ptr(&mem, NEXT + 20 * PAGE, PAGE));
	ck_assert_int_eq(mem_txn_commit(&txn), 0);
	ck_assert_uint_eq(word_at(NEXT + 20 * PAGE), 0);
	ck_assert_uint_eq(word_at(NEXT + 69 * PAGE), 77);
	ck_assert_uint_eq(word_at(NEXT), 0x600dda7a);
	mem_txn_begin(&txn, &mem);
	mem_txn_unmap(&txn, NEXT + 20 * PAGE);
	mem_txn_move(&txn, FAR, NEXT + 20 * PAGE);
	ck_assert_int_eq(mem_txn_commit(&txn), 0);
	ck_assert_uint_eq(word_at(NEXT + 20 * PAGE), 77);
	check_model();
	fixture_close();
}
END_TEST

/* Whether the memory's file has a page there. */
static bool has_page(uint64_t offset)
{
	off_t data = lseek(mem.memfd, (off_t)offset, SEEK_DATA);

	return data == (off_t)offset;
}

START_TEST(test_pages_are_freed_when_no_region_has_them)
{
	const struct mem_map *map;
	uint64_t offset;
	const uint8_t *hva;

	begin(&variants[0]);
	map = mem_map_get(&mem);
	offset = mem_map_at(mem_map(&mem), 1)->offset;
	hva = mem_ptr(&mem, NEXT, PAGE);
	for (unsigned page = 0; page < NEXT_PAGES; page++)
		memset((uint8_t *)mem_ptr_rw(&mem, NEXT + page * PAGE, PAGE), 1, PAGE);
	ck_assert_int_eq(commit(&(struct scenario){ .steps = alias }), 0);
	ck_assert_int_eq(mem_unmap(&mem, NEXT), 0);
	ck_assert(!has_page(offset + 2 * PAGE) && !has_page(offset + 5 * PAGE));
	ck_assert(has_page(offset + 3 * PAGE) && has_page(offset + 4 * PAGE));
	ck_assert_int_eq(*(const uint8_t *)mem_ptr(&mem, FREE, PAGE), 1);
	ck_assert_int_eq(mem_unmap(&mem, FREE), 0);
	ck_assert(!has_page(offset + 3 * PAGE) && has_page(offset + 4 * PAGE));
	ck_assert_int_eq(mem_unmap(&mem, FAR), 0);
	ck_assert(!has_page(offset + 4 * PAGE));
	ck_assert_int_eq(hva[0], 0); /* the picture's addresses stay */
	mem_map_put(map);
	fixture_close();
}
END_TEST

START_TEST(test_memory_of_failed_transactions_is_used_again)
{
	uint64_t size;

	begin(&variants[0]);
	size = mem.memfd_size;
	for (int i = 0; i < 1000; i++) {
		faults.at[0] = 5;
		faults.error = -ENOMEM;
		ck_assert_int_eq(commit(&(struct scenario){ .steps = map_many }), -ENOMEM);
	}
	ck_assert_uint_eq(mem.memfd_size, size);
	ck_assert_int_eq(mem_map_ram(&mem, "small", FREE, PAGE, 0), 0);
	ck_assert_uint_eq(mem.memfd_size, size + PAGE);
	fixture_close();
}
END_TEST

START_TEST(test_tracking_that_could_not_be_stopped_begins_anew)
{
	begin(&variants[1]);
	faults.seen = 0;
	faults.at[0] = 1;
	faults.error = -ENOMEM;
	ck_assert_int_eq(mem_dirty_stop(&mem), -ENOMEM);
	ck_assert(mem.tracked);
	check_logs();
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	ck_assert_int_eq(mem_dirty_start(&mem), -EBUSY);
	ck_assert_int_eq(mem_dirty_stop(&mem), 0);
	check_logs();
	fixture_close();
}
END_TEST

CHECK_MAIN("transactions", test_every_kind_of_transaction_is_what_kvm_has_afterwards,
	   test_a_failure_at_any_ioctl_leaves_everything_as_it_was,
	   test_what_cannot_be_taken_back_is_told_and_the_map_is_what_kvm_has,
	   test_a_step_that_cannot_be_undoes_those_before, test_an_abort_is_as_if_nothing_had_been,
	   test_a_guest_that_cannot_be_stopped_keeps_its_memory,
	   test_dirty_pages_are_told_after_each_change,
	   test_what_was_written_through_an_alias_is_told_by_the_owner_when_it_goes,
	   test_an_overlay_hides_a_page_and_gives_it_back,
	   test_pages_are_freed_when_no_region_has_them,
	   test_memory_of_failed_transactions_is_used_again,
	   test_tracking_that_could_not_be_stopped_begins_anew)
