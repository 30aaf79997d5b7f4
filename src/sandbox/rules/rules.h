/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of system calls, which is there when ferry is built and not when it runs: making filters takes
 * libseccomp longer than all else that a guest's start does.
 */
#ifndef SANDBOX_RULES_RULES_H
#define SANDBOX_RULES_RULES_H

#include <stddef.h>
#include <stdint.h>

#include "sandbox/sandbox.h"

/* Values that are known only when the process runs, for rules whose special says so. */
enum sandbox_special {
	SPECIAL_NONE,
	SPECIAL_OWN_PID, /* args[0].value: this process */
	SPECIAL_FAMILY,	 /* the same; and each child and its process group */
	SPECIAL_TASKS,	 /* args[0].value: the descriptor of /proc/self/task; no rule without */
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

#endif
