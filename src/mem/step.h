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
	STEP_PLUG
};

struct mem_step {
	enum step_kind kind;
	struct mem_region region; /* MAP, ALIAS: the new one, with a reference to its body; else its
				   * gpa */
	gpa_t to;		  /* MOVE */
	bool on;		  /* PROTECT, LOG */
};

/* Makes it, on the map that the steps before it have left. On failure slots_undo() must be called.
 */
int mem_step_make(struct mem_step *step, struct slots *slots);

/* How many changes it may make on a map of so many regions. */
size_t mem_step_changes(const struct mem_step *step, size_t regions);
/* How often it may put a region into the map, or take one out. */
size_t mem_step_edits(const struct mem_step *step);

/* Whether it takes memory away from under the guest, if only for a moment. */
bool mem_step_stops(const struct mem_step *step);

#endif
