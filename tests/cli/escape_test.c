/* SPDX-License-Identifier: Apache-2.0 */
/* The escape key. */
#include "cli/escape.h"

#include <string.h>

#include "check_main.h"

static struct escape escape;
static char kept[64];
static size_t at;

static enum escape_action filter(const char *in)
{
	enum escape_action action;
	size_t len;

	action = escape_filter(&escape, in, strlen(in), &at, kept, &len);
	kept[len] = '\0';
	return action;
}

static enum escape_action filter_anew(const char *in)
{
	at = 0;
	return filter(in);
}

START_TEST(test_other_keys_are_the_guests)
{
	ck_assert_int_eq(filter_anew("hello q p ?\003\032\r"), ESCAPE_NONE);
	ck_assert_str_eq(kept, "hello q p ?\003\032\r");
}
END_TEST

START_TEST(test_an_action_ends_where_it_was_typed)
{
	ck_assert_int_eq(filter_anew("ab\035qcd"), ESCAPE_QUIT);
	ck_assert_str_eq(kept, "ab");
	ck_assert_uint_eq(at, 4);
	ck_assert_int_eq(filter("ab\035qcd"), ESCAPE_NONE);
	ck_assert_str_eq(kept, "cd");
}
END_TEST

START_TEST(test_the_key_may_come_alone_before_its_action)
{
	ck_assert_int_eq(filter_anew("\035"), ESCAPE_NONE);
	ck_assert_str_eq(kept, "");
	ck_assert_int_eq(filter_anew("p"), ESCAPE_POWER);
	ck_assert_int_eq(filter_anew("p"), ESCAPE_NONE);
	ck_assert_str_eq(kept, "p");
}
END_TEST

START_TEST(test_the_key_twice_is_sent_once)
{
	ck_assert_int_eq(filter_anew("\035\035q"), ESCAPE_NONE);
	ck_assert_str_eq(kept, "\035q");
}
END_TEST

START_TEST(test_an_unknown_action_is_swallowed)
{
	ck_assert_int_eq(filter_anew("a\035zb"), ESCAPE_NONE);
	ck_assert_str_eq(kept, "ab");
	ck_assert_int_eq(filter_anew("\035?"), ESCAPE_HELP);
}
END_TEST

CHECK_MAIN("cli/escape", test_other_keys_are_the_guests, test_an_action_ends_where_it_was_typed,
	   test_the_key_may_come_alone_before_its_action, test_the_key_twice_is_sent_once,
	   test_an_unknown_action_is_swallowed)
