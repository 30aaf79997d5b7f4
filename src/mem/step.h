/* SPDX-License-Identifier: Apache-2.0 */
/* One step of a transaction, as it is noted and as it is made. */
#ifndef MEM_STEP_H
#define MEM_STEP_H

#include "mem/slots.h"

enum step_kind {
	STEP_MAP,
	STEP_ALIAS,
	STEP_UNMAP,
	STEP_MOVE,
	STEP_PROTECT,
	STEP_LOG,
	STEP_PLUG,
	STEP_CALL
};

struct mem_step {
	enum step_kind kind;
	struct mem_region
		region; /* MAP, ALIAS: the new one, until a picture has it; else its gpa */
	gpa_t to;	/* MOVE */
	bool on;	/* PROTECT, LOG */
	int (*fn)(struct mem *mem, struct mem_map *next, void *arg); /* CALL */
	void *arg;
};

/* Makes it, on the map that the steps before it have left. On failure slots_undo() must be called.
 */
int mem_step_make(struct mem_step *step, struct slots *slots);

/* How many changes it may make on a map of so many regions. */
size_t mem_step_changes(const struct mem_step *step, size_t regions);

/* Whether it takes memory away from under the guest, if only for a moment. */
bool mem_step_stops(const struct mem_step *step);

#endif
