/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry smoke`: its options, the tests that come of them, and what is shown meanwhile. */
#ifndef CLI_SMOKE_H
#define CLI_SMOKE_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/command.h"
#include "smoke/runner.h"
#include "smoke/test.h"

/* What the command line says, or what a case of a file and the command line say of one test. */
struct smoke_options {
	struct smoke_rules rules;
	struct smoke_words words;      /* for `ferry run` */
	struct smoke_words boot_words; /* the same, but only for one that boots */
	struct smoke_words disks;      /* values of --disk */
	char *name, *kernel, *command, *root;
	bool is_warm;
	char *warm; /* a pattern; NULL: when it asks for --run's command */
	double move_every;
	/* Of the command as a whole: on the command line only. */
	struct smoke_words operands;
	unsigned jobs, part, parts;
	const char *output, *junit, *json;
	bool tap, dry_run;
};

#define SMOKE_OPTIONS 34
extern const struct command_option smoke_option_table[SMOKE_OPTIONS];
int smoke_operand(void *target, unsigned index, const char *value);

void smoke_options_init(struct smoke_options *options);
void smoke_options_finish(struct smoke_options *options);

/*
 * All tests that the command line asks for. -EINVAL with a text that says where the wrong thing
 * stands, in a file or on the command line; -ENOMEM.
 */
int smoke_plan(const struct smoke_options *options, int argc, char **argv,
	       struct smoke_tests *ret_tests);

/* What is shown while tests run: lines on a terminal, or TAP. */
struct smoke_view {
	const struct smoke_tests *tests;
	bool is_terminal;
	unsigned shown; /* lines of the terminal that are to be written over */
	/* TAP goes out in the tests' order: texts of those that ended before one that has not. */
	struct text *waiting;
	size_t told;
	size_t counts[SMOKE_VERDICTS];
};

int smoke_view_init(struct smoke_view *view, const struct smoke_tests *tests, bool tap);
void smoke_view_finish(struct smoke_view *view);
struct smoke_watcher smoke_view_watcher(struct smoke_view *view);
/* The last line on a terminal. */
void smoke_view_sum(const struct smoke_view *view, double seconds);
/* TAP of results that are there already. */
void smoke_view_tap(const struct smoke_results *results);

#endif
