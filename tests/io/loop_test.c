/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: operations, watches, timers, messages. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/util.h"
#include "check_main.h"
#include "io/loop_impl.h"

static struct loop *loop;
static int count;
static int result;

static void done(struct loop_op *op, int res)
{
	(void)op;
	result = res;
	loop_stop(loop);
}

START_TEST(test_read_gives_what_was_written)
{
	struct loop_op op = { .done = done };
	char buf[8];
	int fds[2];

	ck_assert_int_eq(loop_create(&loop), 0);
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], "ferry", 5), 5);
	loop_read(loop, &op, fds[0], buf, sizeof(buf), (uint64_t)-1);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_int_eq(result, 5);
	ck_assert_mem_eq(buf, "ferry", 5);
	loop_destroy(loop);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(test_failed_operation_reports_errno)
{
	struct loop_op op = { .done = done };
	char buf[8];

	ck_assert_int_eq(loop_create(&loop), 0);
	loop_read(loop, &op, 9999, buf, sizeof(buf), 0);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_int_eq(result, -EBADF);
	loop_destroy(loop);
}
END_TEST

static void ready(struct loop_watch *watch, unsigned events)
{
	uint64_t value;

	ck_assert_uint_ne(events & POLLIN, 0);
	ck_assert_int_eq(read(watch->fd, &value, sizeof(value)), sizeof(value));
	if (++count == 3) {
		loop_watch_remove(loop, watch);
		loop_stop(loop);
	} else {
		ck_assert_int_eq(write(watch->fd, &value, sizeof(value)), sizeof(value));
	}
}

START_TEST(test_watch_is_told_every_time_until_removed)
{
	struct loop_watch watch = { 0 };
	int fd = eventfd(1, 0);

	count = 0;
	ck_assert_int_eq(loop_create(&loop), 0);
	ck_assert_int_eq(loop_watch_add(loop, &watch, fd, POLLIN, ready), 0);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_int_eq(count, 3);
	memset(&watch, 0xee, sizeof(watch)); /* nobody may look at it any more */
	loop_destroy(loop);
	close(fd);
}
END_TEST

static void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void signalled(struct loop_watch *watch, unsigned events)
{
	ck_assert_uint_ne(events & POLLIN, 0);
	(void)watch;
	count++;
	loop_stop(loop);
}

static void check_signals(bool lasting_polls)
{
	struct loop_watch watch = { 0 };
	int fd = eventfd(0, EFD_NONBLOCK);

	count = 0;
	ck_assert_int_eq(loop_create(&loop), 0);
	loop->lasting_polls &= lasting_polls;
	ck_assert_int_eq(loop_watch_eventfd(loop, &watch, fd, signalled), 0);
	for (int i = 1; i <= 5; i++) {
		ck_assert_int_eq(eventfd_write(fd, 1), 0);
		ck_assert_int_eq(loop_run(loop), 0);
		ck_assert_int_eq(count, i);
	}
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(loop_call(loop, stop, NULL), 0);
		ck_assert_int_eq(loop_run(loop), 0);
		ck_assert_int_eq(count, 5);
	}
	loop_watch_remove(loop, &watch);
	memset(&watch, 0xee, sizeof(watch));
	ck_assert_int_eq(eventfd_write(fd, 1), 0);
	ck_assert_int_eq(loop_call(loop, stop, NULL), 0);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_int_eq(count, 5);
	loop_destroy(loop);
	close(fd);
}

START_TEST(test_every_signal_of_an_eventfd_is_told)
{
	check_signals(true);
}
END_TEST

START_TEST(test_every_signal_is_told_without_lasting_polls)
{
	check_signals(false);
}
END_TEST

static void signal_again(struct loop_watch *watch, unsigned events)
{
	(void)events;
	ck_assert_int_eq(eventfd_write(watch->fd, 1), 0);
}

START_TEST(test_who_always_has_more_to_do_takes_turns)
{
	struct loop_watch watch = { 0 };
	int fd = eventfd(1, EFD_NONBLOCK);

	ck_assert_int_eq(loop_create(&loop), 0);
	ck_assert_int_eq(loop_watch_eventfd(loop, &watch, fd, signal_again), 0);
	ck_assert_int_eq(loop_call(loop, stop, NULL), 0);
	ck_assert_int_eq(loop_run(loop), 0);
	loop_watch_remove(loop, &watch);
	loop_destroy(loop);
	close(fd);
}
END_TEST

static void fired(struct loop_timer *timer)
{
	(void)timer;
	count++;
	loop_stop(loop);
}

START_TEST(test_timer_fires_once_and_disarmed_one_never)
{
	struct loop_timer first = { 0 }, second = { 0 };

	count = 0;
	ck_assert_int_eq(loop_create(&loop), 0);
	ck_assert_int_eq(loop_timer_arm(loop, &first, 1000000, fired), 0);
	ck_assert_int_eq(loop_timer_arm(loop, &second, 500000, fired), 0);
	loop_timer_disarm(loop, &second);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_int_eq(count, 1);
	ck_assert_ptr_null(first.timeout);
	loop_destroy(loop);
	ck_assert_int_eq(count, 1);
}
END_TEST

#define MESSAGES 1000

static void message(void *arg)
{
	ck_assert_int_eq((int)(intptr_t)arg, count);
	ck_assert(loop_is_here(loop));
	if (++count == MESSAGES)
		loop_stop(loop);
}

static void *sender(void *arg)
{
	(void)arg;
	ck_assert(!loop_is_here(loop));
	for (intptr_t i = 0; i < MESSAGES; i++)
		ck_assert_int_eq(loop_call(loop, message, (void *)i), 0);
	return NULL;
}

