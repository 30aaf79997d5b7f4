/* SPDX-License-Identifier: Apache-2.0 */
/* The SVG: it says what was recorded, inside its frame, and repeats no foreign markup. */
#include "cli/stat_plot.h"

#include <errno.h>
#include <ferry/error.h>
#include <string.h>
#include <unistd.h>

#include "cli/stat_fixture.h"

static char text[1 << 20];

static void plot(struct json_object *const *intervals, size_t count)
{
	FILE *out = fmemopen(text, sizeof(text), "w");

	ck_assert_ptr_nonnull(out);
	stat_plot_write(out, intervals, count);
	fclose(out);
}

static unsigned count_of(const char *what)
{
	unsigned count = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		count++;
	return count;
}

START_TEST(test_it_has_axes_legends_and_every_line)
{
	struct json_object *one = stat_made_up();

	plot(&one, 1);
	ck_assert_int_eq(strncmp(text, "<svg xmlns=\"http://www.w3.org/2000/svg\"", 38), 0);
	ck_assert_str_eq(text + strlen(text) - 7, "</svg>\n");
	ck_assert_uint_eq(count_of("<polygon"), 5);
	ck_assert_uint_eq(count_of("<polyline"), 2);
	ck_assert_uint_eq(count_of("<text"), count_of("</text>"));
	ck_assert_uint_eq(count_of(">guest</text>"), 1);
	ck_assert_uint_eq(count_of(">io</text>"), 1);
	ck_assert_uint_eq(count_of(">seconds</text>"), 1);
	ck_assert_uint_eq(count_of(">100</text>"), 1);
	ck_assert_uint_eq(count_of(">web1: 2 vCPUs, 1.0 s</text>"), 1);
	json_object_put(one);
}
END_TEST

/* Means of 20.6, 7.4, 10, 20 and 42 percent of one vCPU of two: the stack reaches half of the
 * chart.
 */
START_TEST(test_shares_are_stacked_to_scale)
{
	struct json_object *one = stat_made_up();

	plot(&one, 1);
	ck_assert_ptr_nonnull(strstr(
		text,
		"points=\"70.0,266.3 780.0,266.3 780.0,290.0 70.0,290.0 \" fill=\"#0072b2\""));
	ck_assert_ptr_nonnull(strstr(
		text,
		"points=\"70.0,175.0 780.0,175.0 780.0,223.3 70.0,223.3 \" fill=\"#dddddd\""));
	json_object_put(one);
}
END_TEST

START_TEST(test_foreign_text_is_no_markup)
{
	struct json_object *one = stat_made_up();

	json_object_object_add(one, "name", json_object_new_string("<a>&\n"));
	plot(&one, 1);
	ck_assert_uint_eq(count_of("&lt;a>&amp;:"), 1);
	ck_assert_uint_eq(count_of("<a>"), 0);
	json_object_put(one);
}
END_TEST

static int plot_text(const char *record)
{
	char from[] = "/tmp/stat-XXXXXX", to[64];
	int fd = mkstemp(from), err;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, record, strlen(record)), (ssize_t)strlen(record));
	close(fd);
	snprintf(to, sizeof(to), "%s.svg", from);
	err = stat_plot_file(from, to);
	ck_assert_int_eq(access(to, F_OK), err ? -1 : 0);
	unlink(from);
	unlink(to);
	return err;
}

START_TEST(test_what_is_no_record_is_refused)
{
	ck_assert_int_eq(plot_text(""), -EINVAL);
	ck_assert_int_eq(plot_text("hello\n"), -EINVAL);
	ck_assert_int_eq(plot_text("[1]\n"), -EINVAL);
	ck_assert_int_eq(plot_text("{\"cpus\":[1],\"time_ns\":1,\"interval_ns\":1}\n"), -EINVAL);
	ck_assert_int_eq(plot_text("{\"cpus\":[{}],\"time_ns\":1,\"interval_ns\":1}\n"), 0);
	ck_assert_int_eq(plot_text("{\"cpus\":[{\"exits\":3}],\"time_ns\":1,\"interval_ns\":0}\n"),
			 0);
	ck_assert_int_eq(stat_plot_file("/nowhere", "/nowhere.svg"), -ENOENT);
}
END_TEST

CHECK_MAIN("stat_plot", test_it_has_axes_legends_and_every_line, test_shares_are_stacked_to_scale,
	   test_foreign_text_is_no_markup, test_what_is_no_record_is_refused)
