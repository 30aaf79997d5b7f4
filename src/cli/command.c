/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a command line by its command's table. */
#include "cli/command.h"

#include <ferry/error.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "cli/config.h"
#include "cli/value.h"

/* One option as it stood on the command line. */
struct use {
	const struct command_option *option;
	const char *value;
	bool on;
};

struct line {
	const struct command *command;
	struct use *uses;
	size_t use_count;
	const char **operands;
	unsigned operand_count;
	bool help;
};

int command_failed(enum exit_status status, int err)
{
	char line[ERROR_TEXT_MAX + 16];
	int len = snprintf(line, sizeof(line), "ferry: %s", error_text(err));

	/* A file's name may hold anything, and this is one line on a terminal. */
	for (int i = 0; i < len && line[i]; i++) {
		if (iscntrl((unsigned char)line[i]))
			line[i] = '?';
	}
	fprintf(stderr, "%s\n", line);
	return status;
}

const struct command *command_find(const char *name, const char **ret_nearest)
{
	struct value_nearest nearest = { .typed = name };

	for (size_t i = 0; commands[i]; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
		value_nearest_try(&nearest, commands[i]->name);
	}
	*ret_nearest = nearest.name;
	return NULL;
}

const struct command_option *command_option_find(const struct command *command, const char *name,
						 size_t len, bool *ret_on)
{
	bool no = len > 3 && strncmp(name, "no-", 3) == 0;

	for (size_t i = 0; i < command->option_count; i++) {
		const struct command_option *option = &command->options[i];
		size_t own = strlen(option->name);

		if (own == len && memcmp(option->name, name, len) == 0) {
			*ret_on = true;
			return option;
		}
		if (no && option_is_switch(option) && own == len - 3 &&
		    memcmp(option->name, name + 3, own) == 0) {
			*ret_on = false;
			return option;
		}
	}
	return NULL;
}

int command_option_unknown(const struct command *command, const char *dashes, const char *name,
			   size_t len)
{
	char typed[64];
	struct value_nearest nearest = { .typed = typed };

	snprintf(typed, sizeof(typed), "%.*s", (int)len, name);
	for (size_t i = 0; i < command->option_count; i++)
		value_nearest_try(&nearest, command->options[i].name);
	if (nearest.name)
		return because(-EINVAL,
			       "unknown option %s%s; did you mean %s%s? "
			       "'ferry help %s' explains them",
			       dashes, typed, dashes, nearest.name, command->name);
	return because(-EINVAL, "unknown option %s%s; 'ferry help %s' lists what there is", dashes,
		       typed, command->name);
}

/* The long option in argv[i]; takes the next word where the argument is not behind a =. */
static int read_option(struct line *line, int argc, char **argv, int *i)
{
	const char *name = argv[*i] + 2;
	const char *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	struct use *use = &line->uses[line->use_count];
	const struct command_option *option;

	if (strcmp(name, "help") == 0) {
		line->help = true;
		return 0;
	}
	option = command_option_find(line->command, name, len, &use->on);
	if (!option)
		return command_option_unknown(line->command, "--", name, len);
	use->option = option;
	use->value = equals ? equals + 1 : NULL;
	if (equals && (!option->arg || !use->on))
		return because(-EINVAL, "--%.*s takes no value", (int)len, name);
	if (!equals && !option_is_switch(option)) {
		if (*i + 1 >= argc)
			return because(-EINVAL, "--%s needs a value, such as --%s %s", option->name,
				       option->name,
				       option->example ? option->example : option->arg);
		use->value = argv[++*i];
	}
	line->use_count++;
	return 0;
}

static unsigned operand_places(const struct command *command)
{
	unsigned count = 0;

	while (count < COMMAND_OPERANDS && command->operands[count])
		count++;
	return count;
}

static int read_operand(struct line *line, const char *word)
{
	const struct command *command = line->command;

	if (line->operand_count >= operand_places(command) && !command->repeats)
		return because(-EINVAL,
			       "%s: there is nothing to do with \"%s\"; "
			       "'ferry %s --help' shows what it takes",
			       command->name, word, command->name);
	line->operands[line->operand_count++] = word;
	return 0;
}

static int read_line(struct line *line, int argc, char **argv)
{
	bool only_operands = false;
	int err = 0;

	for (int i = 0; i < argc && !err; i++) {
		const char *word = argv[i];

		if (only_operands || word[0] != '-' || !word[1])
			err = read_operand(line, word);
		else if (strcmp(word, "--") == 0)
			only_operands = true;
		else if (strcmp(word, "-h") == 0)
			line->help = true;
		else if (word[1] != '-')
			err = because(-EINVAL,
				      "%s: unknown option %s; options are words after two "
				      "dashes: 'ferry %s --help' lists them",
				      line->command->name, word, line->command->name);
		else
			err = read_option(line, argc, argv, &i);
	}
	return err;
}

static bool was_used(const void *arg, const struct command_option *option)
{
	const struct line *line = arg;

	for (size_t i = 0; i < line->use_count; i++) {
		if (line->uses[i].option == option)
			return true;
	}
	return false;
}

static int apply_config(const struct line *line, void *target)
{
	for (size_t i = 0; i < line->use_count; i++) {
		const struct use *use = &line->uses[i];
		int err;

		if (strcmp(use->option->name, "config") != 0)
			continue;
		if (!use->value || !*use->value)
			return because(-EINVAL, "--config: the file's name is empty");
		err = config_read(use->value, line->command, was_used, line, target);
		if (err)
			return because_of(err, "%s", use->value);
	}
	return 0;
}

static int apply_line(const struct line *line, void *target)
{
	const struct command *command = line->command;
	int err;

	for (size_t i = 0; i < line->use_count; i++) {
		const struct use *use = &line->uses[i];

		error_clear();
		err = use->option->set(target, use->value, use->on);
		if (err)
			return because_of(err, "--%s", use->option->name);
	}
	for (unsigned i = 0; i < line->operand_count; i++) {
		error_clear();
		err = command->operand(target, i, line->operands[i]);
		if (err)
			return err;
	}
	if (line->operand_count < command->required)
		return because(-EINVAL, "%s: %s is missing; 'ferry %s --help' shows what it takes",
			       command->name, command->operands[line->operand_count],
			       command->name);
	return 0;
}

int command_parse(const struct command *command, int argc, char **argv, void *target)
{
	AUTO_FREE struct use *uses = calloc((size_t)argc + 1, sizeof(*uses));
	AUTO_FREE const char **operands = calloc((size_t)argc + 1, sizeof(*operands));
	struct line line = { .command = command, .uses = uses, .operands = operands };
	int err;

	if (!uses || !operands)
		return because(-ENOMEM, "out of memory");
	err = read_line(&line, argc, argv);
	if (err)
		return err;
	if (line.help) {
		help_print_short(command);
		return COMMAND_DONE;
	}
	err = apply_config(&line, target);
	return err ? err : apply_line(&line, target);
}
