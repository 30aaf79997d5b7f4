/* SPDX-License-Identifier: Apache-2.0 */
/* memory_op: pages of Xen's in the guest's physmap, and the balloon (xen/common/memory.c). */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "pv/xen/hypercall.h"

/* Extents of one call: Xen would preempt itself. */
#define EXTENTS_MAX 65536
#define ORDER_MAX   18

/* add_to_physmap in one width; the other is widened. */
static int read_add(struct xen_call *call, struct xen_add_to_physmap_64 *op)
{
	struct xen_add_to_physmap_32 narrow;

	if (call->longmode)
		return xen_copy_in(call, op, call->args[1], sizeof(*op));
	if (xen_copy_in(call, &narrow, call->args[1], sizeof(narrow)))
		return -XEN_EFAULT;
	*op = (struct xen_add_to_physmap_64){
		.domid = narrow.domid,
		.size = narrow.size,
		.space = narrow.space,
		.idx = narrow.idx,
		.gpfn = narrow.gpfn,
	};
	return 0;
}

/*
 * The embedded vcpu_infos are told to KVM by xen_sync(), each on its vCPU. What KVM has said in the old ones
 * until then is said again, if there is anything that it could have been said of.
 */
static int map_shared_info(struct xen *xen, uint64_t idx, uint64_t gfn)
{
	bool rescan;
	int r;

	if (idx != 0)
		return -XEN_EINVAL;
	xen_lock(xen);
	rescan = xen_has_ports(xen);
	r = xen_shared_info_map(xen, gfn);
	for (uint32_t i = 0; r == 0 && i < xen->vcpu_count && i < XEN_LEGACY_MAX_VCPUS; i++) {
		struct xen_vcpu *v = &xen->vcpus[i];

		if (v->info_gpa != XEN_NO_GPA)
			continue;
		v->stale |= XEN_STALE_INFO;
		v->rescan = rescan;
	}
	xen_unlock(xen);
	if (r < 0)
		return xen_error(r);
	return xen_sync(xen);
}

/* A page of the guest's goes to another place: what was there is gone, and nothing is where it was. */
static int move_page(struct xen *xen, uint64_t from, uint64_t to)
{
	struct mem *mem = &xen->vm->mem;
	uint8_t page[XEN_PAGE_SIZE];
	uint8_t *hva = NULL;
	int r;

	if (from == to)
		return 0;
	if (from >= UINT64_MAX >> 12 ||
	    mem_read(mem, from * XEN_PAGE_SIZE, page, sizeof(page)) < 0)
		return -XEN_EINVAL;
	xen_lock(xen);
	r = xen_gfn_to_hva(xen, to, &hva);
	xen_unlock(xen);
	if (r == 0)
		r = mem_write(mem, to * XEN_PAGE_SIZE, page, sizeof(page));
	if (r == 0)
		r = mem_discard(mem, from * XEN_PAGE_SIZE, XEN_PAGE_SIZE);
	return r < 0 ? xen_error(r) : 0;
}

static int map_grant_frame(struct xen *xen, uint64_t idx, uint64_t gfn)
{
	int r;

	xen_lock(xen);
	r = xen_grant_add_frame(xen, idx, gfn);
	xen_unlock(xen);
	return r;
}

static int add_one(struct xen *xen, uint32_t space, uint64_t idx, uint64_t gfn)
{
	if (gfn >= UINT64_MAX >> 12)
		return -XEN_EINVAL;
	switch (space) {
	case XENMAPSPACE_shared_info:
		return map_shared_info(xen, idx, gfn);
	case XENMAPSPACE_grant_table:
		return map_grant_frame(xen, idx, gfn);
	case XENMAPSPACE_gmfn:
	case XENMAPSPACE_gmfn_range:
		return move_page(xen, idx, gfn);
	case XENMAPSPACE_gmfn_foreign:
	case XENMAPSPACE_dev_mmio:
		return -XEN_EPERM;
	default:
		return -XEN_EINVAL;
	}
}

