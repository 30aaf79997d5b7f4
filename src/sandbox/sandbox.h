/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process that runs a guest gives up before the guest runs: nothing in it opens a file, makes a
 * socket or starts a program from then on. Layers, of which each does without the others; where the
 * host has one not, the rest stands.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include <ferry/log.h>

struct sandbox;

/* Each kind may do what its work needs: rules/calls.c. The first's is the most, what others may is within it. */
enum sandbox_thread {
	SANDBOX_LOOP,
	SANDBOX_MIGRATION, /* and what it starts */
	SANDBOX_VCPU,
	SANDBOX_THREADS
};

enum sandbox_layer {
	SANDBOX_NAMESPACES, /* user, mount (an empty root), network, IPC, UTS */
	SANDBOX_PRIVILEGES, /* capabilities, no new ones, limits */
	SANDBOX_LANDLOCK,   /* file system and network */
	SANDBOX_SECCOMP,
	SANDBOX_LAYERS
};

struct sandbox_options {
	bool insists; /* what the host has not is an error, and not left out */
	int tasks;    /* an open /proc/self/task, which stays readable; -1: none */
	/* Open directories, of which files may be removed; those with -1 are passed over. */
	const int *removes;
	size_t remove_count;
	int renames; /* an open directory in which a socket may get another name; -1: none */
	const struct log *log; /* hears what is left out; NULL: nobody does */
};

/*
 * The process has one thread, and has opened all that it needs. Afterwards it is in the sandbox, with
 * what it starts, but for what the calling thread and those that it starts then do to become of a kind:
 * sandbox_enter_thread(). -errno with a text, when it insists or is half in: then it ends.
 */
int sandbox_enter(const struct sandbox_options *options, struct sandbox **ret_sandbox);

/*
 * The calling thread is of that kind from now on; there is no way back. A thread that is started by one
 * that is of a kind already has both filters, and each system call of it goes through both: those of which
 * speed is asked are started before.
 */
int sandbox_enter_thread(const struct sandbox *sandbox, enum sandbox_thread thread);

/* NULL is fine. Nothing of the sandbox ends with it. */
void sandbox_destroy(struct sandbox *sandbox);

/* Whether this host has a layer: 0, or -errno with a text. Starts a process to find out. */
int sandbox_probe(enum sandbox_layer layer);

/* Whether there is anything to it: a program with sanitizers makes calls of its own. */
bool sandbox_is_built(void);

/* "openat", of a number as siginfo_t's si_syscall has it; NULL: unknown. Async-signal-safe. */
const char *sandbox_call_name(int number);

#endif
