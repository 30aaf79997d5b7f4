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

/* Values that are known only when the process runs, for rules whose special says so. */
enum sandbox_special {
	SPECIAL_NONE,
	SPECIAL_OWN_PID,  /* args[0].value: this process */
	SPECIAL_FAMILY,	  /* the same; and each child and its process group */
	SPECIAL_TASKS,	  /* args[0].value: the descriptor of /proc/self/task; no rule without */
};

struct sandbox_arg {
	unsigned index;
	uint64_t mask, value; /* allowed when (argument & mask) == value */
};

#define SANDBOX_ARGS 2

/* A line of the table: the call is allowed, or with these arguments only. Lines add up. */
struct sandbox_call {
	const char *name, *why;
	int number; /* libseccomp's, negative where the architecture has it not */
	unsigned threads; /* 1 << enum sandbox_thread */
	enum sandbox_special special;
	unsigned arg_count;
	struct sandbox_arg args[SANDBOX_ARGS];
};

extern const struct sandbox_call sandbox_calls[];
extern const size_t sandbox_call_count;

#define SANDBOX_CHILDREN 64

/* What the special values are. */
struct sandbox_values {
	int pid;
	int tasks; /* -1: none */
	int children[SANDBOX_CHILDREN];
	size_t child_count;
};

/* filter.c: from the table; the caller frees code. -ENOMEM, or libseccomp's. */
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
