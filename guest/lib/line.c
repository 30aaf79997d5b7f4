/* SPDX-License-Identifier: Apache-2.0 */
/* A line of output that a program puts together at once and sends off bit by bit. */
#include "lib/line.h"

void line_add(struct line *line, const char *text)
{
	while (*text && line->length < sizeof(line->text))
		line->text[line->length++] = *text++;
}

static void add_number(struct line *line, uint64_t v, uint64_t base)
{
	char text[21];
	char *at = &text[20];

	*at = '\0';
	do {
		*--at = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	line_add(line, at);
}

void line_add_dec(struct line *line, const char *name, uint64_t v)
{
	line_add(line, name);
	add_number(line, v, 10);
}

void line_add_hex(struct line *line, const char *name, uint64_t v)
{
	line_add(line, name);
	line_add(line, "0x");
	add_number(line, v, 16);
}

char line_next(struct line *line)
{
	if (line->sent < line->length)
		return line->text[line->sent++];
	line->sent = line->length = 0;
	return '\0';
}
