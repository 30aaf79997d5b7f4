/* SPDX-License-Identifier: Apache-2.0 */
/* grant_table_op, but for copies and maps: sizes, versions, frames (xen/common/grant_table.c). */
#include <string.h>

#include "base/util.h"
#include "pv/xen/hypercall.h"

/* So many operations in one call: Xen would preempt itself. */
#define OPS_MAX 65536u

/* The domain that an operation names: a status. */
static int16_t check_domain(uint16_t dom)
{
	int r = xen_check_self(dom);

	if (r == 0)
		return GNTST_okay;
	return r == -XEN_EPERM ? GNTST_permission_denied : GNTST_bad_domain;
}

/* Where a page is in the guest's physical memory: in Xen, INVALID_GFN is all ones of a word. */
static int copy_gfns(struct xen_call *call, uint64_t list, const struct xen_page *pages,
		     uint32_t count, size_t word)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t gfn = pages[i].gfn;

		if (xen_copy_out(call, list + i * word, &gfn, word))
			return -XEN_EFAULT;
	}
	return 0;
}

static int16_t grow_to(struct xen *xen, uint32_t frames)
{
	if (frames > XEN_GRANT_FRAMES)
		return GNTST_general_error;
	if (frames > xen->grants.frames && xen_grant_grow(xen, frames) < 0)
		return GNTST_general_error;
	return GNTST_okay;
}

static int64_t setup_table(struct xen_call *call, uint64_t arg, uint32_t count)
{
	struct xen_gnttab_setup_table_64 op = { 0 };
	struct xen_gnttab_setup_table_32 narrow = { 0 };
	struct xen_page pages[XEN_GRANT_FRAMES];

	if (count != 1)
		return -XEN_EINVAL;
	if (call->longmode ? xen_copy_in(call, &op, arg, sizeof(op))
			   : xen_copy_in(call, &narrow, arg, sizeof(narrow)))
		return -XEN_EFAULT;
	if (!call->longmode) {
		op.dom = narrow.dom;
		op.nr_frames = narrow.nr_frames;
		op.frame_list = narrow.frame_list;
	}
	op.status = check_domain(op.dom);
	if (op.status == GNTST_okay) {
		xen_lock(call->xen);
		op.status = grow_to(call->xen, op.nr_frames);
		memcpy(pages, call->xen->grants.frame, sizeof(pages));
		xen_unlock(call->xen);
	}
	if (op.status == GNTST_okay &&
	    copy_gfns(call, op.frame_list, pages, op.nr_frames, call->longmode ? 8 : 4))
		op.status = GNTST_bad_virt_addr;
	/* Both widths have the status at the same place. */
	return xen_copy_out(call, arg + offsetof(struct xen_gnttab_setup_table_64, status),
			    &op.status, sizeof(op.status));
}

static int64_t query_size(struct xen_call *call, uint64_t arg, uint32_t count)
{
	struct xen_gnttab_query_size op;

	if (count != 1)
		return -XEN_EINVAL;
	if (xen_copy_in(call, &op, arg, sizeof(op)))
		return -XEN_EFAULT;
	op.status = check_domain(op.dom);
	if (op.status == GNTST_okay) {
		xen_lock(call->xen);
		op.nr_frames = call->xen->grants.frames;
		op.max_nr_frames = XEN_GRANT_FRAMES;
		xen_unlock(call->xen);
	}
	return xen_copy_out(call, arg, &op, sizeof(op));
}

/* The first entries, which a domain's builder has made, survive: as version 1 sees them. */
static int take_reserved(struct xen *xen, struct xen_grant_entry_v1 *reserved)
{
	for (uint32_t i = 0; i < GNTTAB_NR_RESERVED_ENTRIES; i++) {
		struct xen_grant_entry_v2 entry;

		if (xen->grants.version == 1) {
			memcpy(&reserved[i], xen_grant_entry(xen, i), sizeof(reserved[i]));
			continue;
		}
		memcpy(&entry, xen_grant_entry(xen, i), sizeof(entry));
		if ((entry.flags & GTF_type_mask) > GTF_permit_access || entry.flags & GTF_sub_page)
			return -XEN_ENXIO;
		reserved[i] = (struct xen_grant_entry_v1){
			.flags = entry.flags | *xen_grant_status(xen, i),
			.domid = entry.domid,
			.frame = (uint32_t)entry.frame,
		};
	}
	return 0;
}

