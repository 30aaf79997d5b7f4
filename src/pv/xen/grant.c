/* SPDX-License-Identifier: Apache-2.0 */
/* The grant table: its frames, its versions, and who uses which entry. */
#include "pv/xen/grant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "pv/xen/hypercall.h"

/* xen/common/grant_table.c, _set_status_v1(): how often a guest may change an entry under Xen. */
#define TRIES 5

static uint32_t entry_size(const struct xen *xen)
{
	return xen->grants.version == 2 ? sizeof(struct xen_grant_entry_v2)
					: sizeof(struct xen_grant_entry_v1);
}

uint32_t xen_grant_entries(const struct xen *xen)
{
	return xen->grants.frames * (XEN_PAGE_SIZE / entry_size(xen));
}

uint32_t xen_grant_status_frames(const struct xen *xen)
{
	uint32_t size = xen_grant_entries(xen) * (uint32_t)sizeof(uint16_t);

	return xen->grants.version == 2 ? (size + XEN_PAGE_SIZE - 1) / XEN_PAGE_SIZE : 0;
}

void *xen_grant_entry(const struct xen *xen, uint32_t ref)
{
	uint64_t at = (uint64_t)ref * entry_size(xen);

	return xen_page_hva(xen, &xen->grants.frame[at / XEN_PAGE_SIZE]) + at % XEN_PAGE_SIZE;
}

uint16_t *xen_grant_status(const struct xen *xen, uint32_t ref)
{
	uint64_t at = (uint64_t)ref * sizeof(uint16_t);
	uint8_t *page = xen_page_hva(xen, &xen->grants.status[at / XEN_PAGE_SIZE]);

	return (uint16_t *)(page + at % XEN_PAGE_SIZE);
}

static void mark_page(struct xen *xen, const struct xen_page *page)
{
	if (page->gfn != XEN_NO_GFN)
		mem_mark_dirty(&xen->vm->mem, page->gfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE);
}

void xen_grant_mark_dirty(struct xen *xen, uint32_t ref)
{
	struct xen_grants *grants = &xen->grants;

	mark_page(xen, &grants->frame[(uint64_t)ref * entry_size(xen) / XEN_PAGE_SIZE]);
	if (grants->version == 2)
		mark_page(xen, &grants->status[ref * sizeof(uint16_t) / XEN_PAGE_SIZE]);
}

static struct xen_pin *pin_of(const struct xen *xen, uint32_t ref)
{
	struct xen_pin *pins = xen->grants.pins[ref / XEN_GRANTS_A_FRAME];

	return &pins[ref % XEN_GRANTS_A_FRAME];
}

bool xen_grant_is_pinned(const struct xen *xen, uint32_t ref)
{
	const struct xen_pin *pin = pin_of(xen, ref);

	return pin->readers || pin->writers;
}

void xen_grant_swap(struct xen *xen, uint32_t a, uint32_t b)
{
	uint8_t one[sizeof(struct xen_grant_entry_v2)], other[sizeof(one)];
	uint32_t size = entry_size(xen);
	uint16_t status;

	memcpy(one, xen_grant_entry(xen, a), size);
	memcpy(other, xen_grant_entry(xen, b), size);
	memcpy(xen_grant_entry(xen, a), other, size);
	memcpy(xen_grant_entry(xen, b), one, size);
	if (xen->grants.version == 2) {
		status = *xen_grant_status(xen, a);
		*xen_grant_status(xen, a) = *xen_grant_status(xen, b);
		*xen_grant_status(xen, b) = status;
	}
	xen_grant_mark_dirty(xen, a);
	xen_grant_mark_dirty(xen, b);
}

static int make_page(struct xen_page *page)
{
	return page->own ? 0 : xen_page_init(page);
}

int xen_grant_grow(struct xen *xen, uint32_t frames)
{
	struct xen_grants *grants = &xen->grants;
	uint32_t before = grants->frames;
	int r = 0;

	if (frames > XEN_GRANT_FRAMES)
		return -ENOSPC;
	for (uint32_t i = before; i < frames && r == 0; i++) {
		if (!grants->pins[i])
			grants->pins[i] = calloc(XEN_GRANTS_A_FRAME, sizeof(*grants->pins[i]));
		r = grants->pins[i] ? make_page(&grants->frame[i]) : -ENOMEM;
		if (r == 0)
			grants->frames = i + 1;
	}
	for (uint32_t i = 0; i < xen_grant_status_frames(xen) && r == 0; i++)
		r = make_page(&grants->status[i]);
	if (r < 0)
		grants->frames = before;
	return r;
}

