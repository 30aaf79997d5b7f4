/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the sandbox share. */
#ifndef SANDBOX_SANDBOX_IMPL_H
#define SANDBOX_SANDBOX_IMPL_H

#include <linux/filter.h>
#include <stdint.h>

#include "sandbox/sandbox.h"

/* A compiled filter: seccomp(2) takes it as it is. */
struct sandbox_filter {
	struct sock_filter *code;
	size_t count;
};

struct sandbox {
	struct sandbox_filter filters[SANDBOX_THREADS]; /* empty: there is no seccomp */
};

/* What libseccomp made of the table when ferry was built (tools/cmake/sandbox_programs.c), by enum sandbox_thread. */
struct sandbox_program {
	const struct sock_filter *code;
	size_t count;
};

extern const struct sandbox_program sandbox_programs[SANDBOX_THREADS];

#define SANDBOX_CHILDREN 32

/*
 * What is known only when the process runs. A program has these in its place, as what an argument is
 * compared with.
 */
enum sandbox_unknown {
	SANDBOX_UNKNOWN = 0x7e550000,
	SANDBOX_UNKNOWN_PID = SANDBOX_UNKNOWN,
	SANDBOX_UNKNOWN_TASKS,
	SANDBOX_UNKNOWN_CHILD,
	SANDBOX_UNKNOWN_GROUP = SANDBOX_UNKNOWN_CHILD + SANDBOX_CHILDREN, /* minus the child */
	SANDBOX_UNKNOWN_END = SANDBOX_UNKNOWN_GROUP + SANDBOX_CHILDREN
};

/* And what it is. */
struct sandbox_values {
	int pid;
	int tasks; /* an open /proc/self/task; -1: none, then nothing can be opened there */
	int children[SANDBOX_CHILDREN];
	size_t child_count;
};

/* filter.c: whether the host has seccomp at all: 0, or -errno with a text. */
int sandbox_filter_probe(void);
/* The program with the values; the caller frees code. -ENOMEM with a text. */
int sandbox_filter_make(enum sandbox_thread thread, const struct sandbox_values *values,
			struct sandbox_filter *ret_filter);
/* For the calling thread. */
int sandbox_filter_load(const struct sandbox_filter *filter);

/* landlock.c: 0, or -errno with a text: the host has it not. */
int sandbox_landlock(const struct sandbox_options *options);
/* namespaces.c: the same. */
int sandbox_namespaces(void);
/* privileges.c: the same. */
int sandbox_privileges(void);

#endif
