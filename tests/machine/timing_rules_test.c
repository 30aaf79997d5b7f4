/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels that account rightly and wrongly, made up: each rule finds who breaks it. */
#include "machine/timing_rules.h"

#include <string.h>

#include "check_main.h"

#define MS 1000000ULL

static struct timing_rule rules[TIMING_RULES_MAX];
static struct timing timing = { .rules = rules };

static const struct timing_seen spin = {
	.wall = 1000 * MS,
	.run = 999 * MS,
	.user = 990 * MS,
	.guest = 980 * MS,
	.cpu = 995 * MS,
};

/* The verdict of the rule whose words those are. */
static enum timing_verdict judge(enum timing_scene scene, const struct timing_seen *seen,
				 const char *rule)
{
	timing.count = 0;
	timing_judge(&timing, scene, seen);
	ck_assert_uint_le(timing.count, TIMING_RULES_MAX);
	for (size_t i = 0; i < timing.count; i++)
		if (strstr(rules[i].rule, rule))
			return rules[i].verdict;
	ck_abort_msg("no rule \"%s\"", rule);
	return TIMING_UNKNOWN;
}

START_TEST(test_a_spin_that_is_not_guest_time_is_wrong)
{
	struct timing_seen seen = spin;

	ck_assert_int_eq(judge(TIMING_SCENE_USER, &seen, "guest time is the"), TIMING_RIGHT);
	seen.guest = 0;
	ck_assert_int_eq(judge(TIMING_SCENE_KERNEL, &seen, "guest time is the"), TIMING_WRONG);
	seen.guest = 900 * MS;
	ck_assert_int_eq(judge(TIMING_SCENE_KERNEL, &seen, "guest time is the"), TIMING_WRONG);
}
END_TEST

START_TEST(test_a_host_too_busy_to_say_is_told)
{
	struct timing_seen seen = spin;

	seen.guest = seen.user = seen.cpu = 100 * MS;
	seen.delay = 900 * MS;
	ck_assert_int_eq(judge(TIMING_SCENE_USER, &seen, "guest time is the"), TIMING_UNKNOWN);
}
END_TEST

START_TEST(test_time_that_is_lost_or_made_up_is_wrong)
{
	struct timing_seen seen = spin;

	ck_assert_int_eq(judge(TIMING_SCENE_USER, &seen, "user + system"), TIMING_RIGHT);
	seen.system = 300 * MS;
	ck_assert_int_eq(judge(TIMING_SCENE_USER, &seen, "user + system"), TIMING_WRONG);
	seen = spin;
	seen.user = 500 * MS;
	ck_assert_int_eq(judge(TIMING_SCENE_USER, &seen, "user + system"), TIMING_WRONG);
	ck_assert_int_eq(judge(TIMING_SCENE_USER, &seen, "part of user"), TIMING_WRONG);
}
END_TEST

START_TEST(test_a_halt_that_costs_time_or_is_not_counted_is_wrong)
{
	struct timing_seen seen = { .wall = 1000 * MS, .has_halts = true, .halted = 990 * MS };

	ck_assert_int_eq(judge(TIMING_SCENE_HALT, &seen, "no CPU"), TIMING_RIGHT);
	ck_assert_int_eq(judge(TIMING_SCENE_HALT, &seen, "KVM counts"), TIMING_RIGHT);
	seen.halted = 500 * MS;
	seen.user = seen.cpu = 500 * MS;
	ck_assert_int_eq(judge(TIMING_SCENE_HALT, &seen, "no CPU"), TIMING_WRONG);
	ck_assert_int_eq(judge(TIMING_SCENE_HALT, &seen, "KVM counts"), TIMING_WRONG);
	seen.has_halts = false;
	ck_assert_int_eq(judge(TIMING_SCENE_HALT, &seen, "KVM counts"), TIMING_UNKNOWN);
}
END_TEST

START_TEST(test_exits_that_are_guest_time_are_wrong)
{
	struct timing_seen seen = {
		.wall = 1000 * MS,
		.run = 600 * MS,
		.user = 600 * MS,
		.system = 390 * MS,
		.guest = 300 * MS,
		.cpu = 990 * MS,
	};

	ck_assert_int_eq(judge(TIMING_SCENE_EXITS, &seen, "leaves out"), TIMING_RIGHT);
	ck_assert_int_eq(judge(TIMING_SCENE_EXITS, &seen, "system time"), TIMING_RIGHT);
	seen.guest = 990 * MS;
	ck_assert_int_eq(judge(TIMING_SCENE_EXITS, &seen, "leaves out"), TIMING_WRONG);
	seen.system = 10 * MS;
	ck_assert_int_eq(judge(TIMING_SCENE_EXITS, &seen, "system time"), TIMING_WRONG);
}
END_TEST

START_TEST(test_waiting_that_is_no_run_delay_is_wrong)
{
	struct timing_seen half = {
		.wall = 1000 * MS,
		.run = 999 * MS,
		.user = 500 * MS,
		.guest = 490 * MS,
		.cpu = 500 * MS,
		.delay = 498 * MS,
	};
	struct timing_seen seen[TIMING_VCPUS] = { half, half };

	ck_assert_int_eq(judge(TIMING_SCENE_SHARED, seen, "run delay"), TIMING_RIGHT);
	ck_assert_int_eq(judge(TIMING_SCENE_SHARED, seen, "leaves out"), TIMING_RIGHT);
	seen[0].cpu = 990 * MS;
	seen[0].delay = 8 * MS;
	ck_assert_int_eq(judge(TIMING_SCENE_SHARED, seen, "run delay"), TIMING_WRONG);
	seen[0] = half;
	seen[0].delay = 300 * MS;
	ck_assert_int_eq(judge(TIMING_SCENE_SHARED, seen, "run delay"), TIMING_WRONG);
	seen[0].guest = 990 * MS;
	ck_assert_int_eq(judge(TIMING_SCENE_SHARED, seen, "leaves out"), TIMING_WRONG);
}
END_TEST

CHECK_MAIN("timing_rules", test_a_spin_that_is_not_guest_time_is_wrong,
	   test_a_host_too_busy_to_say_is_told, test_time_that_is_lost_or_made_up_is_wrong,
	   test_a_halt_that_costs_time_or_is_not_counted_is_wrong,
	   test_exits_that_are_guest_time_are_wrong, test_waiting_that_is_no_run_delay_is_wrong)
