/* SPDX-License-Identifier: Apache-2.0 */
/* Grants that the guest itself uses: copies between pages of its own. */
#include <string.h>

#include "base/util.h"
#include "pv/xen/hypercall.h"

/* One side of a copy. */
struct side {
	bool is_pinned;
	struct xen_grant grant; /* of a frame of the caller's own: all of it */
};

static int16_t check_domain(const struct xen_gnttab_copy_ptr_64 *ptr, bool is_grant)
{
	if (ptr->domid != XEN_DOMID_SELF && !is_grant)
		return GNTST_permission_denied;
	if (!xen_is_self(ptr->domid) && ptr->domid != XEN_FERRY_DOMID)
		return GNTST_bad_domain;
	return GNTST_okay;
}

static int16_t take_side(struct xen *xen, const struct xen_gnttab_copy_ptr_64 *ptr, uint32_t len,
			 bool is_grant, bool writable, struct side *side)
{
	int16_t status = check_domain(ptr, is_grant);

	if (status != GNTST_okay)
		return status;
	if (is_grant && !xen_is_self(ptr->domid))
		return GNTST_bad_gntref; /* ferry grants nothing */
	if (is_grant) {
		status = (int16_t)xen_grant_pin(xen, XEN_GUEST_DOMID, (uint32_t)ptr->which, writable,
						true, &side->grant);
		side->is_pinned = status == GNTST_okay;
	} else {
		side->grant = (struct xen_grant){ .gpa = ptr->which * XEN_PAGE_SIZE,
						  .length = XEN_PAGE_SIZE };
		if (ptr->which >= UINT64_MAX >> 12 ||
		    !(writable ? mem_ptr_rw(&xen->vm->mem, side->grant.gpa, XEN_PAGE_SIZE)
			       : mem_ptr(&xen->vm->mem, side->grant.gpa, XEN_PAGE_SIZE)))
			status = GNTST_bad_page;
	}
	if (status == GNTST_okay &&
	    (ptr->offset < side->grant.offset ||
	     ptr->offset + len > (uint32_t)side->grant.offset + side->grant.length))
		status = GNTST_general_error;
	return status;
}

static int16_t copy_one(struct xen *xen, const struct xen_gnttab_copy_64 *op)
{
	struct side source = { 0 }, dest = { 0 };
	int16_t status;

	if (op->source.offset + op->len > XEN_PAGE_SIZE || op->dest.offset + op->len > XEN_PAGE_SIZE)
		return GNTST_bad_copy_arg;
	status = take_side(xen, &op->source, op->len, op->flags & GNTCOPY_source_gref, false,
			   &source);
	if (status == GNTST_okay)
		status = take_side(xen, &op->dest, op->len, op->flags & GNTCOPY_dest_gref, true,
				   &dest);
	if (status == GNTST_okay) {
		uint8_t page[XEN_PAGE_SIZE];

		if (mem_read(&xen->vm->mem, source.grant.gpa + op->source.offset, page, op->len) < 0 ||
		    mem_write(&xen->vm->mem, dest.grant.gpa + op->dest.offset, page, op->len) < 0)
			status = GNTST_bad_page;
	}
	if (source.is_pinned)
		xen_grant_unpin(xen, &source.grant);
	if (dest.is_pinned)
		xen_grant_unpin(xen, &dest.grant);
	return status;
}

static int read_op(struct xen_call *call, uint64_t arg, struct xen_gnttab_copy_64 *op)
{
	struct xen_gnttab_copy_32 narrow;

	if (call->longmode)
		return xen_copy_in(call, op, arg, sizeof(*op));
	if (xen_copy_in(call, &narrow, arg, sizeof(narrow)))
		return -XEN_EFAULT;
	*op = (struct xen_gnttab_copy_64){
		.source = { narrow.source.which, narrow.source.domid, narrow.source.offset, 0 },
		.dest = { narrow.dest.which, narrow.dest.domid, narrow.dest.offset, 0 },
		.len = narrow.len,
		.flags = narrow.flags,
	};
	return 0;
}

int64_t xen_grant_copy(struct xen_call *call, uint64_t arg, uint32_t count)
{
	uint64_t size = call->longmode ? sizeof(struct xen_gnttab_copy_64)
				       : sizeof(struct xen_gnttab_copy_32);
	uint64_t at = call->longmode ? offsetof(struct xen_gnttab_copy_64, status)
				     : offsetof(struct xen_gnttab_copy_32, status);

	for (uint32_t i = 0; i < count; i++, arg += size) {
		struct xen_gnttab_copy_64 op;

		if (read_op(call, arg, &op))
			return -XEN_EFAULT;
		xen_lock(call->xen);
		op.status = copy_one(call->xen, &op);
		xen_unlock(call->xen);
		if (xen_copy_out(call, arg + at, &op.status, sizeof(op.status)))
			return -XEN_EFAULT;
	}
	return 0;
}
