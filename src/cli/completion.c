/* SPDX-License-Identifier: Apache-2.0 */
/* Completion for shells, from the commands' tables. */
#include <ferry/error.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "cli/command.h"

/* What an argument is, by the word that stands for it. */
enum kind {
	KIND_TEXT,
	KIND_FILE,
	KIND_DIRECTORY,
	KIND_VM,
	KIND_COMMAND,
	KIND_SHELL,
};

static enum kind kind_of(const char *arg, bool is_operand)
{
	if (strncmp(arg, "FILE", 4) == 0 || strcmp(arg, "KERNEL") == 0)
		return KIND_FILE;
	if (strcmp(arg, "DIR") == 0)
		return KIND_DIRECTORY;
	if (strcmp(arg, "SHELL") == 0)
		return KIND_SHELL;
	if (is_operand && strcmp(arg, "NAME") == 0)
		return KIND_VM;
	return is_operand && strcmp(arg, "COMMAND") == 0 ? KIND_COMMAND : KIND_TEXT;
}

static bool is_negated(const struct command_option *option)
{
	return option->flags & OPTION_NEGATED;
}

/* "no-" where only that does something. */
static const char *prefix(const struct command_option *option)
{
	return is_negated(option) && !option->arg ? "no-" : "";
}

/* All but those that mean something to a shell or to zsh's lists. */
static void put_plain(const char *text)
{
	for (; *text; text++)
		putchar(strchr("'\"`$\\[]:", *text) ? ' ' : *text);
}

static void put_commands(void)
{
	for (size_t i = 0; commands[i]; i++)
		printf("%s%s", i ? " " : "", commands[i]->name);
}

/* What bash offers for an argument of that kind; NULL: nothing. */
static const char *bash_words(enum kind kind)
{
	static const char *const words[] = {
		[KIND_FILE] = "compgen -f -- \"$cur\"",
		[KIND_DIRECTORY] = "compgen -d -- \"$cur\"",
		[KIND_VM] = "compgen -W \"$(_ferry_vms)\" -- \"$cur\"",
		[KIND_COMMAND] = "compgen -W \"$commands\" -- \"$cur\"",
		[KIND_SHELL] = "compgen -W \"bash zsh fish\" -- \"$cur\"",
	};

	return words[kind];
}

static void bash_values(const struct command *command)
{
	fputs("        case $prev in\n", stdout);
	for (size_t i = 0; i < command->option_count; i++) {
		const struct command_option *option = &command->options[i];
		const char *words;

		if (!option->arg || option->flags & OPTION_OPTIONAL)
			continue;
		words = bash_words(kind_of(option->arg, false));
		printf("        --%s) ", option->name);
		if (words)
			printf("mapfile -t COMPREPLY < <(%s); ", words);
		fputs("return ;;\n", stdout);
	}
	fputs("        esac\n", stdout);
}

static void bash_command(const struct command *command)
{
	static const char *const operands[] = {
		[KIND_FILE] = "        files=yes\n",
		[KIND_VM] = "        words=$(_ferry_vms)\n",
		[KIND_COMMAND] = "        words=$commands\n",
		[KIND_SHELL] = NULL,
	};
	const char *operand = command->operands[0];
	const char *line = operand ? operands[kind_of(operand, true)] : NULL;

	printf("    %s)\n", command->name);
	if (command->option_count)
		bash_values(command);
	fputs("        options='--help", stdout);
	for (size_t i = 0; i < command->option_count; i++)
		printf(" --%s%s", prefix(&command->options[i]), command->options[i].name);
	printf("'\n%s        ;;\n", line ? line : "");
}