static int64_t add_to_physmap(struct xen_call *call)
{
	struct xen_add_to_physmap_64 op;
	int r;

	if (read_add(call, &op))
		return -XEN_EFAULT;
	/* Foreign pages have no place in this structure for the domain. */
	if (op.space == XENMAPSPACE_gmfn_foreign)
		return -XEN_EINVAL;
	r = xen_check_self(op.domid);
	if (r < 0)
		return r;
	if (op.space != XENMAPSPACE_gmfn_range)
		return add_one(call->xen, op.space, op.idx, op.gpfn);
	for (uint32_t i = 0; i < op.size && r == 0; i++)
		r = add_one(call->xen, op.space, op.idx + i, op.gpfn + i);
	return r;
}

static int read_batch(struct xen_call *call, struct xen_add_to_physmap_batch_64 *op)
{
	struct xen_add_to_physmap_batch_32 narrow;

	if (call->longmode)
		return xen_copy_in(call, op, call->args[1], sizeof(*op));
	if (xen_copy_in(call, &narrow, call->args[1], sizeof(narrow)))
		return -XEN_EFAULT;
	*op = (struct xen_add_to_physmap_batch_64){
		.domid = narrow.domid,
		.space = narrow.space,
		.size = narrow.size,
		.extra = narrow.extra,
		.idxs = narrow.idxs,
		.gpfns = narrow.gpfns,
		.errs = narrow.errs,
	};
	return 0;
}

static int64_t add_batch(struct xen_call *call)
{
	size_t word = call->longmode ? 8 : 4;
	struct xen_add_to_physmap_batch_64 op;
	int r;

	if (read_batch(call, &op))
		return -XEN_EFAULT;
	r = xen_check_self(op.domid);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < op.size; i++) {
		uint64_t idx = 0, gfn = 0;
		int32_t err;

		if (xen_copy_in(call, &idx, op.idxs + i * word, word) ||
		    xen_copy_in(call, &gfn, op.gpfns + i * word, word))
			return -XEN_EFAULT;
		err = add_one(call->xen, op.space, idx, gfn);
		if (xen_copy_out(call, op.errs + i * sizeof(err), &err, sizeof(err)))
			return -XEN_EFAULT;
	}
	return 0;
}

static int64_t remove_from_physmap(struct xen_call *call)
{
	struct xen *xen = call->xen;
	struct xen_remove_from_physmap_64 op = { 0 };
	struct xen_remove_from_physmap_32 narrow;
	bool was_grants;
	int r;

	if (call->longmode) {
		if (xen_copy_in(call, &op, call->args[1], sizeof(op)))
			return -XEN_EFAULT;
	} else {
		if (xen_copy_in(call, &narrow, call->args[1], sizeof(narrow)))
			return -XEN_EFAULT;
		op.domid = narrow.domid;
		op.gpfn = narrow.gpfn;
	}
	r = xen_check_self(op.domid);
	if (r < 0)
		return r;
	if (op.gpfn == xen->shared.gfn)
		return map_shared_info(xen, 0, XEN_NO_GFN);
	xen_lock(xen);
	was_grants = xen_grant_remove_frame(xen, op.gpfn);
	xen_unlock(xen);
	if (was_grants)
		return 0;
	if (op.gpfn >= UINT64_MAX >> 12 ||
	    mem_discard(&xen->vm->mem, op.gpfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE) < 0)
		return -XEN_ENOENT;
	return 0;
}

static int64_t memory_map(struct xen_call *call)
{
	struct xen *xen = call->xen;
	struct xen_memory_map_64 op = { 0 };
	struct xen_memory_map_32 narrow = { 0 };
	uint32_t count;

	if (call->longmode) {
		if (xen_copy_in(call, &op, call->args[1], sizeof(op)))
			return -XEN_EFAULT;
	} else {
		if (xen_copy_in(call, &narrow, call->args[1], sizeof(narrow)))
			return -XEN_EFAULT;
		op.nr_entries = narrow.nr_entries;
		op.buffer = narrow.buffer;
	}
	count = (uint32_t)min_u64(op.nr_entries, xen->range_count);
	for (uint32_t i = 0; i < count; i++) {
		struct xen_e820_entry entry = { xen->ranges[i].base, xen->ranges[i].len,
						xen->ranges[i].type };

		if (xen_copy_out(call, op.buffer + i * sizeof(entry), &entry, sizeof(entry)))
			return -XEN_EFAULT;
	}
	/* The count is the first member in both widths. */
	return xen_copy_out(call, call->args[1], &count, sizeof(count));
}

