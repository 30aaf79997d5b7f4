/* SPDX-License-Identifier: Apache-2.0 */
/* TAP, KTAP and kselftest's output as subtests. */
#include "smoke/ktap.h"

#include <string.h>

#include "check_main.h"

static struct smoke_ktap ktap;
static char seen[4096];

/* "name=result " for each subtest of a text. */
static const char *read_all(const char *text)
{
	char copy[4096];

	smoke_ktap_finish(&ktap);
	strcpy(copy, text);
	for (char *line = copy, *end; *line; line = end) {
		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		smoke_ktap_read(&ktap, line);
	}
	seen[0] = '\0';
	for (size_t i = 0; i < ktap.count; i++) {
		strcat(seen, ktap.subtests[i].name);
		strcat(seen, "=");
		strcat(seen, smoke_subtest_name(ktap.subtests[i].result));
		strcat(seen, ",");
	}
	return seen;
}

START_TEST(test_nested_results_have_their_suite_s_name)
{
	ck_assert_str_eq(read_all("KTAP version 1\n1..2\n    KTAP version 1\n    1..2\n"
				  "        KTAP version 1\n        1..1\n        ok 1 deep\n"
				  "    ok 1 mid\n    not ok 2 other\nnot ok 1 top\nok 2 - plain\n"),
			 "top.mid.deep=ok,top.other=not ok,plain=ok,");
	ck_assert(!smoke_ktap_is_short(&ktap));
}
END_TEST

START_TEST(test_printk_s_times_are_no_part_of_it)
{
	ck_assert_str_eq(read_all("[    0.1] KTAP version 1\n[    0.1] 1..1\n"
				  "[    0.2][    T1]     ok 1 a\n[    0.2][   T12] ok 1 s\n"),
			 "s.a=ok,");
	ck_assert_str_eq(read_all("[    0.1] KTAP version 1\n[    0.1] 1..1\n"
				  "[    0.2]     ok 1 a\n[    0.2] ok 1 s\n"),
			 "s.a=ok,");
}
END_TEST

START_TEST(test_kselftest_s_marks_are_nesting)
{
	ck_assert_str_eq(read_all("TAP version 13\n1..1\n# selftests: timers: nanosleep\n"
				  "# TAP version 13\n# 1..2\n# ok 1 clock # SKIP none\n"
				  "# not ok 2 tai # TIMEOUT 45 seconds\n"
				  "not ok 1 selftests: timers: nanosleep # exit=1\n"),
			 "selftests: timers: nanosleep.clock=skip,"
			 "selftests: timers: nanosleep.tai=not ok,");
}
END_TEST

START_TEST(test_directives_decide)
{
	ck_assert_str_eq(read_all("TAP version 14\nok 1 a # skip: no\nnot ok 2 b # TODO later\n"
				  "not ok 3 c # XFAIL known\nok 4 d # TODO works\nok 5\n"),
			 "a=skip,b=todo,c=todo,d=ok,5=ok,");
	ck_assert_str_eq(ktap.subtests[1].detail, "later");
	ck_assert_ptr_null(smoke_ktap_failed(&ktap));
}
END_TEST

START_TEST(test_text_without_a_version_is_none)
{
	ck_assert_str_eq(read_all("ok 1 a\nnot ok 2 b\n1..2\n"), "");
	ck_assert_str_eq(read_all("TAP version 13\nokay 1\nnot okay\nnothing\n"), "");
}
END_TEST

START_TEST(test_a_suite_that_fails_by_itself_is_a_failure)
{
	ck_assert_str_eq(read_all("TAP version 13\n    ok 1 a\nnot ok 1 s # crashed\n"),
			 "s.a=ok,s=not ok,");
}
END_TEST

START_TEST(test_a_plan_that_is_not_kept_is_short)
{
	read_all("TAP version 13\n1..3\nok 1 a\n# ok 2 b\n");
	ck_assert(smoke_ktap_is_short(&ktap));
}
END_TEST

CHECK_MAIN("smoke/ktap", test_nested_results_have_their_suite_s_name,
	   test_printk_s_times_are_no_part_of_it, test_kselftest_s_marks_are_nesting,
	   test_directives_decide, test_text_without_a_version_is_none,
	   test_a_suite_that_fails_by_itself_is_a_failure, test_a_plan_that_is_not_kept_is_short)
