/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what VMs answer. */
#include "cli/print.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "cli/terminal.h"
#include "cli/value.h"

void print_json(struct json_object *object)
{
	printf("%s\n", json_object_to_json_string_ext(
			       object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

void print_duration(long long seconds, char *text, size_t size)
{
	long long days = seconds / 86400;
	int len = 0;

	if (days)
		len = snprintf(text, size, "%lldd ", days);
	snprintf(text + len, size - (size_t)len, "%02lld:%02lld:%02lld", seconds / 3600 % 24,
		 seconds / 60 % 60, seconds % 60);
}

static bool is_size(const char *key)
{
	static const char *const sizes[] = { "memory", "target", "requested",
					     "plugged", "min",	  "max" };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		if (strcmp(sizes[i], key) == 0)
			return true;
	return false;
}

void print_member(const char *key, struct json_object *value)
{
	char text[64] = "";

	if (is_size(key))
		value_size_text(json_object_get_uint64(value), text, sizeof(text));
	else if (strcmp(key, "uptime") == 0)
		print_duration(json_object_get_int64(value), text, sizeof(text));
	printf("%-9s %s\n", key, text[0] ? text : json_object_get_string(value));
}

void print_refusals(const char *lines)
{
	while (lines && *lines) {
		int len = (int)strcspn(lines, "\n");

		terminal_line("  %.*s", len, lines);
		lines += len + (lines[len] == '\n');
	}
}

const char *member_text(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) || !value)
		return "-";
	return json_object_get_string(value);
}
