/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves whose connections fail, at one operation after the other: whoever has the guest then is the
 * one that STREAM.md, 7.4, says, with all of its memory.
 */
#include <errno.h>
#include <stdlib.h>

#include "migrate/move.h"

static struct world world;
static struct fake_guest source, dest;
static struct move move;
static char dir[64], uri[96];

static struct {
	unsigned moves, went_on, moved, in_doubt, recovered;
} seen;

struct way {
	bool at_source, postcopy, by_descriptor;
	unsigned connections;
	enum channel_fault_kind kind;
};

static void begin(const struct way *way)
{
	if (!dir[0]) {
		strcpy(dir, "/tmp/ferry-cut-XXXXXX");
		ck_assert_ptr_nonnull(mkdtemp(dir));
		snprintf(uri, sizeof(uri), "unix:%s/s", dir);
	}
	fake_guest_init_lived(&source, &world);
	fake_guest_init(&dest, &world);
	move_init(&move, &world, &source, &dest);
	move.options.connections = way->connections;
	move.options.postcopy = way->postcopy;
	move.options.copy_memory = !way->by_descriptor;
	move.recoveries = way->postcopy ? 3 : 0;
	/* The source notices soon what no end of a connection tells. */
	if (way->kind == CHANNEL_FAULT_STALL)
		move.options.channel.timeout_ms = move.dest_options.timeout_ms = 1000;
	fake_guest_start(&source);
}

static void end(void)
{
	fake_guest_finish(&source);
	fake_guest_finish(&dest);
	rmdir(dir);
	dir[0] = '\0';
}

/* Nobody knows, and an operator decides: either is right, where both have all of it. */
static void decide(unsigned at_op)
{
	struct fake_guest *chosen = at_op % 2 || move.options.postcopy ? &source : &dest;

	seen.in_doubt++;
	if (chosen == &source)
		ck_assert_int_eq(source.guest.go_on(&source), 0);
	else
		ck_assert_int_eq(dest.guest.arrive(&dest), 0);
	check_runs(chosen);
}

/* Whether the operation was reached. */
static bool try(const struct way *way, unsigned at_op)
{
	struct fake_guest *runs;
	struct cut *cut;
	bool is_done;

	begin(way);
	cut = way->at_source ? &move.source_cut : &move.dest_cut;
	cut->kind = way->kind;
	cut->at_op = at_op;
	cut->at = at_op * 7;
	move_run(&move, uri);
	is_done = cut->is_done;
	runs = check_one_runs(&move);
	seen.moves++;
	seen.recovered += move.recovered;
	if (!runs)
		decide(at_op);
	else
		*(runs == &source ? &seen.went_on : &seen.moved) += 1;
	if (!is_done)
		ck_assert_ptr_eq(runs, &dest);
	end();
	return is_done;
}

/* How many operations there are when nothing fails; it differs a little from move to move. */
static unsigned count_ops(struct way way)
{
	unsigned ops;

	way.kind = CHANNEL_FAULT_FLIP;
	begin(&way);
	move.source_cut.at_op = move.dest_cut.at_op = UINT32_MAX;
	move.source_cut.kind = move.dest_cut.kind = CHANNEL_FAULT_FLIP;
	move_run(&move, uri);
	ops = way.at_source ? move.source_cut.ops : move.dest_cut.ops;
	ck_assert_ptr_eq(check_one_runs(&move), &dest);
	end();
	return ops;
}

/* The first operations and the last one by one, and some of those between. */
static void sweep(const struct way *way, unsigned first, unsigned between, unsigned last)
{
	unsigned ops = count_ops(*way);
	unsigned step = ops > first + last ? (ops - first - last) / (between + 1) + 1 : 1;

	for (unsigned op = 0; op < ops + 3; op += op < first || op + last >= ops ? 1 : step)
		try(way, op);
}

static void sweep_both_sides(struct way way, unsigned first, unsigned between, unsigned last)
{
	memset(&seen, 0, sizeof(seen));
	for (way.kind = CHANNEL_FAULT_CLOSE; way.kind <= CHANNEL_FAULT_FLIP; way.kind++) {
		if (way.kind == CHANNEL_FAULT_STALL)
			continue;
		for (unsigned side = 0; side < 2; side++) {
			way.at_source = side;
			sweep(&way, first, between, last);
		}
	}
	ck_assert_uint_gt(seen.went_on, 0);
	ck_assert_uint_gt(seen.moved, 0);
	fprintf(stderr, "%u moves: %u went on, %u moved, %u in doubt, %u recovered\n", seen.moves,
		seen.went_on, seen.moved, seen.in_doubt, seen.recovered);
}

START_TEST(test_a_guest_survives_every_cut_of_one_connection)
{
	sweep_both_sides((struct way){ .connections = 1 }, 12, 6, 14);
	ck_assert_uint_gt(seen.in_doubt, 0);
}
END_TEST

START_TEST(test_a_guest_survives_cuts_of_several_connections)
{
	sweep_both_sides((struct way){ .connections = 3 }, 3, 12, 12);
}
END_TEST

START_TEST(test_a_guest_survives_every_cut_while_its_memory_is_handed_over)
{
	sweep_both_sides((struct way){ .connections = 1, .by_descriptor = true }, 16, 2, 16);
	ck_assert_uint_gt(seen.in_doubt, 0);
}
END_TEST

START_TEST(test_a_guest_survives_cuts_before_and_after_it_has_left)
{
	sweep_both_sides((struct way){ .connections = 2, .postcopy = true }, 3, 16, 8);
	ck_assert_uint_gt(seen.recovered, 0);
}
END_TEST

static pthread_t toucher;

static void *touch_all(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < WORLD_PAGES; i++)
		__atomic_load_n((const uint8_t *)mem_ptr(&dest.mem, world_gpa(i), 1),
				__ATOMIC_RELAXED);
	return NULL;
}

/* A page is asked for, and that breaks the connection on which it is: the next operation there is.
 */
static void break_urgent(void)
{
	const struct timespec a_moment = { .tv_nsec = 100000000 };

	move.dest_cut.kind = CHANNEL_FAULT_CLOSE;
	pthread_create(&toucher, NULL, touch_all, NULL);
	while (!move.dest_cut.is_done)
		sched_yield();
	/* Whoever receives from it notices; there is nothing to see of that here. */
	nanosleep(&a_moment, NULL);
}

START_TEST(test_what_breaks_between_run_and_running_is_not_the_answer)
{
	begin(&(struct way){ .connections = 2, .postcopy = true });
	dest.in_arrive = break_urgent;
	move_run(&move, uri);
	pthread_join(toucher, NULL);
	ck_assert_ptr_eq(check_one_runs(&move), &dest);
	ck_assert_uint_eq(source.retakes, 0);
	ck_assert_uint_gt(move.recovered, 0);
	end();
}
END_TEST

START_TEST(test_a_guest_survives_stalled_connections)
{
	struct way way = { .connections = 2, .kind = CHANNEL_FAULT_STALL };

	for (unsigned side = 0; side < 2; side++) {
		way.at_source = side;
		sweep(&way, 2, 2, 5);
	}
}
END_TEST

CHECK_MAIN("cut", test_a_guest_survives_every_cut_of_one_connection,
	   test_a_guest_survives_cuts_of_several_connections,
	   test_a_guest_survives_every_cut_while_its_memory_is_handed_over,
	   test_a_guest_survives_cuts_before_and_after_it_has_left,
	   test_what_breaks_between_run_and_running_is_not_the_answer,
	   test_a_guest_survives_stalled_connections)
