/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the TOML reader share: a place in a text, and the two kinds of values without parts. */
#ifndef CLI_TOML_READER_H
#define CLI_TOML_READER_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

struct toml_reader {
	const char *text; /* well-formed UTF-8 without stray control characters, and a NUL behind it */
	size_t at;
	unsigned sections; /* headers and inline tables so far */
	/* The string or key that was read last, with a NUL behind it; as large as the text, which is never
	 * shorter than what it says. */
	char *scratch;
	size_t len;
};

/* -EINVAL: what is wrong at a place of the text. */
int toml_wrong(const struct toml_reader *reader, size_t at, const char *what);

/* From the first quote at reader->at to behind the last one, into scratch. A key has one line. */
int toml_read_string(struct toml_reader *reader, bool may_have_lines);

/* A number, a truth value, a date or a time; also where there is nothing such. -EINVAL, -ENOMEM. */
int toml_read_scalar(struct toml_reader *reader, struct json_object **ret_value);

#endif
