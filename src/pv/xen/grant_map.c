/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grants that the guest maps: its own, for ferry grants nothing. The page is found at a second address, where
 * nothing was before (Linux: xen_alloc_unpopulated_pages), as long as the handle is held.
 *
 * Where memory is being copied its map cannot change, and the guest is asked to try again (GNTST_eagain, as Xen
 * says of a page that is paged out). What is mapped are registers; they are listed with Xen's pages, for memory
 * is laid out by them before it comes.
 */
#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "mem/txn.h"
#include "mem/window.h"
#include "pv/xen/hypercall.h"

static int put_page(struct xen *xen, const struct xen_grant_map *map)
{
	struct mem *mem = &xen->vm->mem;
	struct mem_txn txn;
	int r;

	if (map->gfn >= 1ULL << (arch_address_bits(xen->vm) - 12))
		return -EINVAL;
	r = mem_change_begin(mem);
	if (r < 0)
		return r;
	mem_txn_begin(&txn, mem);
	mem_txn_map_alias(&txn, "a grant", map->gfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE,
			  (map->flags & GNTMAP_readonly) ? MEM_READONLY : 0,
			  mem_ptr(mem, map->frame * XEN_PAGE_SIZE, XEN_PAGE_SIZE));
	r = mem_txn_commit(&txn);
	mem_change_end(mem);
	return r;
}

static int take_page(struct xen *xen, const struct xen_grant_map *map)
{
	struct mem *mem = &xen->vm->mem;
	struct mem_txn txn;
	int r = mem_change_begin(mem);

	if (r < 0)
		return r;
	mem_txn_begin(&txn, mem);
	mem_txn_unmap(&txn, map->gfn * XEN_PAGE_SIZE);
	r = mem_txn_commit(&txn);
	mem_change_end(mem);
	return r;
}

static int16_t status_of(int r)
{
	error_clear();
	if (r == 0)
		return GNTST_okay;
	return r == -EBUSY ? GNTST_eagain : GNTST_general_error;
}

/* In Xen's order (xen/common/grant_table.c, map_grant_ref()). */
static int16_t check_map(const struct xen_gnttab_map_grant_ref *op)
{
	if (!(op->flags & (GNTMAP_device_map | GNTMAP_host_map)))
		return GNTST_bad_gntref;
	if (op->flags & (GNTMAP_device_map | GNTMAP_application_map | GNTMAP_contains_pte))
		return GNTST_general_error;
	if (!xen_is_self(op->dom) && op->dom != XEN_FERRY_DOMID)
		return GNTST_bad_domain;
	return GNTST_okay;
}

static struct xen_grant_map *find_free(struct xen *xen)
{
	for (size_t i = 0; i < ARRAY_SIZE(xen->grants.map); i++)
		if (!xen->grants.map[i].flags)
			return &xen->grants.map[i];
	return NULL;
}

/* With the lock. */
static int16_t map_one(struct xen *xen, struct xen_gnttab_map_grant_ref *op)
{
	struct xen_grant_map *free, map = { .ref = op->ref, .flags = op->flags,
					    .gfn = op->host_addr / XEN_PAGE_SIZE };
	struct xen_grant grant;
	int16_t status = check_map(op);

	if (status != GNTST_okay)
		return status;
	free = find_free(xen);
	if (!free)
		return GNTST_no_device_space;
	if (op->dom == XEN_FERRY_DOMID)
		return GNTST_bad_gntref;
	status = (int16_t)xen_grant_pin(xen, XEN_GUEST_DOMID, op->ref, !(op->flags & GNTMAP_readonly),
					false, &grant);
	if (status != GNTST_okay)
		return status;
	map.frame = grant.gpa / XEN_PAGE_SIZE;
	status = status_of(put_page(xen, &map));
	if (status != GNTST_okay) {
		xen_grant_unpin(xen, &grant);
		return status;
	}
	*free = map;
	op->handle = (uint32_t)(free - xen->grants.map);
	op->dev_bus_addr = grant.gpa;
	return GNTST_okay;
}

int64_t xen_grant_map(struct xen_call *call, uint64_t arg, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++, arg += sizeof(struct xen_gnttab_map_grant_ref)) {
		struct xen_gnttab_map_grant_ref op;

		if (xen_copy_in(call, &op, arg, sizeof(op)))
			return -XEN_EFAULT;
		xen_lock(call->xen);
		op.status = map_one(call->xen, &op);
		xen_unlock(call->xen);
		if (xen_copy_out(call, arg, &op, sizeof(op)))
			return -XEN_EFAULT;
	}
	return 0;
}

static int16_t unmap(struct xen *xen, struct xen_grant_map *map)
{
	const struct xen_grant grant = { .ref = map->ref, .writable = !(map->flags & GNTMAP_readonly) };
	int16_t status = status_of(take_page(xen, map));

	if (status != GNTST_okay)
		return status;
	xen_grant_unpin(xen, &grant);
	*map = (struct xen_grant_map){ 0 };
	return GNTST_okay;
}

/* As unmap_common(): without an address nothing of a host's mapping goes. With the lock. */
static int16_t unmap_one(struct xen *xen, const struct xen_gnttab_unmap_grant_ref *op, bool replaces)
{
	struct xen_grant_map *map;

	if (op->handle >= ARRAY_SIZE(xen->grants.map) || !xen->grants.map[op->handle].flags)
		return GNTST_bad_handle;
	map = &xen->grants.map[op->handle];
	if (!op->host_addr)
		return GNTST_okay;
	/* Of the call that replaces, it is the address of what comes in its place: PV domains have such. */
	if ((replaces && op->dev_bus_addr) || op->host_addr / XEN_PAGE_SIZE != map->gfn)
		return GNTST_general_error;
	return unmap(xen, map);
}

int64_t xen_grant_unmap(struct xen_call *call, uint64_t arg, uint32_t count, bool replaces)
{
	for (uint32_t i = 0; i < count; i++, arg += sizeof(struct xen_gnttab_unmap_grant_ref)) {
		struct xen_gnttab_unmap_grant_ref op;

		if (xen_copy_in(call, &op, arg, sizeof(op)))
			return -XEN_EFAULT;
		xen_lock(call->xen);
		op.status = unmap_one(call->xen, &op, replaces);
		xen_unlock(call->xen);
		if (xen_copy_out(call, arg, &op, sizeof(op)))
			return -XEN_EFAULT;
	}
	return 0;
}

/* The entry and its status come with memory. */
int xen_grant_map_restore(struct xen *xen, uint32_t handle, const struct xen_grant_map *map)
{
	struct xen_grant_map *now = &xen->grants.map[handle];
	int r;

	if (memcmp(now, map, sizeof(*now)) == 0)
		return 0;
	if (now->flags || (map->flags & ~(uint32_t)GNTMAP_readonly) != GNTMAP_host_map ||
	    map->frame >= UINT64_MAX >> 12 || map->ref >= XEN_GRANT_FRAMES * XEN_GRANTS_A_FRAME)
		return because(-EINVAL, "xen: grant %u cannot be mapped by handle %u", map->ref, handle);
	r = xen_grant_pin_again(xen, map->ref, map->frame, !(map->flags & GNTMAP_readonly));
	if (r < 0)
		return r;
	r = put_page(xen, map);
	if (r == 0)
		*now = *map;
	return r;
}