int xen_grants_init(struct xen *xen)
{
	for (uint32_t i = 0; i < XEN_GRANT_FRAMES; i++)
		xen->grants.frame[i].gfn = XEN_NO_GFN;
	for (uint32_t i = 0; i < XEN_GRANT_STATUS_FRAMES; i++)
		xen->grants.status[i].gfn = XEN_NO_GFN;
	xen->grants.version = 1;
	return xen_grant_grow(xen, 1);
}

void xen_grants_finish(struct xen *xen)
{
	for (uint32_t i = 0; i < XEN_GRANT_FRAMES; i++) {
		xen_page_finish(&xen->grants.frame[i]);
		free(xen->grants.pins[i]);
		xen->grants.pins[i] = NULL;
	}
	for (uint32_t i = 0; i < XEN_GRANT_STATUS_FRAMES; i++)
		xen_page_finish(&xen->grants.status[i]);
}

int xen_grant_set_version(struct xen *xen, uint32_t version)
{
	struct xen_grants *grants = &xen->grants;
	uint32_t before = grants->version;
	int r;

	for (uint32_t i = 0; i < XEN_GRANT_STATUS_FRAMES; i++)
		xen_page_unmap(xen, &grants->status[i]);
	grants->version = version;
	r = xen_grant_grow(xen, grants->frames);
	if (r < 0)
		grants->version = before;
	for (uint32_t i = 0; i < grants->frames && r == 0; i++) {
		memset(xen_page_hva(xen, &grants->frame[i]), 0, XEN_PAGE_SIZE);
		mark_page(xen, &grants->frame[i]);
	}
	for (uint32_t i = 0; i < xen_grant_status_frames(xen) && r == 0; i++) {
		memset(xen_page_hva(xen, &grants->status[i]), 0, XEN_PAGE_SIZE);
		mark_page(xen, &grants->status[i]);
	}
	return r;
}

/* What an entry says, copied once. */
struct said {
	uint32_t flags, domid;
	uint64_t gfn;
	uint16_t offset, length;
};

static void read_entry(const struct xen *xen, uint32_t ref, struct said *said)
{
	const void *at = xen_grant_entry(xen, ref);
	struct xen_grant_entry_v1 v1;
	struct xen_grant_entry_v2 v2;

	*said = (struct said){ .length = XEN_PAGE_SIZE };
	if (xen->grants.version == 1) {
		memcpy(&v1, at, sizeof(v1));
		said->flags = v1.flags;
		said->domid = v1.domid;
		said->gfn = v1.frame;
		return;
	}
	memcpy(&v2, at, sizeof(v2));
	said->flags = v2.flags;
	said->domid = v2.domid;
	said->gfn = v2.frame;
	if (said->flags & GTF_sub_page) {
		said->offset = v2.page_off;
		said->length = v2.length;
	}
}

static bool permits(const struct said *said, uint32_t domid, bool writable, bool part)
{
	if ((said->flags & GTF_type_mask) != GTF_permit_access || said->domid != domid)
		return false;
	if (writable && said->flags & GTF_readonly)
		return false;
	return part || !(said->flags & GTF_sub_page);
}

