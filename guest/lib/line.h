/* SPDX-License-Identifier: Apache-2.0 */
/* A line of output that a program puts together at once and sends off bit by bit. */
#ifndef GUEST_LIB_LINE_H
#define GUEST_LIB_LINE_H

#include <stdint.h>

struct line {
	char text[512];
	uint32_t length, sent;
};

/* What does not fit is left out. */
void line_add(struct line *line, const char *text);
/* NAME, which may end in =, and V in decimal or with 0x in hexadecimal. */
void line_add_dec(struct line *line, const char *name, uint64_t v);
void line_add_hex(struct line *line, const char *name, uint64_t v);
/* The next character to send; 0: all of it was, and a new one may begin. */
char line_next(struct line *line);

#endif
