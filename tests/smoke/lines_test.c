/* SPDX-License-Identifier: Apache-2.0 */
/* Lines are the same however their bytes come. */
#include "smoke/lines.h"

#include <string.h>

#include "base/util.h"
#include "check_main.h"

static char seen[65536];
static struct smoke_lines lines;

static void take(void *self, uint64_t began, const char *line)
{
	(void)self;
	(void)began;
	strcat(seen, line);
	strcat(seen, "|");
}

/* text in chunks of that size, and its end. */
static const char *split(const char *text, size_t len, size_t chunk)
{
	seen[0] = '\0';
	lines = (struct smoke_lines){ .complete = take };
	for (size_t at = 0; at < len; at += chunk)
		smoke_lines_put(&lines, 0, text + at, len - at < chunk ? len - at : chunk);
	smoke_lines_end(&lines);
	return seen;
}

START_TEST(test_chunks_make_no_difference)
{
	static const char text[] = "one\r\ntwo\n\n\033[0;32mgreen\033[0m\n\033]0;title\athree\0!\rfour";

	for (size_t chunk = 1; chunk < sizeof(text); chunk++)
		ck_assert_str_eq(split(text, sizeof(text) - 1, chunk),
				 "one|two||green|three!four|");
}
END_TEST

START_TEST(test_an_escape_that_does_not_end_swallows_no_line)
{
	ck_assert_str_eq(split("\033]0;title\nnext\n", 15, 3), "|next|");
	ck_assert_str_eq(split("\033[12\nnext\n", 10, 3), "|next|");
	ck_assert_str_eq(split("\033\nnext\n", 7, 7), "|next|");
}
END_TEST

START_TEST(test_a_line_without_end_is_cut)
{
	static char text[3 * SMOKE_LINE_MAX];

	memset(text, 'x', sizeof(text));
	split(text, sizeof(text), 1000);
	ck_assert_uint_eq(strlen(seen), sizeof(text) + 4);
}
END_TEST

START_TEST(test_the_rest_is_what_has_no_end_yet)
{
	split("", 0, 1);
	smoke_lines_put(&lines, 0, "a\nlogin: ", 9);
	ck_assert_str_eq(smoke_lines_rest(&lines), "login: ");
	smoke_lines_put(&lines, 0, "\n", 1);
	ck_assert_str_eq(smoke_lines_rest(&lines), "");
}
END_TEST

CHECK_MAIN("smoke/lines", test_chunks_make_no_difference,
	   test_an_escape_that_does_not_end_swallows_no_line, test_a_line_without_end_is_cut,
	   test_the_rest_is_what_has_no_end_yet)
