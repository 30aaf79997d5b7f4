/* SPDX-License-Identifier: Apache-2.0 */
/* TOML's documents: headers, keys, and values that have parts. */
#include "cli/toml.h"

#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/config_text.h"
#include "cli/toml_table.h"
#include "smoke/text.h"

int toml_wrong(const struct toml_reader *reader, size_t at, const char *what)
{
	return config_text_wrong(reader->text, at, what);
}

static int out_of_memory(void)
{
	return because(-ENOMEM, "out of memory");
}

static char peek(const struct toml_reader *reader)
{
	return reader->text[reader->at];
}

static void skip_blanks(struct toml_reader *reader)
{
	reader->at += strspn(reader->text + reader->at, " \t");
}

static void skip_comment(struct toml_reader *reader)
{
	if (peek(reader) == '#')
		reader->at += strcspn(reader->text + reader->at, "\n");
}

/* Blanks, comments and ends of lines. */
static void skip_space(struct toml_reader *reader)
{
	size_t before;

	do {
		before = reader->at;
		reader->at += strspn(reader->text + before, " \t\r\n");
		skip_comment(reader);
	} while (reader->at != before);
}

static int end_line(struct toml_reader *reader)
{
	skip_blanks(reader);
	skip_comment(reader);
	if (peek(reader) == '\r')
		reader->at++;
	if (peek(reader) && peek(reader) != '\n')
		return toml_wrong(reader, reader->at, "the line should end here");
	reader->at += peek(reader) == '\n';
	return 0;
}

