/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of two answers of the method stat. */
#include "cli/stat_interval.h"

#include <stdio.h>

#include "cli/stat_fixture.h"

static const char *const shares[] = { "guest", "ferry", "halted", "steal", "suspended" };

START_TEST(test_time_is_shared_out_by_what_each_witness_knows)
{
	struct json_object *interval = stat_made_up(), *cpu = stat_cpu(interval, 0);

	ck_assert_double_eq_tol(stat_number(cpu, "ferry"), 7.37, 0.01);
	ck_assert_double_eq_tol(stat_number(cpu, "suspended"), 20, 0.01);
	ck_assert_double_eq_tol(stat_number(cpu, "steal"), 10, 0.01);
	ck_assert_double_eq_tol(stat_number(cpu, "halted"), 42, 0.01);
	ck_assert_double_eq_tol(stat_number(cpu, "guest"), 20.63, 0.01);
	ck_assert_double_eq_tol(stat_number(cpu, "user"), 20, 0.01);
	ck_assert_double_eq_tol(stat_number(cpu, "system"), 10, 0.01);
	ck_assert_double_eq_tol(stat_number(cpu, "guest_time"), 15, 0.01);
	json_object_put(interval);
}
END_TEST

/* Counters of different clocks never agree to the last bit: shares are of the whole all the same.
 */
START_TEST(test_shares_are_together_one_hundred)
{
	static const int64_t cpu_ns[] = { 0, 900000000, 5000000000 };

	for (size_t i = 0; i < 3; i++) {
		struct json_object *before = stat_parse(STAT_BEFORE),
				   *after = stat_parse(STAT_AFTER);
		struct json_object *cpu = stat_cpu(after, 0), *interval;
		double sum = 0;

		json_object_object_add(cpu, "cpu_ns", json_object_new_int64(cpu_ns[i]));
		interval = stat_interval(before, after);
		for (size_t s = 0; s < 5; s++) {
			double share = stat_number(stat_cpu(interval, 0), shares[s]);

			ck_assert_double_ge(share, 0);
			sum += share;
		}
		ck_assert_double_eq_tol(sum, 100, 0.03);
		json_object_put(before);
		json_object_put(after);
		json_object_put(interval);
	}
}
END_TEST

START_TEST(test_counters_become_rates)
{
	struct json_object *interval = stat_made_up(), *cpu = stat_cpu(interval, 0);

	ck_assert_double_eq_tol(stat_number(json_object_object_get(cpu, "exits"), "io"), 1000, 0.1);
	ck_assert_double_eq_tol(stat_number(json_object_object_get(cpu, "exits"), "mmio"), 500,
				0.1);
	ck_assert_double_eq_tol(stat_number(json_object_object_get(cpu, "kvm"), "exits"), 2000,
				0.1);
	ck_assert_double_eq_tol(stat_number(json_object_object_get(interval, "kvm"), "flushes"), 5,
				0.1);
	ck_assert_int_eq((int)stat_number(json_object_object_get(cpu, "kvm_now"), "nx"), 1);
	json_object_put(interval);
}
END_TEST

START_TEST(test_a_vcpu_without_a_thread_has_no_shares)
{
	struct json_object *interval = stat_made_up();

	ck_assert(!json_object_object_get_ex(stat_cpu(interval, 1), "guest", NULL));
	json_object_put(interval);
}
END_TEST

START_TEST(test_what_is_no_answer_is_refused)
{
	static const char *const wrong[] = { "{}", "{\"cpus\":[],\"time_ns\":5000000000}",
					     "{\"cpus\":3,\"time_ns\":6000000000}",
					     "{\"cpus\":[],\"time_ns\":6000000000}" };
	struct json_object *before = stat_parse(STAT_BEFORE);

	for (size_t i = 0; i < 4; i++) {
		struct json_object *after = stat_parse(wrong[i]);

		ck_assert_ptr_null(stat_interval(before, after));
		json_object_put(after);
	}
	json_object_put(before);
}
END_TEST

CHECK_MAIN("stat_interval", test_time_is_shared_out_by_what_each_witness_knows,
	   test_shares_are_together_one_hundred, test_counters_become_rates,
	   test_a_vcpu_without_a_thread_has_no_shares, test_what_is_no_answer_is_refused)
