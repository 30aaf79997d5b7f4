/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a config file by its command's table. */
#include "cli/config.h"

#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "cli/command.h"
#include "cli/config_text.h"
#include "cli/toml.h"

/* Appends text, with its commas doubled where it stands inside a list. */
static void put_text(FILE *out, const char *text, bool in_list)
{
	for (; *text; text++) {
		if (in_list && *text == ',')
			fputc(',', out);
		fputc(*text, out);
	}
}

static int put_scalar(FILE *out, struct json_object *value, bool in_list)
{
	switch (json_object_get_type(value)) {
	case json_type_string:
		if (strlen(json_object_get_string(value)) !=
		    (size_t)json_object_get_string_len(value))
			return because(-EINVAL, "a text with a NUL byte");
		/* fall through */
	case json_type_int:
	case json_type_double: /* as it was written */
		put_text(out, json_object_get_string(value), in_list);
		return 0;
	default:
		return because(-EINVAL, "must be a text or a number, not %s",
			       json_type_to_name(json_object_get_type(value)));
	}
}

/* {"path": "x.img", "readonly": true} as the command line has it: path=x.img,readonly */
static int put_object(FILE *out, struct json_object *object)
{
	const char *comma = "";
	int err;

	json_object_object_foreach(object, key, value)
	{
		bool is_switch = json_object_is_type(value, json_type_boolean);

		if (is_switch && !json_object_get_boolean(value))
			continue;
		fprintf(out, "%s", comma);
		put_text(out, key, true);
		comma = ",";
		if (is_switch)
			continue;
		fputc('=', out);
		err = put_scalar(out, value, true);
		if (err)
			return because_of(err, "%s", key);
	}
	return 0;
}

/* The argument as the command line would have it; the caller frees it. */
static int make_argument(const struct command_option *option, struct json_object *value,
			 char **ret_text)
{
	AUTO_FREE char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int err;

	if (!out)
		return because(-ENOMEM, "out of memory");
	if (option->arg && json_object_is_type(value, json_type_object))
		err = put_object(out, value);
	else
		err = put_scalar(out, value, false);
	if (fclose(out) != 0 && !err)
		err = because(-ENOMEM, "out of memory");
	if (err)
		return err;
	*ret_text = text;
	text = NULL;
	return 0;
}

static int set_value(const struct command_option *option, bool on, struct json_object *value,
		     void *target)
{
	AUTO_FREE char *text = NULL;
	int err;

	if (option_is_switch(option) && json_object_is_type(value, json_type_boolean))
		return option->set(target, NULL, on == json_object_get_boolean(value));
	if (!option->arg || !on)
		return because(-EINVAL, "must be true or false");
	err = make_argument(option, value, &text);
	return err ? err : option->set(target, text, true);
}

static int set_array(const struct command_option *option, struct json_object *array, void *target)
{
	for (size_t i = 0; i < json_object_array_length(array); i++) {
		int err = set_value(option, true, json_object_array_get_idx(array, i), target);

		if (err)
			return because_of(err, "%s[%zu]", option->name, i);
	}
	return 0;
}

static int set_key(const struct command_option *option, bool on, struct json_object *value,
		   void *target)
{
	int err;

	if (json_object_is_type(value, json_type_array)) {
		if (option->flags & OPTION_REPEAT)
			return set_array(option, value, target);
		return because(-EINVAL, "%s is given once: not an array", option->name);
	}
	err = set_value(option, on, value, target);
	return err ? because_of(err, "%s", option->name) : 0;
}

int config_load(const char *path, struct json_object **ret_root)
{
	size_t size = 0;
	AUTO_FREE char *text = config_text_read(path, &size);
	const char *dot = strrchr(path, '.');

	*ret_root = NULL;
	if (text && dot && strcmp(dot, ".toml") == 0)
		*ret_root = toml_parse(text, size);
	else if (text)
		*ret_root = config_text_parse(text, size);
	return *ret_root ? 0 : -EINVAL;
}

/* NULL, with a text: there is no such key. */
static const struct command_option *find_key(const struct command *command, const char *key,
					     bool *ret_on)
{
	const struct command_option *option =
		command_option_find(command, key, strlen(key), ret_on);

	if (!option) {
		command_option_unknown(command, "", key, strlen(key));
	} else if (option->flags & OPTION_NO_FILE) {
		because(-EINVAL, "%s belongs on the command line of 'ferry %s'", option->name,
			command->name);
		option = NULL;
	}
	return option;
}

int config_set(const struct command *command, const char *key, struct json_object *value,
	       void *target)
{
	bool on = true;
	const struct command_option *option = find_key(command, key, &on);

	return option ? set_key(option, on, value, target) : -EINVAL;
}

int config_read(const char *path, const struct command *command,
		bool (*skip)(const void *arg, const struct command_option *option), const void *arg,
		void *target)
{
	struct json_object *root;
	int err = config_load(path, &root);

	if (err)
		return err;
	json_object_object_foreach(root, key, value)
	{
		const struct command_option *option;
		bool on = true;

		error_clear();
		option = find_key(command, key, &on);
		if (!option)
			err = -EINVAL;
		else if (!skip(arg, option))
			err = set_key(option, on, value, target);
		if (err)
			break;
	}
	json_object_put(root);
	return err;
}

static bool describes_machine(const struct command *command, const char *key)
{
	bool on;
	const struct command_option *option = command_option_find(command, key, strlen(key), &on);

	return option && on && option->flags & OPTION_MACHINE;
}

static int check_keys(const struct command *command, struct json_object *root)
{
	char names[256] = "";
	size_t len = 0;

	json_object_object_foreach(root, key, value)
	{
		(void)value;
		if (describes_machine(command, key) || len >= sizeof(names))
			continue;
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s'%s'",
					len ? ", " : "", key);
	}
	return len ? because(-EINVAL, "this ferry does not know: %s", names) : 0;
}

int config_read_machine(const char *text, const struct command *command, void *target)
{
	size_t size = strlen(text);
	struct json_object *root = NULL;
	int err;

	if (size > CONFIG_SIZE_MAX)
		return because(-EINVAL, "longer than 1M: no description of a machine");
	root = config_text_parse(text, size);
	if (!root)
		return -EINVAL;
	err = check_keys(command, root);
	json_object_object_foreach(root, key, value)
	{
		bool on;

		if (!err)
			err = set_key(command_option_find(command, key, strlen(key), &on), true,
				      value, target);
	}
	json_object_put(root);
	return err;
}
