/* SPDX-License-Identifier: Apache-2.0 */
/* One side of a migration in a process of its own, which does what it reads and says what became of it. */
#ifndef TESTS_FAULTS_SIDE_H
#define TESTS_FAULTS_SIDE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/* How the guest's memory travels. */
enum way {
	WAY_PRECOPY,	/* tcp:, two connections */
	WAY_DESCRIPTOR, /* unix:, the memory's descriptor */
	WAY_POSTCOPY,	/* tcp:, two connections and the urgent one */
	WAY_DISKS,	/* as WAY_PRECOPY; a disk is copied too */
	WAYS,
};

enum fault {
	FAULT_NONE,
	FAULT_CLOSE,
	FAULT_STALL,
	FAULT_SHORT,
	FAULT_FLIP,
	FAULT_ERROR, /* -ENOSPC */
	FAULT_KILL,
	FAULTS,
};

extern const char *const way_names[WAYS];
extern const char *const fault_names[FAULTS];

/* The fault happens at an operation of this side's, counted from 0; FAULT_NONE: never. */
struct plan {
	enum way way;
	enum fault fault;
	unsigned at;
	bool is_traced; /* says "op N WHAT" at each */
};

/* What the driver has of a side. */
struct side {
	pid_t pid;
	FILE *in, *out; /* to it, from it */
	char line[1024];
};

/*
 * Starts a side. The source makes the guest and says "ready"; "go URI" moves it, and is answered by
 * "outcome N TEXT". The destination says "listening URI", and then "arrival N TEXT". Both understand
 * "check" (the guest compares its memory, and its disk is compared: "check ok …"), "force" (what an operator does who was left
 * in doubt: "forced" or "failed TEXT"), "recover" (like go) and "end".
 */
void side_start_source(struct side *side, const struct plan *plan);
void side_start_dest(struct side *side, const struct plan *plan);
/* Waits for it, killing it if it is not gone in time. */
void side_end(struct side *side);

/* Says a line to it. */
void side_say(struct side *side, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define SIDE_PATIENCE_MS 20000

/*
 * Its next line that begins with word: what follows it; NULL: it is gone, or says nothing in time, which is
 * patience_ms as many times as FERRY_TEST_SLOWDOWN says.
 */
const char *side_hear(struct side *side, const char *word, int patience_ms);

#endif
