/* SPDX-License-Identifier: Apache-2.0 */
/* `ferry run`: what its three ways to get a guest have in common. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include <ferry/error.h>
#include <ferry/vm.h>

#include <stdio.h>

#include "cli/command.h"
#include "cli/console.h"
#include "cli/run_options.h"
#include "cli/signals.h"

struct control;
struct machine;

/* In the order in which they are made; they end in the opposite one. */
struct run {
	int argc;
	char **argv;
	struct run_options options;
	FILE *trace;
	struct console console;
	struct machine *machine;
	struct signals signals; /* fd -1: not yet */
	struct control *control;
};

int run_main(const struct command *self, int argc, char **argv);

/* incoming.c: the guest comes from another host. */
enum exit_status run_incoming(struct run *run);
/* restore.c: from a snapshot. */
enum exit_status run_restore(struct run *run);

/* Reads the options anew, on top of a description of the machine. -EINVAL, -ENOMEM. */
int run_read_again(struct run *run, const char *description);
/* Makes everything that the options name, as far as --dry-run lets it. Nothing runs yet. */
int run_make(struct run *run);
/* like.c: --like, before anything runs. */
int run_like(struct run *run);
/* Until the VM ends: how, and why. A blank machine is started by who fills it. */
enum vm_end run_loop(struct run *run, char text[ERROR_TEXT_MAX]);
/* The terminal is as it was afterwards. */
void run_finish(struct run *run);
/* Says how a VM ended. */
enum exit_status run_report(enum vm_end why, const char *text);
/* run_finish(), and says what went wrong. */
enum exit_status run_failed(struct run *run, enum exit_status status, int err);

#endif