START_TEST(test_messages_of_another_thread_arrive_in_order)
{
	pthread_t thread;

	count = 0;
	ck_assert_int_eq(loop_create(&loop), 0);
	pthread_create(&thread, NULL, sender, NULL);
	ck_assert_int_eq(loop_run(loop), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(count, MESSAGES);
	loop_destroy(loop);
}
END_TEST

START_TEST(test_more_operations_than_the_ring_holds)
{
	enum { OPS = 1000 };
	static struct loop_op ops[OPS];
	struct loop_timer end = { 0 };
	int fd = eventfd(1, EFD_SEMAPHORE);
	static char bufs[OPS][8];

	count = 0;
	ck_assert_int_eq(loop_create(&loop), 0);
	for (int i = 0; i < OPS; i++) {
		ops[i].done = done;
		loop_read(loop, &ops[i], 9999, bufs[i], 8, 0);
	}
	ck_assert_int_eq(loop_timer_arm(loop, &end, 1000000, fired), 0);
	while (count == 0)
		ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_int_eq(result, -EBADF);
	loop_destroy(loop);
	close(fd);
}
END_TEST

static int order[4];

static void deferred_fn(struct loop_deferred *deferred)
{
	(void)deferred;
	order[count++] = 2;
	loop_stop(loop);
}

static void defer_it(void *arg)
{
	order[count++] = 1;
	loop_defer(loop, arg);
}

START_TEST(test_deferred_work_is_done_once_behind_a_burst)
{
	struct loop_deferred deferred = { .fn = deferred_fn }, cancelled = { .fn = deferred_fn };

	count = 0;
	ck_assert_int_eq(loop_create(&loop), 0);
	ck_assert_int_eq(loop_call(loop, defer_it, &deferred), 0);
	ck_assert_int_eq(loop_call(loop, defer_it, &deferred), 0);
	loop_defer(loop, &cancelled);
	loop_defer_cancel(loop, &cancelled);
	loop_defer_cancel(loop, &cancelled);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_int_eq(count, 3);
	ck_assert_int_eq(order[1], 1);
	ck_assert_int_eq(order[2], 2);
	loop_destroy(loop);
}
END_TEST

static int last_looks;

/* Finds something at each of its first looks. */
static bool look(struct loop_lookout *lookout, bool last)
{
	if (last)
		last_looks++;
	if (!count)
		return false;
	count--;
	loop_lookout_add(loop, lookout);
	return true;
}

START_TEST(test_loop_sleeps_when_a_last_look_found_nothing)
{
	struct loop_lookout lookout = { .look = look }, removed = { .look = look };
	struct loop_timer timer = { 0 };

	count = 3;
	last_looks = 0;
	ck_assert_int_eq(loop_create(&loop), 0);
	ck_assert_int_eq(loop_timer_arm(loop, &timer, 20000000, fired), 0);
	loop_lookout_add(loop, &removed);
	loop_lookout_add(loop, &lookout);
	loop_lookout_add(loop, &lookout);
	loop_lookout_remove(loop, &removed);
	loop_lookout_remove(loop, &removed);
	ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_int_eq(last_looks, 4);
	ck_assert_int_eq(count, 1); /* the timer's */
	ck_assert(!lookout.queued);
	loop_destroy(loop);
}
END_TEST

START_TEST(test_loop_looks_before_it_asks_to_be_notified)
{
	struct loop_lookout lookout = { .look = look };
	struct loop_timer timer = { 0 };

	count = 3;
	last_looks = 0;
	ck_assert_int_eq(loop_create(&loop), 0);
	loop->look_ns = 100000;
	ck_assert_int_eq(loop_timer_arm(loop, &timer, 20000000, fired), 0);
	loop_lookout_add(loop, &lookout);
	while (count != 1)
		ck_assert_int_eq(loop_run(loop), 0);
	ck_assert_int_eq(last_looks, 1);
	loop_destroy(loop);
}
END_TEST

START_TEST(test_loop_looks_as_long_as_work_is_soon_to_come)
{
	struct loop_lookout lookout = { .look = look };
	struct loop l = { .lookouts = &lookout, .may_look = true };

	loop_look_learn(&l, 50000);
	ck_assert_uint_eq(l.look_ns, 10000);
	for (unsigned i = 0; i < 10; i++)
		loop_look_learn(&l, 199999);
	ck_assert_uint_eq(l.look_ns, 200000);
	loop_look_learn(&l, 200000);
	ck_assert_uint_eq(l.look_ns, 100000);
	l.lookouts = NULL; /* something else came */
	loop_look_learn(&l, 50000);
	ck_assert_uint_eq(l.look_ns, 50000);
	for (unsigned i = 0; i < 3; i++)
		loop_look_learn(&l, 1000000);
	ck_assert_uint_eq(l.look_ns, 0);
}
END_TEST

CHECK_MAIN("loop", test_read_gives_what_was_written, test_failed_operation_reports_errno,
	   test_watch_is_told_every_time_until_removed,
	   test_every_signal_of_an_eventfd_is_told,
	   test_every_signal_is_told_without_lasting_polls,
	   test_who_always_has_more_to_do_takes_turns,
	   test_loop_sleeps_when_a_last_look_found_nothing,
	   test_loop_looks_before_it_asks_to_be_notified,
	   test_loop_looks_as_long_as_work_is_soon_to_come,
	   test_timer_fires_once_and_disarmed_one_never,
	   test_messages_of_another_thread_arrive_in_order,
	   test_more_operations_than_the_ring_holds,
	   test_deferred_work_is_done_once_behind_a_burst)