static void give_reserved(struct xen *xen, const struct xen_grant_entry_v1 *reserved)
{
	const uint16_t status = GTF_reading | GTF_writing;

	for (uint32_t i = 0; i < GNTTAB_NR_RESERVED_ENTRIES; i++) {
		const struct xen_grant_entry_v2 entry = {
			.flags = reserved[i].flags & (uint16_t)~status,
			.domid = reserved[i].domid,
			.frame = reserved[i].frame,
		};

		if (xen->grants.version == 1) {
			memcpy(xen_grant_entry(xen, i), &reserved[i], sizeof(reserved[i]));
			continue;
		}
		memcpy(xen_grant_entry(xen, i), &entry, sizeof(entry));
		*xen_grant_status(xen, i) = reserved[i].flags & status;
	}
}

static int change_version(struct xen *xen, uint32_t version)
{
	struct xen_grant_entry_v1 reserved[GNTTAB_NR_RESERVED_ENTRIES];
	int r;

	if (xen->grants.version == version)
		return 0;
	for (uint32_t i = GNTTAB_NR_RESERVED_ENTRIES; i < xen_grant_entries(xen); i++)
		if (xen_grant_is_pinned(xen, i))
			return -XEN_EBUSY;
	r = take_reserved(xen, reserved);
	if (r == 0)
		r = xen_error(xen_grant_set_version(xen, version));
	if (r == 0)
		give_reserved(xen, reserved);
	return r;
}

static int64_t set_version(struct xen_call *call, uint64_t arg)
{
	uint32_t version;
	int r = -XEN_EINVAL;

	if (xen_copy_in(call, &version, arg, sizeof(version)))
		return -XEN_EFAULT;
	xen_lock(call->xen);
	if (version == 1 || version == 2)
		r = change_version(call->xen, version);
	version = call->xen->grants.version;
	xen_unlock(call->xen);
	return xen_copy_out(call, arg, &version, sizeof(version)) ? -XEN_EFAULT : r;
}

static int64_t get_version(struct xen_call *call, uint64_t arg)
{
	struct xen_gnttab_get_version op;
	int r;

	if (xen_copy_in(call, &op, arg, sizeof(op)))
		return -XEN_EFAULT;
	r = xen_check_self(op.dom);
	if (r < 0)
		return r;
	xen_lock(call->xen);
	op.version = call->xen->grants.version;
	xen_unlock(call->xen);
	return xen_copy_out(call, arg, &op, sizeof(op));
}

static int64_t get_status_frames(struct xen_call *call, uint64_t arg, uint32_t count)
{
	struct xen_gnttab_get_status_frames_64 op = { 0 };
	struct xen_gnttab_get_status_frames_32 narrow = { 0 };
	struct xen_page pages[XEN_GRANT_STATUS_FRAMES];

	if (count != 1)
		return -XEN_EINVAL;
	if (call->longmode ? xen_copy_in(call, &op, arg, sizeof(op))
			   : xen_copy_in(call, &narrow, arg, sizeof(narrow)))
		return -XEN_EFAULT;
	if (!call->longmode) {
		op.nr_frames = narrow.nr_frames;
		op.dom = narrow.dom;
		op.frame_list = narrow.frame_list;
	}
	op.status = check_domain(op.dom);
	if (op.status == GNTST_okay) {
		xen_lock(call->xen);
		if (op.nr_frames > xen_grant_status_frames(call->xen))
			op.status = GNTST_general_error;
		memcpy(pages, call->xen->grants.status, sizeof(pages));
		xen_unlock(call->xen);
	}
	if (op.status == GNTST_okay &&
	    copy_gfns(call, op.frame_list, pages, op.nr_frames, sizeof(uint64_t)))
		op.status = GNTST_bad_virt_addr;
	/* Both widths have the status at the same place. */
	return xen_copy_out(call, arg + offsetof(struct xen_gnttab_get_status_frames_64, status),
			    &op.status, sizeof(op.status));
}

