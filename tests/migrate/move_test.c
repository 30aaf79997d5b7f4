/* SPDX-License-Identifier: Apache-2.0 */
/* Moves from one side to the other, each way of them: in the end exactly one side runs the guest.
 */
#include <errno.h>
#include <stdlib.h>

#include "migrate/move.h"

static struct world world;
static struct fake_guest source, dest;
static struct move move;
static char dir[64], unix_uri[96];

#define TCP "tcp:127.0.0.1:0"

static void setup(void)
{
	if (!dir[0]) {
		strcpy(dir, "/tmp/ferry-move-XXXXXX");
		ck_assert_ptr_nonnull(mkdtemp(dir));
		snprintf(unix_uri, sizeof(unix_uri), "unix:%s/s", dir);
	}
	fake_guest_init_lived(&source, &world);
	fake_guest_init(&dest, &world);
	move_init(&move, &world, &source, &dest);
	fake_guest_start(&source);
}

static void teardown(void)
{
	fake_guest_finish(&source);
	fake_guest_finish(&dest);
	rmdir(dir);
	dir[0] = '\0';
}

/* The registers of the fakes: from where the guest left. */
static void check_moved(void)
{
	ck_assert_msg(move.outcome == MIGRATE_MOVED, "%s", move.source_text);
	ck_assert_msg(move.arrival == MIGRATE_ARRIVED, "%s", move.dest_text);
	ck_assert_ptr_eq(check_one_runs(&move), &dest);
	ck_assert(fake_regs_are_same(&source.regs, &dest.regs));
	ck_assert_uint_eq(source.surrenders, 1);
	ck_assert_uint_eq(source.go_ons, 0);
	ck_assert_uint_eq(dest.arrivals, 1);
}

static void check_went_on(int err, const char *text)
{
	ck_assert_int_eq(move.outcome, MIGRATE_WENT_ON);
	ck_assert_int_eq(move.source_err, err);
	ck_assert_msg(strstr(move.source_text, text) != NULL, "%s", move.source_text);
	ck_assert_ptr_eq(check_one_runs(&move), &source);
	ck_assert_uint_eq(source.percent, 0);
}

/* Nothing of a first attempt is left: another one is right. */
static void move_again(const char *uri)
{
	fake_guest_finish(&dest);
	fake_guest_init(&dest, &world);
	source.holds = source.go_ons = source.surrenders = source.glances = 0;
	move_init(&move, &world, &source, &dest);
	move_run(&move, uri);
	check_moved();
}

static void move_copied(const char *uri, unsigned connections, int compress)
{
	setup();
	move.options.connections = connections;
	move.options.compress = compress;
	move_run(&move, uri ? uri : unix_uri);
	check_moved();
	teardown();
}

START_TEST(test_a_guest_moves_over_a_unix_socket)
{
	move_copied(NULL, 1, 0);
	move_copied(NULL, 4, 0);
}
END_TEST

START_TEST(test_a_guest_moves_over_tcp)
{
	move_copied(TCP, 1, 0);
	move_copied(TCP, 4, 0);
}
END_TEST

START_TEST(test_a_guest_moves_compressed)
{
	move_copied(TCP, 1, 1);
	move_copied(NULL, 4, 3);
}
END_TEST

START_TEST(test_a_guest_moves_with_as_many_connections_as_can_be)
{
	move_copied(NULL, MIGRATE_CONNECTIONS_MAX, 0);
}
END_TEST

/* What the first round leaves would be allowed to go while the guest is held. */
START_TEST(test_a_guest_is_not_held_while_one_more_round_would_halve_its_downtime)
{
	setup();
	move.options.bandwidth = 2 * MIB;
	move.options.downtime_ms = 10000;
	move_run(&move, unix_uri);
	ck_assert_uint_ge(move.progress.round, 3);
	check_moved();
	teardown();
}
END_TEST

START_TEST(test_memory_moves_as_a_descriptor)
{
	setup();
	move.options.copy_memory = false;
	move_run(&move, unix_uri);
	check_moved();
	teardown();
}
END_TEST

/* It may not be asked for by itself: the guest is held before it could have moved otherwise. */
static void ask_for_postcopy(struct move *m)
{
	while (!m->ended && migrate_source_postcopy(m->migration) == -EOPNOTSUPP)
		sched_yield();
}

START_TEST(test_a_guest_moves_before_its_memory_does)
{
	for (unsigned connections = 1; connections <= 4; connections += 3) {
		for (unsigned tcp = 0; tcp < 2; tcp++) {
			setup();
			move.options.connections = connections;
			move.options.postcopy = true;
			move_run(&move, tcp ? TCP : unix_uri);
			check_moved();
			teardown();
		}
	}
}
END_TEST

START_TEST(test_postcopy_asked_for_at_any_moment_loses_nothing)
{
	for (unsigned i = 0; i < 40; i++) {
		setup();
		move.options.connections = 1 + i % 3;
		move.options.bandwidth = i % 2 ? 0 : 16 * MIB;
		move.during = ask_for_postcopy;
		move_run(&move, unix_uri);
		check_moved();
		teardown();
	}
}
END_TEST

START_TEST(test_everything_in_the_way_is_told_and_the_guest_does_not_notice)
{
	setup();
	dest.regs.regs[2].is_gone = dest.regs.regs[7].is_gone = true;
	move_run(&move, unix_uri);
	check_went_on(-EREMOTE, "2 things are in the way");
	ck_assert_str_eq(move.refusals,
			 "register fake.r2.2: there is none here, and its value matters\n"
			 "register fake.r7.7: there is none here, and its value matters\n");
	ck_assert_uint_eq(source.holds, 0);
	ck_assert_int_eq(move.arrival, MIGRATE_NOT_ARRIVED);
	move_again(unix_uri);
	teardown();
}
END_TEST

