/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages from the commands' tables, in the macros of man(7). */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"

/* A hyphen is a minus here, as people type it; a line's first . or ' would be a request. */
static void put(const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", stdout);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			putchar(*text);
	}
}

static void put_line(const char *text)
{
	put(text);
	putchar('\n');
}

static void put_upper(const char *text)
{
	for (; *text; text++)
		putchar(*text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text);
}

/* name is "" for ferry itself. */
static void put_head(const char *name, const char *summary)
{
	fputs(".TH FERRY", stdout);
	if (*name)
		fputs("\\-", stdout);
	put_upper(name);
	printf(" 1 \"\" \"ferry %s\" \"ferry\"\n.SH NAME\nferry", FERRY_VERSION);
	if (*name)
		printf("\\-%s", name);
	fputs(" \\- ", stdout);
	put_line(summary);
}

static void put_synopsis(const struct command *command)
{
	printf(".SH SYNOPSIS\n.B ferry %s\n", command->name);
	if (command->option_count)
		fputs("[\\fIOPTIONS\\fR]\n", stdout);
	for (unsigned i = 0; i < COMMAND_OPERANDS && command->operands[i]; i++)
		printf(i < command->required ? "\\fI%s\\fR%s\n" : "[\\fI%s\\fR]%s\n",
		       command->operands[i], command->repeats ? "..." : "");
}

static void put_option(const struct command_option *option)
{
	char spelling[64];

	help_spelling(option, spelling, sizeof(spelling));
	fputs(".TP\n\\fB", stdout);
	put(spelling);
	fputs("\\fR\n", stdout);
	put(option->help);
	fputs(option->flags & OPTION_REPEAT ? " (may be repeated)\n" : "\n", stdout);
	if (option->example) {
		fputs(".br\nsuch as\n\\fB", stdout);
		put("--");
		put(option->name);
		putchar(option->flags & OPTION_OPTIONAL ? '=' : ' ');
		put(option->example);
		fputs("\\fR\n", stdout);
	}
	if (option_is_switch(option) && !(option->flags & OPTION_NEGATED))
		printf(".br\n\\fB\\-\\-no\\-%s\\fR undoes it\n", option->name);
	if (option->flags & OPTION_NO_FILE)
		fputs(".br\nnot in the config file\n", stdout);
}

/* Their breaks are meant: they hold lists and examples. */
static void put_lines(const char *const *lines)
{
	if (!lines)
		return;
	fputs(".nf\n", stdout);
	for (size_t i = 0; lines[i]; i++)
		put_line(lines[i]);
	fputs(".fi\n", stdout);
}

static void put_others(const struct command *but)
{
	fputs(".SH SEE ALSO\n", stdout);
	if (but)
		fputs(".BR ferry (1),\n", stdout);
	for (size_t i = 0; commands[i]; i++) {
		if (commands[i] != but)
			printf(".BR ferry\\-%s (1),\n", commands[i]->name);
	}
	fputs(".BR ferry\\-stream (7)\n", stdout);
}

void man_print_command(const struct command *command)
{
	put_head(command->name, command->summary);
	put_synopsis(command);
	if (command->option_count)
		fputs(".SH OPTIONS\n", stdout);
	for (size_t i = 0; i < command->option_count; i++)
		put_option(&command->options[i]);
	if (command->notes || command->more)
		fputs(".SH NOTES\n", stdout);
	put_lines(command->notes);
	if (command->notes && command->more)
		fputs(".PP\n", stdout);
	put_lines(command->more);
	put_others(command);
}

void man_print_ferry(void)
{
	put_head("", "runs virtual machines on /dev/kvm");
	fputs(".SH SYNOPSIS\n.B ferry\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n"
	      "ferry boots kernels in virtual machines, moves running ones from host to host, and\n"
	      "shows everything that a virtual machine consists of.\n.SH COMMANDS\n",
	      stdout);
	for (size_t i = 0; commands[i]; i++) {
		printf(".TP\n.BR ferry\\-%s (1)\n", commands[i]->name);
		put_line(commands[i]->summary);
	}
	put_others(NULL);
}
