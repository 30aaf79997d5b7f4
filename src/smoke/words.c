/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of words. */
#include "smoke/words.h"

#include <ferry/error.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void smoke_words_add(struct smoke_words *words, const char *fmt, ...)
{
	char **grown = realloc(words->all, (words->count + 2) * sizeof(*grown));
	va_list args;
	int len;

	if (!grown) {
		words->failed = true;
		return;
	}
	words->all = grown;
	va_start(args, fmt);
	len = vasprintf(&grown[words->count], fmt, args);
	va_end(args);
	if (len < 0)
		words->failed = true;
	else
		words->count++;
	grown[words->count] = NULL;
}

void smoke_words_add_all(struct smoke_words *words, const struct smoke_words *others)
{
	for (size_t i = 0; i < others->count; i++)
		smoke_words_add(words, "%s", others->all[i]);
	words->failed = words->failed || others->failed;
}

int smoke_words_check(const struct smoke_words *words)
{
	return words->failed ? because(-ENOMEM, "out of memory") : 0;
}

bool smoke_words_are_equal(const struct smoke_words *a, const struct smoke_words *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->all[i], b->all[i]) != 0)
			return false;
	}
	return true;
}

void smoke_words_finish(struct smoke_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->all[i]);
	free(words->all);
	*words = (struct smoke_words){ 0 };
}
