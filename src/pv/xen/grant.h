/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grant tables: what the guest lets others have of its memory (xen/common/grant_table.c). The others are
 * ferry's back ends, which are domain 0, and the guest itself.
 *
 * While somebody uses a grant it is pinned: Xen's flags in the entry (version 1) or in the status
 * word (version 2) tell the guest so, and are cleared with the last pin. Which are pinned is no
 * register: back ends give everything back before registers are read, but for the pages of their
 * rings, which they pin again where the guest arrives. What the guest itself has mapped is one.
 */
#ifndef PV_XEN_GRANT_H
#define PV_XEN_GRANT_H

#include <stdbool.h>
#include <stdint.h>

#include "pv/xen/page.h"

struct xen;
struct xen_call;

#define XEN_GRANT_FRAMES	64u
#define XEN_GRANT_STATUS_FRAMES 8u /* of as many frames of version 2 */
#define XEN_GRANTS_A_FRAME	512u /* at the most: version 1 */
#define XEN_GRANT_MAPS		256u /* each takes one of KVM's memory slots */

/* Under xen.lock, as all of this. */
struct xen_pin {
	uint32_t readers, writers; /* who writes reads as well, and is counted once */
	uint32_t domid;
	uint64_t gfn; /* as it was when the first one pinned it */
};

/* One that the guest has mapped; without flags: a free handle. Also a register's value. */
struct xen_grant_map {
	uint64_t gfn, frame; /* where, and what */
	uint32_t ref, flags; /* GNTMAP_… */
	uint64_t zero;
};

struct xen_grants {
	uint32_t version; /* 1 or 2 */
	uint32_t frames;  /* there are so many of these */
	struct xen_page frame[XEN_GRANT_FRAMES];
	struct xen_page status[XEN_GRANT_STATUS_FRAMES]; /* as many as frames need, in version 2 */
	struct xen_pin *pins[XEN_GRANT_FRAMES]; /* XEN_GRANTS_A_FRAME each */
	struct xen_grant_map map[XEN_GRANT_MAPS]; /* by handle */
};

/* A grant that is pinned. */
struct xen_grant {
	uint32_t ref;
	bool writable;
	uint64_t gpa;
	uint16_t offset, length; /* what of the page is granted */
};

int xen_grants_init(struct xen *xen);
void xen_grants_finish(struct xen *xen);

int64_t xen_grant_table_op(struct xen_call *call);

/* All of these with the lock held. */

/*
 * Pins it for a domain. part: also grants of a part of a page, which can be copied but not mapped.
 * GNTST_okay; GNTST_bad_gntref; GNTST_general_error: not granted so; GNTST_bad_page: no memory there.
 */
int xen_grant_pin(struct xen *xen, uint32_t domid, uint32_t ref, bool writable, bool part,
		  struct xen_grant *ret_grant);
void xen_grant_unpin(struct xen *xen, const struct xen_grant *grant);

uint32_t xen_grant_entries(const struct xen *xen);
uint32_t xen_grant_status_frames(const struct xen *xen);
/* Where an entry is, and its status word (version 2). The reference is one of the table's. */
void *xen_grant_entry(const struct xen *xen, uint32_t ref);
uint16_t *xen_grant_status(const struct xen *xen, uint32_t ref);
void xen_grant_mark_dirty(struct xen *xen, uint32_t ref);
/* Two entries that are not in use change places, with their status words. */
void xen_grant_swap(struct xen *xen, uint32_t a, uint32_t b);
bool xen_grant_is_pinned(const struct xen *xen, uint32_t ref);
/* There are so many frames at least. -ENOSPC, -ENOMEM. */
int xen_grant_grow(struct xen *xen, uint32_t frames);
/* The table is empty, in the version given; frames stay. */
int xen_grant_set_version(struct xen *xen, uint32_t version);

/* XENMAPSPACE_grant_table: 0 or -XEN_E…. */
int xen_grant_add_frame(struct xen *xen, uint64_t idx, uint64_t gfn);
/* remove_from_physmap: whether one of them was there. */
bool xen_grant_remove_frame(struct xen *xen, uint64_t gfn);

/* The guest's own pin, as it was elsewhere; the entry is not looked at. -ENOMEM. */
int xen_grant_pin_again(struct xen *xen, uint32_t ref, uint64_t gfn, bool writable);

/* grant_copy.c and grant_map.c */
int64_t xen_grant_copy(struct xen_call *call, uint64_t arg, uint32_t count);
int64_t xen_grant_map(struct xen_call *call, uint64_t arg, uint32_t count);
int64_t xen_grant_unmap(struct xen_call *call, uint64_t arg, uint32_t count, bool replaces);
/* What a register says, before memory comes. -errno of a transaction (mem/txn.h); -EINVAL. */
int xen_grant_map_restore(struct xen *xen, uint32_t handle, const struct xen_grant_map *map);

int xen_grant_bank_add(struct xen *xen);

#endif
