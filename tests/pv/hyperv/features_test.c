/* SPDX-License-Identifier: Apache-2.0 */
/* Names of features, what they need, and what becomes of them in CPUID. */
#include "pv/hyperv/features.h"

#include <errno.h>
#include <ferry/error.h>
#include <string.h>

#include "check_main.h"

static uint32_t set, spinlocks;
static char added[256];

static int parse(const char *text)
{
	error_clear();
	return hyperv_features_parse(text, &set, &spinlocks, added, sizeof(added));
}

static const char *names(void)
{
	static char text[256];

	hyperv_features_names(set, spinlocks, text, sizeof(text));
	return text;
}

START_TEST(test_what_is_needed_comes_along_and_is_said)
{
	ck_assert_int_eq(parse("ipi"), 0);
	ck_assert_str_eq(names(), "vpindex,ipi");
	ck_assert_str_eq(added, "vpindex");
	ck_assert_int_eq(parse("stimer-direct"), 0);
	ck_assert_str_eq(names(), "vpindex,time,synic,stimer,stimer-direct");
	ck_assert_str_eq(added, "vpindex,time,synic,stimer");
	ck_assert_int_eq(parse("time,relaxed"), 0);
	ck_assert_str_eq(added, "");
}
END_TEST

START_TEST(test_nothing_named_is_the_default)
{
	uint32_t by_default;

	ck_assert_int_eq(parse(""), 0);
	by_default = set;
	ck_assert_int_eq(parse("default"), 0);
	ck_assert_uint_eq(set, by_default);
	ck_assert_int_eq(hyperv_features_check_portable(set), 0);
	ck_assert_int_eq(parse("default,spinlocks=0x1fff"), 0);
	ck_assert_uint_eq(spinlocks, 0x1fff);
	ck_assert_ptr_nonnull(strstr(names(), "spinlocks=8191"));
	ck_assert_int_eq(parse(names()), 0);
	ck_assert_uint_eq(spinlocks, 0x1fff);
}
END_TEST

START_TEST(test_what_is_no_feature_is_refused_with_the_reason)
{
	static const struct {
		const char *text, *reason;
	} wrong[] = {
		{ "evmcs", "hypervisors" }, { "x", "\"x\"" }, { "relaxed,,time", "\"\"" },
		{ "spinlocks", "4095" }, { "spinlocks=", "4095" }, { "spinlocks=12", "4095" },
		{ "spinlocks=5000x", "4095" }, { "time=1", "takes no value" },
		{ "default=1", "\"default\"" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_int_eq(parse(wrong[i].text), -EINVAL);
		ck_assert_msg(strstr(error_text(-EINVAL), wrong[i].reason) != NULL, "%s: %s",
			      wrong[i].text, error_text(-EINVAL));
	}
}
END_TEST

START_TEST(test_the_portable_engine_says_what_it_has_not)
{
	ck_assert_int_eq(parse("vapic"), 0);
	ck_assert_int_eq(hyperv_features_check_portable(set), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(-EINVAL), "vapic"));
}
END_TEST

/* Linux wants these two bits; and it uses what it is advised to, and nothing else. */
START_TEST(test_leaves_have_the_bits_of_what_was_asked_for)
{
	struct hyperv_promise promise;

	ck_assert_int_eq(parse("tlbflush"), 0);
	promise = hyperv_features_promise(set, spinlocks);
	ck_assert_uint_eq(promise.features.eax, HV_FEATURE_A_HYPERCALL | HV_FEATURE_A_VP_INDEX);
	ck_assert_uint_eq(promise.features.edx, 0);
	ck_assert_uint_eq(promise.hints.eax, HV_HINT_A_REMOTE_FLUSH | HV_HINT_A_EX_MASKS);
	ck_assert_uint_eq(promise.hints.ebx, HV_HINT_B_NEVER_NOTIFY);
	ck_assert_int_eq(parse("relaxed,spinlocks=4096"), 0);
	promise = hyperv_features_promise(set, spinlocks);
	ck_assert_uint_eq(promise.hints.eax, HV_HINT_A_RELAXED);
	ck_assert_uint_eq(promise.hints.ebx, 4096);
}
END_TEST

CHECK_MAIN("features", test_what_is_needed_comes_along_and_is_said,
	   test_nothing_named_is_the_default, test_what_is_no_feature_is_refused_with_the_reason,
	   test_the_portable_engine_says_what_it_has_not,
	   test_leaves_have_the_bits_of_what_was_asked_for)
