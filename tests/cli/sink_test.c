/* SPDX-License-Identifier: Apache-2.0 */
/* Output to readers that are slow, stuck, or gone. */
#include "cli/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "check_main.h"

#define TOTAL (300 * 1000)
#define MS    1000000ULL

/* Not a part of the ring's size: the ring is wrapped at many places. */
#define PIECE 20011

static struct loop *loop;
static struct sink sink;
static int fds[2];
static unsigned drains;

static void drained(void *self)
{
	(void)self;
	drains++;
}

static void set_up(void)
{
	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(loop_create(&loop), 0);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_ge(fcntl(fds[1], F_SETPIPE_SZ, 4096), 0);
	ck_assert_int_eq(sink_init(&sink, loop, fds[1], drained, NULL), 0);
}

static char pattern(size_t i)
{
	return (char)('a' + i * 7 % 26);
}

static size_t fill(size_t from)
{
	size_t room = sink_room(&sink), count = min_u64(min_u64(room, PIECE), TOTAL - from);
	char bytes[PIECE];

	for (size_t i = 0; i < count; i++)
		bytes[i] = pattern(from + i);
	sink_put(&sink, bytes, count);
	return from + count;
}

/* What the reader of the pipe takes. */
static struct loop_watch reader;
static size_t taken;
static unsigned more;

static void take(struct loop_watch *watch, unsigned events)
{
	char buf[5000];
	ssize_t n = read(fds[0], buf, sizeof(buf));

	(void)watch;
	(void)events;
	ck_assert_int_gt(n, 0);
	for (ssize_t i = 0; i < n; i++)
		ck_assert_int_eq(buf[i], pattern(taken++));
	more = 0;
}

START_TEST(test_every_byte_arrives_in_order)
{
	size_t put = 0;

	set_up();
	ck_assert_int_eq(loop_watch_add(loop, &reader, fds[0], POLLIN, take), 0);
	while (taken < TOTAL) {
		put = fill(put);
		more = 1;
		loop_drain(loop, &more);
	}
	ck_assert_uint_eq(put, TOTAL);
	ck_assert_uint_gt(drains, 0);
	loop_watch_remove(loop, &reader);
	sink_finish(&sink);
	loop_destroy(loop);
}
END_TEST

START_TEST(test_a_stuck_reader_is_given_up_after_the_time)
{
	set_up();
	/* More than the pipe and the sink can hold together is not taken. */
	for (size_t put = 0; sink_room(&sink) > 0;)
		put = fill(put);
	sink_drain(&sink, 50 * MS);
	ck_assert_int_eq(sink.error, -ETIMEDOUT);
	ck_assert_uint_eq(sink_room(&sink), SIZE_MAX);
	sink_finish(&sink);
	loop_destroy(loop);
}
END_TEST

START_TEST(test_a_reader_that_left_costs_nothing)
{
	set_up();
	close(fds[0]);
	sink_put(&sink, "lost", 4);
	sink_drain(&sink, 1000 * MS);
	ck_assert_int_eq(sink.error, -EPIPE);
	sink_put(&sink, "lost", 4);
	ck_assert_uint_eq(sink.writing, 0);
	sink_finish(&sink);
	loop_destroy(loop);
}
END_TEST

START_TEST(test_a_sink_without_a_descriptor_takes_all)
{
	set_up();
	sink_finish(&sink);
	ck_assert_int_eq(sink_init(&sink, loop, -1, drained, NULL), 0);
	ck_assert_uint_eq(sink_room(&sink), SIZE_MAX);
	sink_put(&sink, "text", 4);
	sink_drain(&sink, 0);
	sink_finish(&sink);
	loop_destroy(loop);
}
END_TEST

CHECK_MAIN("cli/sink", test_every_byte_arrives_in_order,
	   test_a_stuck_reader_is_given_up_after_the_time, test_a_reader_that_left_costs_nothing,
	   test_a_sink_without_a_descriptor_takes_all)
