/* SPDX-License-Identifier: Apache-2.0 */
/* Draws recorded intervals (cli/stat_interval.h) as SVG. */
#ifndef CLI_STAT_PLOT_H
#define CLI_STAT_PLOT_H

#include <stddef.h>
#include <stdio.h>

struct json_object;

/*
 * Reads the lines of record and writes the SVG. -EINVAL: a line is not an interval, or there is
 * none; and what open(2) and write(2) say, with a text that names the file.
 */
int stat_plot_file(const char *record, const char *svg);

/* Of at least one interval. */
void stat_plot_write(FILE *out, struct json_object *const *intervals, size_t count);

#endif
