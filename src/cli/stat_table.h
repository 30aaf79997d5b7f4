/* SPDX-License-Identifier: Apache-2.0 */
/* An interval (cli/stat_interval.h) as a table. */
#ifndef CLI_STAT_TABLE_H
#define CLI_STAT_TABLE_H

#include <stdio.h>

struct json_object;

struct stat_page {
	unsigned columns, rows; /* at most; 0 rows: as many as it takes */
	const char *line_end;	/* "\n", or what a raw terminal needs */
};

/* Writes it, line by line. */
void stat_table_write(FILE *out, struct json_object *interval, const struct stat_page *page);

#endif
