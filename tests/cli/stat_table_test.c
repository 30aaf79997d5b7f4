/* SPDX-License-Identifier: Apache-2.0 */
/* The table of `ferry stat` on pages of all sizes. */
#include "cli/stat_table.h"

#include <string.h>

#include "cli/stat_fixture.h"

static char text[65536];

static void write_table(struct json_object *interval, unsigned columns, unsigned rows)
{
	const struct stat_page page = { columns, rows, "\n" };
	FILE *out = fmemopen(text, sizeof(text), "w");

	ck_assert_ptr_nonnull(out);
	stat_table_write(out, interval, &page);
	fclose(out);
}

START_TEST(test_shares_and_exits_stand_in_their_columns)
{
	struct json_object *interval = stat_made_up();

	write_table(interval, 500, 0);
	ck_assert_ptr_nonnull(strstr(text, "web1: 2 vCPUs, 1.00 s"));
	ck_assert_ptr_nonnull(strstr(
		text,
		"VCPU  GUEST  FERRY   HALT  STEAL   SUSP   USER    SYS   EXITS/S  BY REASON\n"));
	ck_assert_ptr_nonnull(strstr(text, "   0   20.6    7.4   42.0   10.0   20.0   20.0   10.0  "
					   "    1500  io 1000 mmio 500\n"));
	ck_assert_ptr_nonnull(
		strstr(text, "   1      -      -      -      -      -      -      -         0 \n"));
	ck_assert_ptr_nonnull(strstr(text, "\n all   10.3    3.7"));
	ck_assert_ptr_nonnull(strstr(text, "exits                             2000"));
	json_object_put(interval);
}
END_TEST

START_TEST(test_no_line_is_wider_and_no_page_longer_than_the_terminal)
{
	struct json_object *interval = stat_made_up();
	struct json_object *cpus = json_object_object_get(interval, "cpus");

	for (int i = 0; i < 98; i++)
		json_object_array_add(cpus, json_object_get(stat_cpu(interval, 0)));
	for (unsigned columns = 1; columns < 120; columns++) {
		unsigned rows = 8 + columns % 60, lines = 0;

		write_table(interval, columns, rows);
		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++)
			ck_assert_uint_le(strlen(line), columns);
		ck_assert_uint_lt(lines, rows);
	}
	json_object_put(interval);
}
END_TEST

CHECK_MAIN("stat_table", test_shares_and_exits_stand_in_their_columns,
	   test_no_line_is_wider_and_no_page_longer_than_the_terminal)
