/* SPDX-License-Identifier: Apache-2.0 */
/* Makes lines of the chunks in which a console's output comes. */
#ifndef SMOKE_LINES_H
#define SMOKE_LINES_H

#include <stddef.h>
#include <stdint.h>

#define SMOKE_LINE_MAX 8192 /* a longer line is taken for several */

/*
 * A line is what stands between two newlines, without carriage returns, NULs and the terminal's
 * escape sequences: it is the same however the output was cut into chunks.
 */
struct smoke_lines {
	char line[SMOKE_LINE_MAX];
	size_t len;
	uint64_t began; /* when the line's first byte came */
	int escape;	/* 0, or how far into an escape sequence */
	void (*complete)(void *self, uint64_t began, const char *line);
	void *self;
};

/* Calls complete() for every line that ends in buf. */
void smoke_lines_put(struct smoke_lines *lines, uint64_t now, const char *buf, size_t len);
/* Nothing more will come: what there is of a line is one. */
void smoke_lines_end(struct smoke_lines *lines);
/* What there is of the line that has not ended: "" for none. */
const char *smoke_lines_rest(struct smoke_lines *lines);

#endif
