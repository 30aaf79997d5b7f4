/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest's console said: in a file with times, and the last lines in memory. */
#ifndef SMOKE_CONSOLE_H
#define SMOKE_CONSOLE_H

#include <stdint.h>

#include "smoke/text.h"

#define SMOKE_TAIL 40 /* lines */

/* Each line is "[seconds since the start] text"; a file that is full says so in its last line. */
#define SMOKE_CONSOLE_MAX (256ULL << 20)

struct smoke_console {
	int fd; /* -1: no file */
	uint64_t started, written;
	int error; /* -errno of the write that ended the file */
	char *tail[SMOKE_TAIL];
	unsigned lines; /* that came */
};

/* path NULL: no file. -errno of open(2), with a text. */
int smoke_console_init(struct smoke_console *console, const char *path, uint64_t now);
void smoke_console_finish(struct smoke_console *console);
void smoke_console_line(struct smoke_console *console, uint64_t at, const char *line);
void smoke_console_tail(const struct smoke_console *console, struct text *text);
/* The last line; "" before the first. */
const char *smoke_console_last(const struct smoke_console *console);

#endif