/* Version 1: the flags say that it is in use, in the word that also permits it. */
static int set_status_v1(struct xen *xen, uint32_t ref, uint32_t domid, bool writable)
{
	uint32_t *word = xen_grant_entry(xen, ref);
	uint32_t now = __atomic_load_n(word, __ATOMIC_SEQ_CST);

	for (int i = 0; i < TRIES; i++) {
		const struct said said = { .flags = now & 0xffff, .domid = now >> 16 };
		uint32_t new = now | GTF_reading | (writable ? GTF_writing : 0);

		/* GTF_sub_page is of version 2. */
		if (!permits(&said, domid, writable, true))
			return GNTST_general_error;
		if (__atomic_compare_exchange_n(word, &now, new, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return GNTST_okay;
	}
	return GNTST_general_error;
}

/*
 * Version 2: the status is a word of its own. The guest revokes by clearing the flags and then looks
 * there; so the flags are looked at once more behind it.
 */
static int set_status_v2(struct xen *xen, uint32_t ref, uint32_t domid, bool writable, bool part)
{
	uint16_t *status = xen_grant_status(xen, ref);
	uint16_t was, bits = GTF_reading | (writable ? GTF_writing : 0);
	struct said said;

	read_entry(xen, ref, &said);
	if (!permits(&said, domid, writable, part))
		return GNTST_general_error;
	was = __atomic_fetch_or(status, bits, __ATOMIC_SEQ_CST);
	read_entry(xen, ref, &said);
	if (permits(&said, domid, writable, part))
		return GNTST_okay;
	__atomic_fetch_and(status, (uint16_t)~(bits & ~was), __ATOMIC_SEQ_CST);
	return GNTST_general_error;
}

static void clear_status(struct xen *xen, uint32_t ref, uint16_t bits)
{
	uint16_t *word = xen->grants.version == 2 ? xen_grant_status(xen, ref)
						  : xen_grant_entry(xen, ref);

	__atomic_fetch_and(word, (uint16_t)~bits, __ATOMIC_SEQ_CST);
	xen_grant_mark_dirty(xen, ref);
}

int xen_grant_pin(struct xen *xen, uint32_t domid, uint32_t ref, bool writable, bool part,
		  struct xen_grant *ret_grant)
{
	struct xen_pin *pin;
	struct said said;
	bool is_used;
	int r = GNTST_okay;

	if (ref >= xen_grant_entries(xen))
		return GNTST_bad_gntref;
	pin = pin_of(xen, ref);
	is_used = pin->readers || pin->writers;
	if (is_used && pin->domid != domid)
		return GNTST_general_error;
	read_entry(xen, ref, &said);
	if (!is_used || (writable && !pin->writers))
		r = xen->grants.version == 2 ? set_status_v2(xen, ref, domid, writable, part)
					     : set_status_v1(xen, ref, domid, writable);
	if (r != GNTST_okay)
		return r;
	if (!is_used)
		pin->gfn = said.gfn;
	pin->domid = domid;
	pin->writers += writable;
	pin->readers += !writable;
	*ret_grant = (struct xen_grant){ ref, writable, pin->gfn * XEN_PAGE_SIZE, said.offset,
					 said.length };
	if (pin->gfn < UINT64_MAX >> 12 &&
	    (writable ? mem_ptr_rw(&xen->vm->mem, ret_grant->gpa, XEN_PAGE_SIZE)
		      : mem_ptr(&xen->vm->mem, ret_grant->gpa, XEN_PAGE_SIZE))) {
		xen_grant_mark_dirty(xen, ref);
		return GNTST_okay;
	}
	xen_grant_unpin(xen, ret_grant);
	return GNTST_bad_page;
}

int xen_grant_pin_again(struct xen *xen, uint32_t ref, uint64_t gfn, bool writable)
{
	uint32_t frame = ref / XEN_GRANTS_A_FRAME;
	int r = frame < xen->grants.frames ? 0 : xen_grant_grow(xen, frame + 1);
	struct xen_pin *pin;

	if (r < 0)
		return r;
	pin = pin_of(xen, ref);
	pin->domid = XEN_GUEST_DOMID;
	pin->gfn = gfn;
	pin->writers += writable;
	pin->readers += !writable;
	return 0;
}

void xen_grant_unpin(struct xen *xen, const struct xen_grant *grant)
{
	struct xen_pin *pin = pin_of(xen, grant->ref);
	uint16_t bits = 0;

	if (grant->writable && --pin->writers == 0)
		bits = GTF_writing;
	if (!grant->writable)
		pin->readers--;
	if (!pin->readers && !pin->writers)
		bits |= GTF_reading;
	if (bits)
		clear_status(xen, grant->ref, bits);
}

static struct xen_page *frame_at(struct xen *xen, uint64_t idx, int *ret_r)
{
	struct xen_grants *grants = &xen->grants;
	bool is_status = grants->version == 2 && idx & XENMAPIDX_grant_table_status;
	uint32_t a_page = XEN_PAGE_SIZE / sizeof(uint16_t);
	uint64_t needed;

	if (is_status)
		idx &= ~(uint64_t)XENMAPIDX_grant_table_status;
	*ret_r = -XEN_EINVAL;
	/* Before anything is calculated from it. */
	if (idx >= (is_status ? XEN_GRANT_STATUS_FRAMES : XEN_GRANT_FRAMES))
		return NULL;
	needed = is_status ? idx * a_page / (XEN_PAGE_SIZE / entry_size(xen)) + 1 : idx + 1;
	if (needed > XEN_GRANT_FRAMES)
		return NULL;
	if (needed > grants->frames && xen_grant_grow(xen, (uint32_t)needed) < 0)
		return NULL;
	*ret_r = 0;
	return is_status ? &grants->status[idx] : &grants->frame[idx];
}

int xen_grant_add_frame(struct xen *xen, uint64_t idx, uint64_t gfn)
{
	int r;
	struct xen_page *page = frame_at(xen, idx, &r);

	if (page)
		r = xen_error(xen_page_map(xen, page, gfn));
	return r;
}

bool xen_grant_remove_frame(struct xen *xen, uint64_t gfn)
{
	struct xen_grants *grants = &xen->grants;

	for (uint32_t i = 0; i < XEN_GRANT_FRAMES + XEN_GRANT_STATUS_FRAMES; i++) {
		struct xen_page *page = i < XEN_GRANT_FRAMES ?
						&grants->frame[i] :
						&grants->status[i - XEN_GRANT_FRAMES];

		if (gfn == XEN_NO_GFN || page->gfn != gfn)
			continue;
		xen_page_unmap(xen, page);
		return true;
	}
	return false;
}
