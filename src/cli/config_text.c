/* SPDX-License-Identifier: Apache-2.0 */
/* Reads JSON that a person wrote, and says where it is wrong. */
#include "cli/config_text.h"

#include <ferry/error.h>

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

char *config_text_read(const char *path, size_t *ret_size)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *text = malloc(CONFIG_SIZE_MAX + 1);
	char *read_whole = NULL;
	size_t size = 0;
	ssize_t n = 1;

	while (fd >= 0 && text && size <= CONFIG_SIZE_MAX && n > 0) {
		n = read(fd, text + size, CONFIG_SIZE_MAX + 1 - size);
		size += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || n < 0) {
		because(-EINVAL, "cannot %s: %s", fd < 0 ? "open" : "read", strerror(errno));
	} else if (!text) {
		because(-ENOMEM, "out of memory");
	} else if (size > CONFIG_SIZE_MAX) {
		because(-EINVAL, "longer than 1M: not a config file");
	} else {
		text[size] = '\0';
		*ret_size = size;
		read_whole = text;
		text = NULL;
	}
	return read_whole;
}

int config_text_wrong(const char *text, size_t at, const char *what)
{
	unsigned line = 1, column = 1;

	for (size_t i = 0; i < at && text[i]; i++) {
		column += ((unsigned char)text[i] & 0xc0) != 0x80;
		if (text[i] == '\n') {
			line++;
			column = 1;
		}
	}
	return because(-EINVAL, "line %u, column %u: %s", line, column, what);
}

/* The end of the string whose first quote is at at, in a text that has been parsed. */
static size_t string_end(const char *text, size_t at)
{
	for (at++; text[at] && text[at] != '"'; at++)
		if (text[at] == '\\' && text[at + 1])
			at++;
	return text[at] ? at + 1 : at;
}

/* Whether the string is a key that was there before; it is from now on. */
static bool is_seen(struct json_object *seen, const char *string, size_t len)
{
	/* As the tokener reads it: there is more than one way to write a letter. */
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *key = tokener ? json_tokener_parse_ex(tokener, string, (int)len) : NULL;
	const char *text = key ? json_object_get_string(key) : "";
	bool is = key && json_object_object_get_ex(seen, text, NULL);

	if (key && !is)
		json_object_object_add(seen, text, NULL);
	json_object_put(key);
	if (tokener)
		json_tokener_free(tokener);
	return is;
}

/* The objects and arrays around a place in the text. */
struct nest {
	struct json_object *seen[CONFIG_DEPTH_MAX + 1]; /* the keys of an object; NULL: an array */
	unsigned depth;
	bool key_is_due;
};

static void enter_or_leave(struct nest *nest, char c)
{
	if ((c == '{' || c == '[') && nest->depth < ARRAY_SIZE(nest->seen))
		nest->seen[nest->depth++] = c == '{' ? json_object_new_object() : NULL;
	else if ((c == '}' || c == ']') && nest->depth)
		json_object_put(nest->seen[--nest->depth]);
	if (strchr("{}[],:", c))
		nest->key_is_due = (c == '{' || c == ',') && nest->depth &&
				   nest->seen[nest->depth - 1];
}

/* json-c lets the last of a key's values win, and nobody hears of the others. The text is one that it took. */
static int check_keys(const char *text)
{
	struct nest nest = { 0 };
	size_t end;
	int err = 0;

	for (size_t at = 0; text[at] && !err; at = end) {
		end = text[at] == '"' ? string_end(text, at) : at + 1;
		if (text[at] != '"')
			enter_or_leave(&nest, text[at]);
		else if (nest.key_is_due && is_seen(nest.seen[nest.depth - 1], text + at, end - at))
			err = config_text_wrong(text, at, "a key that is there before, in the same object");
	}
	while (nest.depth)
		json_object_put(nest.seen[--nest.depth]);
	return err;
}

struct json_object *config_text_parse(const char *text, size_t size)
{
	struct json_tokener *tokener = json_tokener_new_ex(CONFIG_DEPTH_MAX);
	struct json_object *root = NULL;
	enum json_tokener_error error;

	if (!tokener) {
		because(-ENOMEM, "out of memory");
		return NULL;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* With the NUL: it tells the tokener that nothing follows. */
	root = json_tokener_parse_ex(tokener, text, (int)size + 1);
	error = json_tokener_get_error(tokener);
	if (error == json_tokener_continue)
		config_text_wrong(text, size, "the file ends inside a value");
	else if (error != json_tokener_success)
		config_text_wrong(text, json_tokener_get_parse_end(tokener),
				  json_tokener_error_desc(error));
	else if (strlen(text) != size)
		config_text_wrong(text, strlen(text), "a NUL byte");
	else if (json_object_is_type(root, json_type_object) && check_keys(text) == 0)
		goto done;
	else if (!json_object_is_type(root, json_type_object))
		because(-EINVAL, "the file must hold an object: { \"memory\": \"512M\", … }");
	json_object_put(root);
	root = NULL;
done:
	json_tokener_free(tokener);
	return root;
}