static int16_t swap_one(struct xen *xen, uint32_t a, uint32_t b)
{
	if (a >= xen_grant_entries(xen) || b >= xen_grant_entries(xen))
		return GNTST_bad_gntref;
	if (a != b && (xen_grant_is_pinned(xen, a) || xen_grant_is_pinned(xen, b)))
		return GNTST_eagain;
	xen_grant_swap(xen, a, b);
	return GNTST_okay;
}

static int64_t swap_refs(struct xen_call *call, uint64_t arg, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++, arg += sizeof(struct xen_gnttab_swap_grant_ref)) {
		struct xen_gnttab_swap_grant_ref op;

		if (xen_copy_in(call, &op, arg, sizeof(op)))
			return -XEN_EFAULT;
		xen_lock(call->xen);
		op.status = swap_one(call->xen, op.ref_a, op.ref_b);
		xen_unlock(call->xen);
		if (xen_copy_out(call, arg, &op, sizeof(op)))
			return -XEN_EFAULT;
	}
	return 0;
}

/* Guests have caches that are coherent with their devices': there is nothing to clean. */
static int64_t flush_one(struct xen_call *call, const struct xen_gnttab_cache_flush *op)
{
	if (op->offset >= XEN_PAGE_SIZE || op->length > XEN_PAGE_SIZE ||
	    op->offset + op->length > XEN_PAGE_SIZE)
		return -XEN_EINVAL;
	if (op->length == 0 || op->op == 0)
		return 0;
	if (op->op & GNTTAB_CACHE_SOURCE_GREF)
		return -XEN_EOPNOTSUPP;
	if (op->op & ~(GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL))
		return -XEN_EINVAL;
	if (op->op == GNTTAB_CACHE_INVAL)
		return -XEN_EOPNOTSUPP;
	return mem_ptr(&call->xen->vm->mem, op->which, 1) ? 0 : -XEN_EINVAL;
}

static int64_t cache_flush(struct xen_call *call, uint64_t arg, uint32_t count)
{
	int64_t r = 0;

	for (uint32_t i = 0; i < count && r == 0; i++) {
		struct xen_gnttab_cache_flush op;

		if (xen_copy_in(call, &op, arg + i * sizeof(op), sizeof(op)))
			return -XEN_EFAULT;
		xen_lock(call->xen);
		r = flush_one(call, &op);
		xen_unlock(call->xen);
	}
	return r;
}

int64_t xen_grant_table_op(struct xen_call *call)
{
	uint32_t cmd = (uint32_t)call->args[0], count = (uint32_t)call->args[2];
	uint64_t arg = call->args[1];

	if (count > INT32_MAX)
		return -XEN_EINVAL;
	if (count > OPS_MAX)
		return -XEN_E2BIG;
	switch (cmd) {
	case GNTTABOP_map_grant_ref:
		return xen_grant_map(call, arg, count);
	case GNTTABOP_unmap_grant_ref:
	case GNTTABOP_unmap_and_replace:
		return xen_grant_unmap(call, arg, count, cmd == GNTTABOP_unmap_and_replace);
	case GNTTABOP_setup_table:
		return setup_table(call, arg, count);
	case GNTTABOP_copy:
		return xen_grant_copy(call, arg, count);
	case GNTTABOP_query_size:
		return query_size(call, arg, count);
	case GNTTABOP_set_version:
		return set_version(call, arg);
	case GNTTABOP_get_status_frames:
		return get_status_frames(call, arg, count);
	case GNTTABOP_get_version:
		return get_version(call, arg);
	case GNTTABOP_swap_grant_ref:
		return swap_refs(call, arg, count);
	case GNTTABOP_cache_flush:
		return cache_flush(call, arg, count);
	default:
		return -XEN_ENOSYS;
	}
}
