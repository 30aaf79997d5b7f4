/* SPDX-License-Identifier: Apache-2.0 */
/* What one transaction has changed in KVM's slots, in order, so that it can be taken back. */
#ifndef MEM_SLOTS_H
#define MEM_SLOTS_H

#include "mem/mem.h"
#include "mem/tree.h"

enum slot_change_kind {
	SLOT_ADDED,
	SLOT_REMOVED,
	SLOT_MOVED,
	SLOT_LOGGED,   /* KVM's log was switched on */
	SLOT_UNLOGGED, /* and off */
	SLOT_PLUGGED,  /* from here on KVM is told; of no region */
	SLOT_TOLD,     /* of a region that the map had already */
};

struct slot_change {
	enum slot_change_kind kind;
	bool kept;		   /* SLOT_REMOVED: the region comes back in another form */
	struct mem_record *record; /* ADDED: after the change, else before it; PLUGGED: none */
	gpa_t to;		   /* MOVED */
	uint64_t *told;		   /* REMOVED: what KVM's log said last; NULL: there was none */
};

/* All of it is the committing thread's, under mem's lock. */
struct slots {
	struct mem *mem;
	struct mem_map *map; /* as KVM has it now; of the transaction, not published */
	struct slot_change *changes;
	size_t count;
	bool logged; /* regions that are added are logged */
};

/* Room for so many changes, of which so many edits of the current picture. -ENOMEM. */
int slots_init(struct slots *slots, struct mem *mem, size_t changes, size_t edits);
/* map is freed too, unless it is NULL by then. */
void slots_finish(struct slots *slots);

/*
 * One change each: in KVM, in slots->map and in the list. On failure, which has a text, the change
 * is not made, except that slots_undo() must then be called. A region that is new gets a slot
 * number and an id. record, and region in the last two: of slots->map.
 */
int slots_add(struct slots *slots, struct mem_region *region, bool is_new);
int slots_remove(struct slots *slots, struct mem_record *record, bool kept);
int slots_move(struct slots *slots, struct mem_record *record, gpa_t to);
int slots_log(struct slots *slots, const struct mem_region *region, bool on);
/* First plug, of memory that is unplugged; then all regions are told. */
void slots_plug(struct slots *slots);
int slots_tell(struct slots *slots, const struct mem_region *region);

/*
 * Takes all changes back, the last one first, because of the error why. What KVM told of dirty
 * pages and has forgotten since is in its log again or with ferry's own marks. 0, and the text is
 * what it was; or -ENOTRECOVERABLE when KVM refuses, and the text goes on to say what is left: then
 * slots->map is what KVM really has.
 */
int slots_undo(struct slots *slots, int why);

#endif
