/* SPDX-License-Identifier: Apache-2.0 */
/* Steps in the window of memory that comes and goes, and the plugging of all memory. */
#include "mem/txn_fixture.h"

#include <unistd.h>

#include "mem/window.h"

#define CHUNK (64 * PAGE)
#define LOW   0ULL
#define BASE  (4 * GIB)
#define FREE  (16 * GIB)
#define WORD  0x600dda7aU

static gpa_t chunk(unsigned n)
{
	return BASE + n * CHUNK;
}

static uint32_t word_at(gpa_t gpa)
{
	uint32_t word = 0;

	ck_assert_int_eq(mem_read(&mem, gpa, &word, sizeof(word)), 0);
	return word;
}

static void write_at(gpa_t gpa)
{
	const uint32_t word = WORD;

	ck_assert_int_eq(mem_write(&mem, gpa, &word, sizeof(word)), 0);
}

/* Whether the memory's file has a page for the beginning of the chunk. */
static bool has_page(unsigned n)
{
	off_t at = (off_t)(mem.window.offset + n * CHUNK);

	return lseek(mem.memfd, at, SEEK_DATA) == at;
}

static void begin(bool tracked)
{
	fixture_open(0);
	ck_assert_int_eq(mem_map_ram(&mem, "low", LOW, CHUNK, 0), 0);
	ck_assert_int_eq(mem_window_reserve(&mem, BASE, 4 * CHUNK), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "chunk", BASE, CHUNK, 0), 0);
	write_at(LOW);
	write_at(BASE);
	if (tracked)
		ck_assert_int_eq(mem_dirty_start(&mem), 0);
	check_model();
	faults.stops = faults.goes = 0;
}

static void add(struct mem_txn *txn)
{
	mem_txn_map(txn, "new", chunk(1), CHUNK, 0);
}

static void take_away(struct mem_txn *txn)
{
	mem_txn_unmap(txn, BASE);
}

static void exchange(struct mem_txn *txn)
{
	mem_txn_unmap(txn, BASE);
	mem_txn_map(txn, "new", chunk(1), 2 * CHUNK, 0);
}

static void protect(struct mem_txn *txn)
{
	mem_txn_protect(txn, BASE, true);
	mem_txn_map(txn, "new", chunk(1), CHUNK, 0);
}

static void come_and_go(struct mem_txn *txn)
{
	mem_txn_map(txn, "new", chunk(1), CHUNK, 0);
	mem_txn_protect(txn, chunk(1), true);
	mem_txn_unmap(txn, chunk(1));
	mem_txn_map(txn, "new", chunk(2), CHUNK, 0);
}

static void (*const scenarios[])(struct mem_txn *txn) = {
	add, take_away, exchange, protect, come_and_go,
};

static int commit(void (*steps)(struct mem_txn *txn))
{
	struct mem_txn txn;
	int r;

	faults.seen = faults.hit = 0;
	error_clear();
	mem_txn_begin(&txn, &mem);
	steps(&txn);
	r = mem_txn_commit(&txn);
	faults.at[0] = faults.at[1] = -1;
	return r;
}

static void check_as_it_was(const struct mem_map *was)
{
	ck_assert_ptr_eq(mem_map(&mem), was);
	ck_assert_uint_eq(word_at(LOW), WORD);
	ck_assert_uint_eq(word_at(BASE), WORD);
	ck_assert(!has_page(1) && !has_page(2));
	check_model();
	check_logs();
	check_at_rest();
}

/* All that is mapped can be used, what is new is zero, and of what has gone nothing is left. */
static void check_window(void)
{
	check_model();
	check_logs();
	check_at_rest();
	for (unsigned n = 0; n < 3; n++) {
		if (!mem_ptr(&mem, chunk(n), 1))
			ck_assert(!has_page(n));
		else
			ck_assert_uint_eq(word_at(chunk(n)), n == 0 ? WORD : 0);
		if (mem_ptr(&mem, chunk(n), 1))
			write_at(chunk(n));
	}
}

static int run_whole(bool tracked, size_t scenario)
{
	int seen;

	begin(tracked);
	ck_assert_int_eq(commit(scenarios[scenario]), 0);
	seen = faults.seen;
	check_window();
	fixture_close();
	return seen;
}

START_TEST(test_failure_at_any_ioctl_leaves_the_window_as_it_was)
{
	for (size_t i = 0; i < 2 * ARRAY_SIZE(scenarios); i++) {
		int count = run_whole(i % 2, i / 2);

		ck_assert_int_gt(count, 0);
		for (int at = 0; at < count; at++) {
			const struct mem_map *was;

			begin(i % 2);
			was = mem_map(&mem);
			faults.at[0] = at;
			faults.error = -ENOMEM;
			ck_assert_int_eq(commit(scenarios[i / 2]), -ENOMEM);
			check_as_it_was(was);
			ck_assert_int_eq(commit(scenarios[i / 2]), 0);
			check_window();
			fixture_close();
		}
	}
}
END_TEST