static int read_reservation(struct xen_call *call, struct xen_memory_reservation_64 *op)
{
	struct xen_memory_reservation_32 narrow;

	if (call->longmode)
		return xen_copy_in(call, op, call->args[1], sizeof(*op));
	if (xen_copy_in(call, &narrow, call->args[1], sizeof(narrow)))
		return -XEN_EFAULT;
	*op = (struct xen_memory_reservation_64){
		.extent_start = narrow.extent_start,
		.nr_extents = narrow.nr_extents,
		.extent_order = narrow.extent_order,
		.mem_flags = narrow.mem_flags,
		.domid = narrow.domid,
	};
	return 0;
}

/* Memory that the guest was given is always there for it: it is taken back by using it. */
static bool one_extent(struct xen *xen, uint32_t cmd, uint64_t gfn, uint32_t order)
{
	uint64_t size = (uint64_t)XEN_PAGE_SIZE << order;
	struct mem *mem = &xen->vm->mem;

	if (gfn >= UINT64_MAX >> (12 + ORDER_MAX) || !mem_ptr_rw(mem, gfn * XEN_PAGE_SIZE, size))
		return false;
	return cmd == XENMEM_populate_physmap || mem_discard(mem, gfn * XEN_PAGE_SIZE, size) == 0;
}

/* How many extents were done; the rest was not to be had. */
static int64_t reservation(struct xen_call *call, uint32_t cmd, uint64_t start)
{
	size_t word = call->longmode ? 8 : 4;
	struct xen_memory_reservation_64 op;
	uint64_t done = start;
	int64_t r;

	if (read_reservation(call, &op))
		return (int64_t)start;
	if (start >= op.nr_extents)
		return -XEN_EINVAL;
	r = xen_check_self(op.domid);
	if (r < 0 || cmd == XENMEM_increase_reservation || op.extent_order > ORDER_MAX)
		return (int64_t)start;
	while (done < op.nr_extents && done - start < EXTENTS_MAX) {
		uint64_t gfn = 0;

		if (xen_copy_in(call, &gfn, op.extent_start + done * word, word) ||
		    !one_extent(call->xen, cmd, gfn, op.extent_order))
			break;
		done++;
	}
	return (int64_t)done;
}

static int64_t last_gfn(const struct xen *xen)
{
	const struct mem_map *map = mem_map_get(&xen->vm->mem);
	const struct mem_region *last = mem_map_at(map, map->count - 1);
	uint64_t end = last ? last->gpa + last->size : 0;

	mem_map_put(map);
	return (int64_t)(end / XEN_PAGE_SIZE) - 1;
}

static int64_t pages(struct xen_call *call, uint32_t cmd)
{
	const struct xen *xen = call->xen;
	uint16_t domid;
	int r;

	if (cmd == XENMEM_maximum_ram_page)
		return last_gfn(xen);
	if (xen_copy_in(call, &domid, call->args[1], sizeof(domid)))
		return -XEN_EFAULT;
	r = xen_check_self(domid);
	if (r < 0)
		return r;
	if (cmd == XENMEM_maximum_gpfn)
		return last_gfn(xen);
	return (int64_t)(mem_total(&xen->vm->mem) / XEN_PAGE_SIZE);
}

int64_t xen_memory_op(struct xen_call *call)
{
	uint32_t cmd = call->args[0] & XEN_MEMOP_CMD_MASK;
	uint64_t start = call->args[0] >> XEN_MEMOP_EXTENT_SHIFT;

	switch (cmd) {
	case XENMEM_increase_reservation:
	case XENMEM_decrease_reservation:
	case XENMEM_populate_physmap:
		return reservation(call, cmd, start);
	case XENMEM_maximum_ram_page:
	case XENMEM_current_reservation:
	case XENMEM_maximum_reservation:
	case XENMEM_maximum_gpfn:
		return start ? -XEN_EINVAL : pages(call, cmd);
	case XENMEM_add_to_physmap:
		return start ? -XEN_EINVAL : add_to_physmap(call);
	case XENMEM_add_to_physmap_batch:
		return start ? -XEN_EINVAL : add_batch(call);
	case XENMEM_remove_from_physmap:
		return start ? -XEN_EINVAL : remove_from_physmap(call);
	case XENMEM_memory_map:
		return start ? -XEN_EINVAL : memory_map(call);
	case XENMEM_exchange:
		return -XEN_EOPNOTSUPP;
	default:
		return -XEN_ENOSYS;
	}
}
