/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the commands' tables for people: --help, `ferry help`, `ferry version`. */
#include "cli/command.h"

#include <ferry/error.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

#define HELP_COLUMN 26

void help_spelling(const struct command_option *option, char *text, size_t size)
{
	const char *no = option->flags & OPTION_NEGATED ? "[no-]" : "";

	if (option->flags & OPTION_NEGATED && !option->arg)
		no = "no-";
	if (!option->arg)
		snprintf(text, size, "--%s%s", no, option->name);
	else if (option->flags & OPTION_OPTIONAL)
		snprintf(text, size, "--%s%s[=%s]", no, option->name, option->arg);
	else
		snprintf(text, size, "--%s %s", option->name, option->arg);
}

static void print_usage(const struct command *command)
{
	printf("ferry %s", command->name);
	if (command->option_count)
		fputs(" [OPTIONS]", stdout);
	for (unsigned i = 0; i < COMMAND_OPERANDS && command->operands[i]; i++)
		printf(i < command->required ? " %s" : " [%s]", command->operands[i]);
	if (command->repeats)
		fputs("...", stdout);
	printf(": %s\n", command->summary);
}

static void print_lines(const char *const *lines)
{
	for (size_t i = 0; lines && lines[i]; i++)
		printf("%s\n", lines[i]);
}

void help_print_short(const struct command *command)
{
	char spelling[64];

	print_usage(command);
	for (size_t i = 0; i < command->option_count; i++) {
		const struct command_option *option = &command->options[i];

		if (option->flags & OPTION_RARE)
			continue;
		help_spelling(option, spelling, sizeof(spelling));
		if (strlen(spelling) > HELP_COLUMN - 4)
			printf("  %s  %s\n", spelling, option->help);
		else
			printf("  %-*s%s\n", HELP_COLUMN - 2, spelling, option->help);
	}
	print_lines(command->notes);
}

void help_print_long(const struct command *command)
{
	char spelling[64];

	print_usage(command);
	for (size_t i = 0; i < command->option_count; i++) {
		const struct command_option *option = &command->options[i];

		help_spelling(option, spelling, sizeof(spelling));
		printf("\n  %s\n      %s%s\n", spelling, option->help,
		       option->flags & OPTION_REPEAT ? " (may be repeated)" : "");
		if (option->example)
			printf("      such as --%s%c%s\n", option->name,
			       option->flags & OPTION_OPTIONAL ? '=' : ' ', option->example);
		if (option_is_switch(option) && !(option->flags & OPTION_NEGATED))
			printf("      --no-%s undoes it\n", option->name);
		if (option->flags & OPTION_NO_FILE)
			printf("      not in the config file\n");
	}
	if (command->notes)
		putchar('\n');
	print_lines(command->notes);
	if (command->more)
		putchar('\n');
	print_lines(command->more);
}

void help_print_commands(void)
{
	printf("ferry COMMAND: runs virtual machines on /dev/kvm\n");
	for (size_t i = 0; commands[i]; i++)
		printf("  %-10s%s\n", commands[i]->name, commands[i]->summary);
	printf("'ferry COMMAND --help' shows a command's options on one screen,\n"
	       "'ferry help COMMAND' explains them.\n");
}

struct help_options {
	const struct command *about;
	const char *shell;
	bool man;
};

static int set_command(void *target, unsigned index, const char *value)
{
	struct help_options *options = target;
	const char *nearest;

	(void)index;
	options->about = command_find(value, &nearest);
	if (options->about)
		return 0;
	return because(-EINVAL, "there is no command \"%s\"; 'ferry help' lists them", value);
}

static int set_man(void *target, const char *value, bool on)
{
	(void)value;
	((struct help_options *)target)->man = on;
	return 0;
}

static int set_completion(void *target, const char *value, bool on)
{
	(void)on;
	((struct help_options *)target)->shell = value;
	return 0;
}

static int print_help(const struct help_options *options)
{
	if (options->shell)
		return completion_print(options->shell);
	if (options->about && options->man)
		man_print_command(options->about);
	else if (options->about)
		help_print_long(options->about);
	else if (options->man)
		man_print_ferry();
	else
		help_print_commands();
	return 0;
}

static int run_help(const struct command *self, int argc, char **argv)
{
	struct help_options options = { 0 };
	int err = command_parse(self, argc, argv, &options);

	if (!err)
		err = print_help(&options);
	return err < 0 ? command_failed(STATUS_USAGE, err) : STATUS_OK;
}

static const struct command_option help_table[] = {
	{ "man", NULL, "as a manual page, for man(1)", NULL, 0, set_man },
	{ "completion", "SHELL", "what bash, zsh or fish completes by", "bash", 0, set_completion },
};

static int run_version(const struct command *self, int argc, char **argv)
{
	int err = command_parse(self, argc, argv, NULL);

	if (err < 0)
		return command_failed(STATUS_USAGE, err);
	if (err == COMMAND_GO_ON)
		printf("ferry %s\n", FERRY_VERSION);
	return STATUS_OK;
}

const struct command command_help = {
	.name = "help",
	.summary = "explain a command and its options at length",
	.operands = { "COMMAND" },
	.operand = set_command,
	.options = help_table,
	.option_count = ARRAY_SIZE(help_table),
	.run = run_help,
};

const struct command command_version = {
	.name = "version",
	.summary = "print ferry's version",
	.run = run_version,
};