/* Whether the second one was reached: it is in the way back. */
static bool fail_twice(void (*steps)(struct mem_txn *txn), int at, int again)
{
	int hit;

	begin(true);
	faults.at[0] = at;
	faults.at[1] = again;
	faults.error = -ENOMEM;
	ck_assert_int_lt(commit(steps), 0);
	hit = faults.hit;
	check_window();
	for (size_t i = mem_map(&mem)->count; i-- > 0;)
		ck_assert_int_eq(mem_unmap(&mem, mem_map_at(mem_map(&mem), i)->gpa), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "all", BASE, 4 * CHUNK, 0), 0);
	for (unsigned n = 0; n < 4; n++)
		ck_assert_uint_eq(word_at(chunk(n)), 0);
	check_model();
	fixture_close();
	return hit == 2;
}

START_TEST(test_what_is_not_taken_back_leaves_a_window_that_can_be_used)
{
	int cases = 0;

	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		int count = run_whole(true, i);

		for (int at = 0; at < count; at++)
			for (int again = at + 1; fail_twice(scenarios[i], at, again); again++)
				cases++;
	}
	ck_assert_int_gt(cases, 10);
}
END_TEST

static void map_over(struct mem_txn *txn)
{
	mem_txn_unmap(txn, LOW);
	mem_txn_map(txn, "new", BASE, 2 * CHUNK, 0);
}

static void map_where_one_leaves(struct mem_txn *txn)
{
	mem_txn_unmap(txn, BASE);
	mem_txn_map(txn, "new", BASE, CHUNK, 0);
}

static void map_twice(struct mem_txn *txn)
{
	mem_txn_map(txn, "new", chunk(1), CHUNK, 0);
	mem_txn_unmap(txn, chunk(1));
	mem_txn_map(txn, "newer", chunk(1), CHUNK, 0);
}

static void map_in_part(struct mem_txn *txn)
{
	ck_assert_int_eq(mem_txn_map(txn, "new", chunk(3), 2 * CHUNK, 0), -EINVAL);
}

static void move_out(struct mem_txn *txn)
{
	mem_txn_move(txn, BASE, FREE);
}

static void move_in(struct mem_txn *txn)
{
	mem_txn_move(txn, LOW, chunk(1));
}

static void share_out(struct mem_txn *txn)
{
	mem_txn_map_alias(txn, "alias", FREE, PAGE, 0, mem_ptr(&mem, BASE, PAGE));
}

static void share_in(struct mem_txn *txn)
{
	mem_txn_map_alias(txn, "alias", chunk(1), CHUNK, 0, mem_ptr(&mem, LOW, PAGE));
}

static const struct refusal {
	void (*steps)(struct mem_txn *txn);
	int error;
} refusals[] = {
	{ map_over, -EEXIST },	 { map_where_one_leaves, -EBUSY }, { map_twice, -EBUSY },
	{ map_in_part, -EINVAL }, { move_out, -EINVAL },		   { move_in, -EINVAL },
	{ share_out, -EFAULT },	 { share_in, -EINVAL },
};

START_TEST(test_place_in_the_window_is_of_one_region_only)
{
	for (size_t i = 0; i < 2 * ARRAY_SIZE(refusals); i++) {
		const struct mem_map *was;

		begin(i % 2);
		was = mem_map(&mem);
		ck_assert_int_eq(commit(refusals[i / 2].steps), refusals[i / 2].error);
		check_as_it_was(was);
		fixture_close();
	}
}
END_TEST

static void begin_unplugged(void)
{
	fixture_open(0);
	mem.is_unplugged = true;
	ck_assert_int_eq(mem_map_ram(&mem, "low", LOW, CHUNK, 0), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "rom", BASE, PAGE, MEM_READONLY), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "free", FREE, PAGE, 0), 0);
	ck_assert_int_eq(faults.seen, 0);
}

START_TEST(test_memory_is_plugged_wholly_or_not_at_all)
{
	for (int at = 0; at < 3; at++) {
		begin_unplugged();
		faults.at[0] = at;
		faults.error = -ENOMEM;
		ck_assert_int_eq(mem_plug(&mem), -ENOMEM);
		ck_assert_int_eq(faults.hit, 1);
		for (unsigned slot = 0; slot < SLOTS; slot++)
			ck_assert_uint_eq(faults.model[slot].memory_size, 0);
		/* It is as unplugged as it was. */
		ck_assert_int_eq(mem_unmap(&mem, FREE), 0);
		ck_assert_int_eq(mem_plug(&mem), 0);
		check_model();
		ck_assert_int_eq(mem_map_ram(&mem, "more", FREE, PAGE, 0), 0);
		check_model();
		fixture_close();
	}
}
END_TEST

START_TEST(test_plugging_that_is_not_taken_back_can_be_tried_again)
{
	begin_unplugged();
	faults.at[0] = 2;
	faults.at[1] = 3;
	faults.error = -ENOMEM;
	ck_assert_int_eq(mem_plug(&mem), -ENOTRECOVERABLE);
	ck_assert_ptr_nonnull(strstr(error_text(0), "rom at 0x100000000 is KVM's already"));
	ck_assert_int_eq(mem_plug(&mem), 0);
	check_model();
	fixture_close();
}
END_TEST

CHECK_MAIN("steps", test_failure_at_any_ioctl_leaves_the_window_as_it_was,
	   test_what_is_not_taken_back_leaves_a_window_that_can_be_used,
	   test_place_in_the_window_is_of_one_region_only,
	   test_memory_is_plugged_wholly_or_not_at_all,
	   test_plugging_that_is_not_taken_back_can_be_tried_again)
