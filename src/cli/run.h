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
struct sandbox;

/* Directories out of which a run may have to remove a file later, besides the control socket's. */
#define RUN_REMOVES_MAX 64

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
	struct sandbox *sandbox; /* NULL: not in one, or not yet */
};

int run_main(const struct command *self, int argc, char **argv);

/* incoming.c: the guest comes from another host. */
enum exit_status run_incoming(struct run *run);
/* restore.c: from a snapshot. */
enum exit_status run_restore(struct run *run);

/* confine.c: before there is a second thread, what has to be for the sandbox that comes later. */
void run_confine_later(void);
/*
 * Everything is open, and there is one thread: from here on there is the sandbox, unless the
 * options say otherwise. removes are at most RUN_REMOVES_MAX open directories. -errno: this process is of
 * no more use.
 */
int run_confine(struct run *run, const int *removes, size_t count);
/* vm_options' begin_thread; self is the run. */
int run_begin_thread(void *self, enum vm_thread thread);
/* This process, with what it starts, belongs to that cgroup from now on. */
int run_join_cgroup(const char *directory);

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