static void print_bash(void)
{
	fputs("# bash completion for ferry, made by 'ferry help --completion bash'\n"
	      "# shellcheck shell=bash\n"
	      "_ferry_vms() {\n    ferry list 2>/dev/null | sed '1d; s/ .*//'\n}\n\n"
	      "_ferry() {\n"
	      "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	      "    local commands='",
	      stdout);
	put_commands();
	fputs("' options='' words='' files=''\n\n"
	      "    COMPREPLY=()\n"
	      "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	      "        mapfile -t COMPREPLY < <(compgen -W \"$commands\" -- \"$cur\")\n"
	      "        return\n    fi\n    case ${COMP_WORDS[1]} in\n",
	      stdout);
	for (size_t i = 0; commands[i]; i++)
		bash_command(commands[i]);
	fputs("    *) return ;;\n    esac\n"
	      "    case $cur in\n    -*) words=$options files= ;;\n    esac\n"
	      "    if [ -n \"$files\" ]; then\n"
	      "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n    else\n"
	      "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n    fi\n}\n"
	      "complete -o filenames -F _ferry ferry\n",
	      stdout);
}

static const char *zsh_action(enum kind kind)
{
	static const char *const actions[] = {
		[KIND_TEXT] = "",	       [KIND_FILE] = "_files",
		[KIND_DIRECTORY] = "_files -/", [KIND_VM] = "_ferry_vms",
		[KIND_COMMAND] = "_ferry_commands", [KIND_SHELL] = "(bash zsh fish)",
	};

	return actions[kind];
}

/* '*--disk=[a disk]:FILE:_files' */
static void zsh_option(const struct command_option *option)
{
	const char *no = prefix(option);

	printf(" \\\n            '%s--%s%s", option->flags & OPTION_REPEAT ? "*" : "", no,
	       option->name);
	if (option->arg)
		fputs(option->flags & OPTION_OPTIONAL ? "=-" : "=", stdout);
	putchar('[');
	put_plain(option->help);
	putchar(']');
	if (option->arg) {
		fputs(option->flags & OPTION_OPTIONAL ? "::" : ":", stdout);
		put_plain(option->arg);
		printf(":%s", zsh_action(kind_of(option->arg, false)));
	}
	putchar('\'');
}

static void zsh_command(const struct command *command)
{
	printf("    %s)\n        _arguments '--help[show the options]'", command->name);
	for (size_t i = 0; i < command->option_count; i++)
		zsh_option(&command->options[i]);
	for (unsigned i = 0; i < COMMAND_OPERANDS && command->operands[i]; i++)
		printf(" \\\n            '%s:%s:%s'", command->repeats ? "*" : "",
		       command->operands[i], zsh_action(kind_of(command->operands[i], true)));
	fputs("\n        ;;\n", stdout);
}

static void print_zsh(void)
{
	fputs("#compdef ferry\n# made by 'ferry help --completion zsh'\n\n"
	      "_ferry_vms() {\n    local -a vms\n"
	      "    vms=(${(f)\"$(ferry list 2>/dev/null | sed '1d; s/ .*//')\"})\n"
	      "    _describe 'VM' vms\n}\n\n"
	      "_ferry_commands() {\n    local -a commands\n    commands=(\n",
	      stdout);
	for (size_t i = 0; commands[i]; i++) {
		printf("        '%s:", commands[i]->name);
		put_plain(commands[i]->summary);
		fputs("'\n", stdout);
	}
	fputs("    )\n    _describe 'command' commands\n}\n\n"
	      "_ferry() {\n    if (( CURRENT == 2 )); then\n        _ferry_commands\n"
	      "        return\n    fi\n    shift words\n    (( CURRENT-- ))\n"
	      "    case $words[1] in\n",
	      stdout);
	for (size_t i = 0; commands[i]; i++)
		zsh_command(commands[i]);
	fputs("    esac\n}\n\n_ferry \"$@\"\n", stdout);
}

static const char *fish_argument(enum kind kind)
{
	static const char *const arguments[] = {
		[KIND_TEXT] = "-x",
		[KIND_FILE] = "-r -F",
		[KIND_DIRECTORY] = "-x -a '(__fish_complete_directories)'",
		[KIND_VM] = "-x -a '(__ferry_vms)'",
		[KIND_COMMAND] = "-x",
		[KIND_SHELL] = "-x -a 'bash zsh fish'",
	};

	return arguments[kind];
}

static void fish_command(const struct command *command)
{
	const char *operand = command->operands[0];
	enum kind kind = operand ? kind_of(operand, true) : KIND_TEXT;

	for (size_t i = 0; i < command->option_count; i++) {
		const struct command_option *option = &command->options[i];

		printf("complete -c ferry -n '__fish_seen_subcommand_from %s' -l %s%s",
		       command->name, prefix(option), option->name);
		if (option->arg && !(option->flags & OPTION_OPTIONAL))
			printf(" %s", fish_argument(kind_of(option->arg, false)));
		fputs(" -d '", stdout);
		put_plain(option->help);
		fputs("'\n", stdout);
	}
	if (kind == KIND_FILE)
		printf("complete -c ferry -n '__fish_seen_subcommand_from %s' -F\n", command->name);
	if (kind == KIND_VM)
		printf("complete -c ferry -n '__fish_seen_subcommand_from %s' -a '(__ferry_vms)'\n",
		       command->name);
	if (kind == KIND_COMMAND) {
		printf("complete -c ferry -n '__fish_seen_subcommand_from %s' -a '", command->name);
		put_commands();
		fputs("'\n", stdout);
	}
}

static void print_fish(void)
{
	fputs("# fish completion for ferry, made by 'ferry help --completion fish'\n"
	      "function __ferry_vms\n    ferry list 2>/dev/null | sed '1d; s/ .*//'\nend\n\n"
	      "complete -c ferry -f\n",
	      stdout);
	for (size_t i = 0; commands[i]; i++) {
		printf("complete -c ferry -n __fish_use_subcommand -a %s -d '", commands[i]->name);
		put_plain(commands[i]->summary);
		fputs("'\n", stdout);
	}
	for (size_t i = 0; commands[i]; i++)
		fish_command(commands[i]);
}

int completion_print(const char *shell)
{
	static const struct {
		const char *name;
		void (*print)(void);
	} shells[] = { { "bash", print_bash }, { "zsh", print_zsh }, { "fish", print_fish } };

	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		if (strcmp(shells[i].name, shell) == 0) {
			shells[i].print();
			return 0;
		}
	}
	return because(-EINVAL, "--completion: bash, zsh or fish, not %s", shell);
}