START_TEST(test_a_destination_that_cannot_begin_gives_the_guest_back)
{
	for (unsigned postcopy = 0; postcopy < 2; postcopy++) {
		setup();
		move.options.postcopy = postcopy;
		dest.arrive_err = -EIO;
		move_run(&move, unix_uri);
		check_went_on(-EREMOTEIO, "arrive failed");
		ck_assert_int_eq(move.arrival, MIGRATE_NOT_ARRIVED);
		ck_assert_uint_eq(source.surrenders, 1);
		ck_assert_uint_eq(source.retakes, 1);
		move_again(unix_uri);
		teardown();
	}
}
END_TEST

START_TEST(test_what_cannot_be_taken_back_is_held)
{
	setup();
	dest.arrive_err = -EIO;
	source.retake_err = -EBUSY;
	move_run(&move, unix_uri);
	ck_assert_int_eq(move.outcome, MIGRATE_IN_DOUBT);
	ck_assert(!source.is_running && !dest.is_running);
	teardown();
}
END_TEST

START_TEST(test_a_guest_that_cannot_be_held_stays)
{
	setup();
	source.hold_err = -EIO;
	move_run(&move, unix_uri);
	check_went_on(-EIO, "hold failed");
	ck_assert_int_eq(move.arrival, MIGRATE_NOT_ARRIVED);
	move_again(unix_uri);
	teardown();
}
END_TEST

START_TEST(test_nobody_there_is_told)
{
	setup();
	move.options.uri = unix_uri;
	ck_assert_int_eq(migrate_source_create(&source.guest, &move.options, &move.migration), 0);
	ck_assert_int_eq(migrate_source_run(move.migration, &move.source_err), MIGRATE_WENT_ON);
	ck_assert_int_eq(move.source_err, -ENOENT);
	migrate_source_destroy(move.migration);
	check_runs(&source);
	teardown();
}
END_TEST

/*
 * Moments all over a move, however long one takes here: a later one after each move that was cancelled,
 * and any of those before after one that was not.
 */
static uint64_t delay_ns;

static void choose_delay(bool was_cancelled, unsigned *seed)
{
	if (was_cancelled)
		delay_ns += delay_ns / 4 + 20000;
	else
		delay_ns = delay_ns * ((uint64_t)rand_r(seed) % 100) / 100;
}

static void wait_delay(void)
{
	const struct timespec time = { .tv_sec = (time_t)(delay_ns / 1000000000),
				       .tv_nsec = (long)(delay_ns % 1000000000) };

	nanosleep(&time, NULL);
}

static void cancel_source(struct move *m)
{
	wait_delay();
	migrate_source_cancel(m->migration);
}

static bool has_destination(struct move *m)
{
	bool has;

	pthread_mutex_lock(&m->lock);
	has = m->arriving != NULL;
	pthread_mutex_unlock(&m->lock);
	return has;
}

static void cancel_dest(struct move *m)
{
	while (!m->dest_ended && !has_destination(m))
		sched_yield();
	wait_delay();
	pthread_mutex_lock(&m->lock);
	if (m->arriving)
		migrate_dest_cancel(m->arriving);
	pthread_mutex_unlock(&m->lock);
}

static void cancel_many(void (*cancel)(struct move *m), bool postcopy)
{
	unsigned cancelled = 0, seed = 1;

	delay_ns = 0;
	for (unsigned i = 0; i < 150; i++) {
		setup();
		move.options.connections = 1 + i % 3;
		move.options.bandwidth = i % 5 ? 0 : 64 * MIB;
		move.options.postcopy = postcopy && i % 4 == 3;
		move.during = cancel;
		move_run(&move, i % 2 ? TCP : unix_uri);
		ck_assert_msg(move.outcome == MIGRATE_WENT_ON || move.outcome == MIGRATE_MOVED,
			      "%u: %d: %s; %d: %s", i, move.outcome, move.source_text,
			      move.arrival, move.dest_text);
		ck_assert_ptr_nonnull(check_one_runs(&move));
		cancelled += move.outcome == MIGRATE_WENT_ON;
		choose_delay(move.outcome == MIGRATE_WENT_ON, &seed);
		if (move.outcome == MIGRATE_WENT_ON && i % 8 == 0)
			move_again(unix_uri);
		teardown();
	}
	ck_assert_uint_gt(cancelled, 10);
	ck_assert_uint_lt(cancelled, 150);
}

START_TEST(test_a_source_cancels_at_any_moment)
{
	cancel_many(cancel_source, true);
}
END_TEST

START_TEST(test_a_destination_cancels_at_any_moment)
{
	/* In post-copy it may do so later as well, and the guest is lost then. */
	cancel_many(cancel_dest, false);
}
END_TEST

CHECK_MAIN("move", test_a_guest_moves_over_a_unix_socket, test_a_guest_moves_over_tcp,
	   test_a_guest_moves_compressed, test_a_guest_moves_with_as_many_connections_as_can_be,
	   test_a_guest_is_not_held_while_one_more_round_would_halve_its_downtime,
	   test_memory_moves_as_a_descriptor, test_a_guest_moves_before_its_memory_does,
	   test_postcopy_asked_for_at_any_moment_loses_nothing,
	   test_everything_in_the_way_is_told_and_the_guest_does_not_notice,
	   test_a_destination_that_cannot_begin_gives_the_guest_back,
	   test_what_cannot_be_taken_back_is_held, test_a_guest_that_cannot_be_held_stays,
	   test_nobody_there_is_told, test_a_source_cancels_at_any_moment,
	   test_a_destination_cancels_at_any_moment)
