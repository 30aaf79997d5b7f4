/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a command that is to be started. */
#ifndef SMOKE_WORDS_H
#define SMOKE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed: none, and all is NULL; else all ends with NULL. */
struct smoke_words {
	char **all;
	size_t count;
	bool failed; /* memory ran out: some are missing */
};

void smoke_words_add(struct smoke_words *words, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void smoke_words_add_all(struct smoke_words *words, const struct smoke_words *others);
/* -ENOMEM: some are missing. */
int smoke_words_check(const struct smoke_words *words);
bool smoke_words_are_equal(const struct smoke_words *a, const struct smoke_words *b);
void smoke_words_finish(struct smoke_words *words);

#endif
