/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows: what reports are written into. */
#ifndef SMOKE_TEXT_H
#define SMOKE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed: empty. data ends with a NUL unless it is NULL (empty). */
struct text {
	char *data;
	size_t len, size;
	bool failed; /* memory ran out: what was added since is missing */
};

void text_add(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_add_bytes(struct text *text, const char *bytes, size_t len);
void text_clear(struct text *text);
void text_finish(struct text *text);

/* How many bytes at s are one character of well-formed UTF-8; 0: none. */
size_t text_utf8(const char *s);

#endif
