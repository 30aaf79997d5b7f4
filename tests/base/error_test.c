/* SPDX-License-Identifier: Apache-2.0 */
/* Error text: attached, prefixed, cut, forgotten. */
#include <ferry/error.h>

#include <errno.h>
#include <string.h>

#include "check_main.h"

START_TEST(test_because_keeps_errno_and_text)
{
	ck_assert_int_eq(because(-EINVAL, "vector %#x", 0x1f), -EINVAL);
	ck_assert_str_eq(error_text(-EINVAL), "vector 0x1f");
}
END_TEST

START_TEST(test_prefix_is_put_in_front)
{
	because(-EIO, "short read");
	ck_assert_int_eq(because_of(-EIO, "disk %s", "a.img"), -EIO);
	ck_assert_str_eq(error_text(-EIO), "disk a.img: short read");
}
END_TEST

START_TEST(test_prefix_of_nothing_uses_strerror)
{
	error_clear();
	because_of(-ENOENT, "kernel");
	ck_assert_str_eq(error_text(-ENOENT), "kernel: No such file or directory");
}
END_TEST

START_TEST(test_text_can_be_built_from_itself)
{
	because(-EIO, "inner");
	because(-EIO, "outer(%s)", error_text(-EIO));
	ck_assert_str_eq(error_text(-EIO), "outer(inner)");
}
END_TEST

START_TEST(test_long_text_is_cut)
{
	char big[3 * ERROR_TEXT_MAX];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	because(-EIO, "%s", big);
	ck_assert_uint_eq(strlen(error_text(-EIO)), ERROR_TEXT_MAX - 1);
	because_of(-EIO, "%s", big);
	ck_assert_uint_eq(strlen(error_text(-EIO)), ERROR_TEXT_MAX - 1);
}
END_TEST

CHECK_MAIN("error", test_because_keeps_errno_and_text, test_prefix_is_put_in_front,
	   test_prefix_of_nothing_uses_strerror, test_text_can_be_built_from_itself,
	   test_long_text_is_cut)
