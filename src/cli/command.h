/* SPDX-License-Identifier: Apache-2.0 */
/* What a subcommand is: one table, from which parsing, help and the config file's names come. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

enum option_flags {
	OPTION_REPEAT = 1 << 0,	  /* each use adds one; in the config file an array */
	OPTION_OPTIONAL = 1 << 1, /* the argument may be left out, and is given with = only */
	OPTION_NO_FILE = 1 << 2,  /* not in the config file */
	OPTION_RARE = 1 << 3,	  /* `ferry help COMMAND` shows it, --help does not */
	OPTION_NEGATED = 1 << 4,  /* on is the default: the help shows --no-NAME */
	OPTION_MACHINE = 1 << 5,  /* describes a machine, also to another host: config_read_machine() */
};

/*
 * An option without an argument, or with an optional one, is a switch: --no-NAME turns it off.
 * set() gets the argument (NULL: none was given) and whether it is on; it copies what it keeps. 0,
 * or -errno with a text that says what is wrong with the value.
 */
struct command_option {
	const char *name;
	const char *arg; /* NULL: takes none */
	const char *help;
	const char *example; /* a right argument; NULL: none is needed */
	unsigned flags;	     /* enum option_flags */
	int (*set)(void *target, const char *value, bool on);
};

#define COMMAND_OPERANDS 4

struct command {
	const char *name;
	const char *summary;
	const char *operands[COMMAND_OPERANDS]; /* "NAME", "VERB"; unused ones are NULL */
	unsigned required;			/* that many of them must be given */
	bool repeats;				/* the last operand may be given any number of times */
	const struct command_option *options;
	size_t option_count;
	const char *const *notes; /* lines below the options, ending with NULL; may be NULL */
	const char *const *more;  /* the same, in the long form only */
	int (*operand)(void *target, unsigned index, const char *value);
	/* Returns the exit status of ferry. argv[0] is the first word after the command's name. */
	int (*run)(const struct command *self, int argc, char **argv);
};

/* All of them, ending with NULL. */
extern const struct command *const commands[];
extern const struct command command_run, command_ctl, command_list, command_migrate,
	command_snapshot, command_inspect, command_smoke, command_stat, command_doctor,
	command_help, command_version;

/* The exit statuses of ferry; 32 to 34 are crosvm's for the same events. More: smoke/verdict.c. */
enum exit_status {
	STATUS_OK = 0,
	STATUS_FAILED = 1, /* ferry or the host failed, or the answer is no */
	STATUS_USAGE = 2,  /* the command line or the config file is wrong */
	STATUS_RESET = 32,
	STATUS_CRASH = 33,
	STATUS_PANIC = 34,
	STATUS_STOPPED = 35,
	STATUS_MIGRATED = 36, /* the guest runs elsewhere now */
};

enum {
	COMMAND_GO_ON = 0,
	COMMAND_DONE = 1
};

/*
 * Reads the options and operands into target: first those of the file named by --config, where the
 * command has that option, then those of argv; an option that argv has is not taken from the file.
 * COMMAND_GO_ON; COMMAND_DONE when help was asked for and printed; -EINVAL or -errno with a text.
 */
int command_parse(const struct command *command, int argc, char **argv, void *target);

/* Prints error_text(err) as one line on standard error. Returns status. */
int command_failed(enum exit_status status, int err);

/* The command of that name; NULL, and the nearest name (or NULL) in *ret_nearest. */
const struct command *command_find(const char *name, const char **ret_nearest);

/* The option of that name, "no-NAME" included: then *ret_on is false. NULL: none. */
const struct command_option *command_option_find(const struct command *command, const char *name,
						 size_t len, bool *ret_on);

/*
 * Because of an unknown name, written with dashes ("--" or "") before it: -EINVAL, with a text that
 * names the nearest one.
 */
int command_option_unknown(const struct command *command, const char *dashes, const char *name,
			   size_t len);

static inline bool option_is_switch(const struct command_option *option)
{
	return !option->arg || (option->flags & OPTION_OPTIONAL);
}

/* What --help prints (fits 80 by 24), and the long form of `ferry help COMMAND`. */
void help_print_short(const struct command *command);
void help_print_long(const struct command *command);
void help_print_commands(void);

#endif
