/* SPDX-License-Identifier: Apache-2.0 */
/* How far a migration or a snapshot is, for people and programs that watch it. */
#ifndef MIGRATE_PROGRESS_H
#define MIGRATE_PROGRESS_H

#include <stdint.h>

enum migrate_phase {
	MIGRATE_CONNECTING, /* the other side is looked for */
	MIGRATE_CHECKING,   /* it says whether the guest can live there */
	MIGRATE_COPYING,    /* rounds, while the guest runs */
	MIGRATE_HOLDING,    /* the guest stands still: the rest of memory, the registers */
	MIGRATE_HANDING,    /* the other side has been told to run */
	MIGRATE_PULLING,    /* post-copy: the guest runs there, and gets what it lacks */
	MIGRATE_ENDED,
};

struct migrate_progress {
	enum migrate_phase phase;
	unsigned round;		/* from 1 on */
	uint64_t total;		/* bytes of guest memory, and of the disks that are copied */
	uint64_t remaining;	/* bytes to be copied still, in this round */
	uint64_t copied;	/* bytes of both copied so far, zeros included */
	uint64_t sent;		/* bytes on all connections */
	uint64_t throughput;	/* bytes of both a second, in the last round */
	uint64_t dirty_rate;	/* bytes a second that the guest dirtied during the last round */
	uint64_t expected_downtime_ns;
	uint64_t downtime_ns;	/* 0 before it is known */
	uint64_t elapsed_ns;
	unsigned throttle;	/* percent */
};

/* "copying", for programs. */
const char *migrate_phase_name(enum migrate_phase phase);

#endif
