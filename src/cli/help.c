/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the commands' tables for people: --help, `ferry help`, `ferry version`. */
#include "cli/command.h"

#include <ferry/error.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/value.h"

#define HELP_COLUMN 26

/* "--hugepages[=SIZE]", "--no-kaslr", "--memory SIZE" */
static void print_spelling(const struct command_option *option, char *text, size_t size)
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
		print_spelling(option, spelling, sizeof(spelling));
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

		print_spelling(option, spelling, sizeof(spelling));
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

static int set_command(void *target, unsigned index, const char *value)
{
	const struct command **command = target;
	const char *nearest;

	(void)index;
	*command = command_find(value, &nearest);
	if (*command)
		return 0;
	return because(-EINVAL, "there is no command \"%s\"; 'ferry help' lists them", value);
}

static int run_help(const struct command *self, int argc, char **argv)
{
	const struct command *about = NULL;
	int err = command_parse(self, argc, argv, &about);

	if (err < 0)
		return command_failed(STATUS_USAGE, err);
	if (err == COMMAND_DONE)
		return STATUS_OK;
	if (about)
		help_print_long(about);
	else
		help_print_commands();
	return STATUS_OK;
}

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
	.run = run_help,
};

const struct command command_version = {
	.name = "version",
	.summary = "print ferry's version",
	.run = run_version,
};