static int read_key(struct toml_reader *reader)
{
	static const char bare[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	const char *begin = reader->text + reader->at;
	int err;

	if (*begin == '"' || *begin == '\'') {
		err = toml_read_string(reader, false);
		if (!err && strlen(reader->scratch) != reader->len)
			err = toml_wrong(reader, (size_t)(begin - reader->text), "a key with a NUL character");
		return err;
	}
	reader->len = strspn(begin, bare);
	if (!reader->len)
		return toml_wrong(reader, reader->at, "a key is due: letters, digits, - and _, or a text in quotes");
	memcpy(reader->scratch, begin, reader->len);
	reader->scratch[reader->len] = '\0';
	reader->at += reader->len;
	return 0;
}

/* "a.b.c": place becomes a.b's, c stands in scratch, and *ret_at is where that is. */
static int read_keys(struct toml_reader *reader, struct toml_place *place, toml_pass *pass,
		     size_t *ret_at)
{
	for (;;) {
		size_t at = reader->at;
		int err = read_key(reader);

		if (err)
			return err;
		skip_blanks(reader);
		if (peek(reader) != '.') {
			*ret_at = at;
			return 0;
		}
		reader->at++;
		skip_blanks(reader);
		err = pass(reader, place, at);
		if (err)
			return err;
	}
}

/* NOLINTBEGIN(misc-no-recursion): values are nested CONFIG_DEPTH_MAX deep at most. */
static int read_value(struct toml_reader *reader, unsigned depth, struct json_object **ret_value);

static int read_pair(struct toml_reader *reader, struct toml_place place)
{
	struct json_object *value = NULL;
	AUTO_FREE char *key = NULL;
	size_t at;
	int err = read_keys(reader, &place, toml_pass_by_key, &at);

	if (err)
		return err;
	if (peek(reader) != '=')
		return toml_wrong(reader, reader->at, "'=' is due");
	if (toml_find(&place, reader->scratch))
		return toml_wrong(reader, at, "a key that is there before, in the same table");
	key = strdup(reader->scratch);
	if (!key)
		return out_of_memory();
	reader->at++;
	skip_blanks(reader);
	err = read_value(reader, place.depth, &value);
	return err ? err : toml_add(place.table, key, value);
}

static int read_elements(struct toml_reader *reader, unsigned depth, struct json_object *array)
{
	reader->at++;
	for (skip_space(reader); peek(reader) != ']'; skip_space(reader)) {
		struct json_object *value = NULL;
		int err = read_value(reader, depth, &value);

		if (!err)
			err = toml_append(array, value);
		if (err)
			return err;
		skip_space(reader);
		if (peek(reader) == ',')
			reader->at++;
		else if (peek(reader) != ']')
			return toml_wrong(reader, reader->at, "',' or ']' is due");
	}
	reader->at++;
	return 0;
}

static int read_inline(struct toml_reader *reader, struct toml_place place)
{
	reader->at++;
	skip_blanks(reader);
	while (peek(reader) != '}') {
		int err = read_pair(reader, place);

		if (err)
			return err;
		skip_blanks(reader);
		if (peek(reader) == '}')
			break;
		if (peek(reader) != ',')
			return toml_wrong(reader, reader->at,
					  "',' or '}' is due; such a table is one line");
		reader->at++;
		skip_blanks(reader);
		if (peek(reader) == '}')
			return toml_wrong(reader, reader->at, "a key is due");
	}
	reader->at++;
	return 0;
}

static int read_nested(struct toml_reader *reader, unsigned depth, struct json_object **ret_value)
{
	bool is_array = peek(reader) == '[';
	struct json_object *made;
	int err = toml_go_deeper(reader, reader->at, &depth);

	if (err)
		return err;
	made = is_array ? json_object_new_array() : json_object_new_object();
	if (!made)
		return out_of_memory();
	if (is_array)
		err = read_elements(reader, depth, made);
	else
		err = read_inline(reader, (struct toml_place){ made, depth, ++reader->sections });
	if (err)
		json_object_put(made);
	else
		*ret_value = made;
	return err;
}

/* depth is that of the table or the array around it. */
static int read_value(struct toml_reader *reader, unsigned depth, struct json_object **ret_value)
{
	int err;

	switch (peek(reader)) {
	case '[':
	case '{':
		return read_nested(reader, depth, ret_value);
	case '"':
	case '\'':
		err = toml_read_string(reader, true);
		if (err)
			return err;
		*ret_value = json_object_new_string_len(reader->scratch, (int)reader->len);
		return *ret_value ? 0 : out_of_memory();
	default:
		return toml_read_scalar(reader, ret_value);
	}
}

/* NOLINTEND(misc-no-recursion) */

/* The keys that follow belong to *ret_here. */
static int read_header(struct toml_reader *reader, const struct toml_place *root, struct toml_place *ret_here)
{
	bool is_element = reader->text[reader->at + 1] == '[';
	size_t end = is_element ? 2 : 1, at;
	struct toml_place place = *root;
	int err;

	reader->at += end;
	skip_blanks(reader);
	err = read_keys(reader, &place, toml_pass_by_header, &at);
	if (err)
		return err;
	if (strncmp(reader->text + reader->at, "]]", end) != 0)
		return toml_wrong(reader, reader->at, is_element ? "']]' is due" : "']' is due");
	reader->at += end;
	place.section = ++reader->sections;
	err = is_element ? toml_open_element(reader, &place, at) : toml_open_table(reader, &place, at);
	if (!err)
		*ret_here = place;
	return err;
}

static int read_lines(struct toml_reader *reader, const struct toml_place *root)
{
	struct toml_place here = *root;
	int err = 0;

	while (!err && peek(reader)) {
		skip_blanks(reader);
		if (peek(reader) == '[')
			err = read_header(reader, root, &here);
		else if (peek(reader) && !strchr("#\r\n", peek(reader)))
			err = read_pair(reader, here);
		if (!err)
			err = end_line(reader);
	}
	return err;
}

/* A text is UTF-8, and of control characters it has tabs and ends of lines, comments and strings included. */
static int check_characters(const char *text, size_t size)
{
	size_t len;

	for (size_t at = 0; at < size; at += len) {
		unsigned char c = (unsigned char)text[at];

		len = c < 0x80 ? 1 : text_utf8(text + at);
		if (!len)
			return config_text_wrong(text, at, "not UTF-8");
		if ((c < ' ' && c != '\t' && c != '\n' && !(c == '\r' && text[at + 1] == '\n')) ||
		    c == 0x7f)
			return config_text_wrong(text, at, "a control character");
	}
	return 0;
}

struct json_object *toml_parse(const char *text, size_t size)
{
	AUTO_FREE char *scratch = malloc(size + 1);
	struct toml_reader reader = { .text = text, .scratch = scratch };
	struct toml_place root = { .table = json_object_new_object(), .depth = 1 };
	bool is_read = false;

	if (!scratch || !root.table)
		out_of_memory();
	else if (check_characters(text, size) == 0)
		is_read = read_lines(&reader, &root) == 0;
	if (is_read)
		return root.table;
	json_object_put(root.table);
	return NULL;
}
