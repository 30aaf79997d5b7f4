/* SPDX-License-Identifier: Apache-2.0 */
/* The tiny guests of the timing check, on the host's own KVM. */
#include "machine/timing.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <ferry/error.h>

#include "check_main.h"
#include "need_kvm.h"

START_TEST(test_each_rule_holds_where_the_kernel_runs_the_guest)
{
	bool interprets = access("/sys/module/kvm_pvm", F_OK) == 0;
	struct timing timing = { 0 };
	int r = timing_read(1000000000, &timing);

	ck_assert_msg(r == 0, "%s", error_text(r));
	ck_assert_uint_eq(timing.count, 15);
	for (size_t i = 0; i < timing.count; i++) {
		const struct timing_rule *rule = &timing.rules[i];
		bool is_interpreted = strcmp(rule->guest, "spin in kernel mode") == 0 &&
				      strncmp(rule->rule, "guest time is the", 17) == 0;

		printf("%s: %s: %s\n", rule->guest, rule->rule, rule->numbers);
		if (interprets && is_interpreted)
			ck_assert_int_ne(rule->verdict, TIMING_RIGHT);
		else
			ck_assert_msg(rule->verdict != TIMING_WRONG, "%s: %s: %s", rule->guest,
				      rule->rule, rule->numbers);
	}
	timing_finish(&timing);
}
END_TEST

CHECK_MAIN("timing", test_each_rule_holds_where_the_kernel_runs_the_guest)
