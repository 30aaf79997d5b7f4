/* SPDX-License-Identifier: Apache-2.0 */
/* Progress as people read it. */
#include "cli/progress.h"

#include <json-c/json.h>
#include <string.h>

#include "base/util.h"
#include "check_main.h"

static const char *bytes(uint64_t count)
{
	static char text[32];

	progress_bytes(count, text, sizeof(text));
	return text;
}

static const char *took(double ms)
{
	static char text[32];

	progress_time(ms, text, sizeof(text));
	return text;
}

START_TEST(test_figures_have_two_or_three_digits)
{
	ck_assert_str_eq(bytes(0), "0 B");
	ck_assert_str_eq(bytes(999), "999 B");
	ck_assert_str_eq(bytes(1536), "1.5 KiB");
	ck_assert_str_eq(bytes(520 * MIB), "520 MiB");
	ck_assert_str_eq(bytes(1000 * MIB), "1.0 GiB");
	ck_assert_str_eq(bytes(12 * GIB), "12 GiB");
	ck_assert_str_eq(bytes(UINT64_MAX), "16777216 TiB");
	ck_assert_str_eq(took(0.04), "0.0 ms");
	ck_assert_str_eq(took(9.94), "9.9 ms");
	ck_assert_str_eq(took(12), "12 ms");
	ck_assert_str_eq(took(1234), "1.2 s");
}
END_TEST

static struct json_object *parse(const char *text)
{
	struct json_object *params = json_tokener_parse(text);

	ck_assert_ptr_ne(params, NULL);
	return params;
}

START_TEST(test_a_line_has_no_more_columns_than_the_terminal)
{
	struct json_object *params = parse(
		"{\"phase\":\"copying\",\"round\":12,\"total_bytes\":8589934592,"
		"\"remaining_bytes\":4294967296,\"throughput_bytes_per_s\":1073741824,"
		"\"dirty_bytes_per_s\":536870912,\"expected_downtime_ms\":312.5,"
		"\"throttle_percent\":40}");
	char text[512];

	for (unsigned columns = 1; columns < 300; columns++) {
		progress_text(params, columns, true, text, sizeof(text));
		ck_assert_uint_le(strlen(text), columns);
		ck_assert_int_eq(strncmp(text, "copying       50%", columns < 17 ? columns : 17), 0);
	}
	ck_assert_ptr_ne(strstr(text, "[############------------]"), NULL);
	progress_text(params, 300, false, text, sizeof(text));
	ck_assert_ptr_eq(strchr(text, '['), NULL);
	ck_assert_ptr_ne(strstr(text, "round 12"), NULL);
	ck_assert_ptr_ne(strstr(text, "1.0 GiB/s"), NULL);
	ck_assert_ptr_ne(strstr(text, "stop ~312 ms"), NULL);
	ck_assert_ptr_ne(strstr(text, "throttled 40%"), NULL);
	json_object_put(params);
}
END_TEST

START_TEST(test_before_the_first_round_there_is_nothing_to_count)
{
	struct json_object *params =
		parse("{\"phase\":\"checking\",\"round\":0,\"total_bytes\":4096}");
	char text[512];

	progress_text(params, 20, true, text, sizeof(text));
	ck_assert_str_eq(text, "checking       0%");
	json_object_put(params);
}
END_TEST

CHECK_MAIN("cli/progress", test_figures_have_two_or_three_digits,
	   test_a_line_has_no_more_columns_than_the_terminal,
	   test_before_the_first_round_there_is_nothing_to_count)
