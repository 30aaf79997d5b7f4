/* SPDX-License-Identifier: Apache-2.0 */
/* From chunks to lines. */
#include "smoke/lines.h"

enum {
	NO_ESCAPE,
	ESCAPE,	 /* ESC was seen */
	CONTROL, /* ESC [ */
	STRING,	 /* ESC ] : to BEL, or to ESC \ */
	STRING_ESCAPE,
};

/* ECMA-48 5.4, and xterm's operating system commands. Whether c belongs to a sequence. */
static int in_escape(struct smoke_lines *lines, unsigned char c)
{
	switch (lines->escape) {
	case NO_ESCAPE:
		lines->escape = c == 0x1b ? ESCAPE : NO_ESCAPE;
		return lines->escape;
	case ESCAPE:
		lines->escape = c == '[' ? CONTROL : c == ']' ? STRING : NO_ESCAPE;
		return c != '\n';
	case CONTROL:
		if (c >= 0x20 && c < 0x40)
			return 1;
		lines->escape = NO_ESCAPE;
		return c >= 0x40;
	case STRING:
		lines->escape = c == 0x1b ? STRING_ESCAPE : c == '\a' || c == '\n' ? NO_ESCAPE : STRING;
		return c != '\n';
	default:
		lines->escape = NO_ESCAPE;
		return c == '\\';
	}
}

void smoke_lines_end(struct smoke_lines *lines)
{
	if (!lines->len)
		return;
	lines->line[lines->len] = '\0';
	lines->len = 0;
	lines->complete(lines->self, lines->began, lines->line);
}

static void put(struct smoke_lines *lines, uint64_t now, char c)
{
	if (!lines->len)
		lines->began = now;
	if (c == '\n') {
		lines->line[lines->len] = '\0';
		lines->len = 0;
		lines->complete(lines->self, lines->began, lines->line);
		return;
	}
	lines->line[lines->len++] = c;
	if (lines->len == sizeof(lines->line) - 1)
		smoke_lines_end(lines);
}

void smoke_lines_put(struct smoke_lines *lines, uint64_t now, const char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!in_escape(lines, (unsigned char)buf[i]) && buf[i] != '\r' && buf[i] != '\0')
			put(lines, now, buf[i]);
	}
}

const char *smoke_lines_rest(struct smoke_lines *lines)
{
	lines->line[lines->len] = '\0';
	return lines->line;
}
