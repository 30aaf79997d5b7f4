/* SPDX-License-Identifier: Apache-2.0 */
/* Rings that the guest has granted: their pages, and the back end's side of them (public/io/ring.h). */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "pv/xen/bus.h"
#include "pv/xen/xen_impl.h"

int xen_area_pin(struct xen *xen, struct xen_area *area, const uint32_t *refs, unsigned count)
{
	int r = GNTST_okay;

	*area = (struct xen_area){ 0 };
	for (unsigned i = 0; i < count && r == GNTST_okay; i++) {
		r = xen_grant_pin(xen, XEN_FERRY_DOMID, refs[i], true, false, &area->grants[i]);
		if (r == GNTST_okay)
			area->pages++;
	}
	if (r != GNTST_okay)
		xen_area_unpin(xen, area);
	return r;
}

void xen_area_unpin(struct xen *xen, struct xen_area *area)
{
	while (area->pages > 0)
		xen_grant_unpin(xen, &area->grants[--area->pages]);
	mem_map_put(area->map);
	area->map = NULL;
}

bool xen_area_refresh(struct xen *xen, struct xen_area *area)
{
	const struct mem_map *map;

	if (area->map && mem_map(&xen->vm->mem) == area->map)
		return true;
	map = mem_map_get(&xen->vm->mem);
	mem_map_put(area->map);
	area->map = map;
	for (unsigned i = 0; i < area->pages; i++) {
		area->hva[i] = mem_map_ptr(map, area->grants[i].gpa, XEN_PAGE_SIZE, true);
		if (area->hva[i])
			continue;
		mem_map_put(map);
		area->map = NULL;
		return false;
	}
	return area->pages > 0;
}

void xen_area_read(const struct xen_area *area, uint32_t at, void *to, uint32_t len)
{
	while (len > 0) {
		uint32_t part = (uint32_t)min_u64(len, XEN_PAGE_SIZE - at % XEN_PAGE_SIZE);

		memcpy(to, area->hva[at / XEN_PAGE_SIZE] + at % XEN_PAGE_SIZE, part);
		to = (uint8_t *)to + part;
		at += part;
		len -= part;
	}
}

void xen_area_write(struct xen *xen, const struct xen_area *area, uint32_t at, const void *from,
		    uint32_t len)
{
	while (len > 0) {
		uint32_t page = at / XEN_PAGE_SIZE;
		uint32_t part = (uint32_t)min_u64(len, XEN_PAGE_SIZE - at % XEN_PAGE_SIZE);

		memcpy(area->hva[page] + at % XEN_PAGE_SIZE, from, part);
		mem_mark_dirty(&xen->vm->mem, area->grants[page].gpa, XEN_PAGE_SIZE);
		from = (const uint8_t *)from + part;
		at += part;
		len -= part;
	}
}

static struct xen_ring *head_of(const struct xen_back_ring *ring)
{
	return (struct xen_ring *)ring->area.hva[0];
}

uint32_t xen_back_ring_rsp_prod(const struct xen_back_ring *ring)
{
	return __atomic_load_n(&head_of(ring)->rsp_prod, __ATOMIC_ACQUIRE);
}

/* Every request that was taken has been answered: both indices are where the answers end. */
void xen_back_ring_begin(struct xen_back_ring *ring, uint32_t entry_size, uint32_t rsp_prod)
{
	uint32_t fit = (ring->area.pages * XEN_PAGE_SIZE - (uint32_t)sizeof(struct xen_ring)) /
		       entry_size;

	ring->entry_size = entry_size;
	ring->entries = 1U << (31 - __builtin_clz(fit));
	ring->req_cons = ring->rsp_prod = rsp_prod;
}

static uint32_t place_of(const struct xen_back_ring *ring, uint32_t index)
{
	return (uint32_t)sizeof(struct xen_ring) + (index & (ring->entries - 1)) * ring->entry_size;
}

/* How many there are to take; the places of those that are not answered yet are not the guest's to fill. */
int xen_back_ring_waiting(const struct xen_back_ring *ring)
{
	uint32_t have = __atomic_load_n(&head_of(ring)->req_prod, __ATOMIC_ACQUIRE) - ring->req_cons;
	uint32_t free = ring->entries - (ring->req_cons - ring->rsp_prod);

	if (have > ring->entries)
		return -EPROTO;
	return (int)min_u64(have, free);
}

int xen_back_ring_take(struct xen_back_ring *ring, void *request, uint32_t size)
{
	int r = xen_back_ring_waiting(ring);

	if (r <= 0)
		return r;
	xen_area_read(&ring->area, place_of(ring, ring->req_cons), request, size);
	ring->req_cons++;
	return 1;
}

void xen_back_ring_untake(struct xen_back_ring *ring, uint32_t count)
{
	ring->req_cons -= count;
}

bool xen_back_ring_ask(struct xen *xen, struct xen_back_ring *ring, uint32_t count)
{
	int r;

	__atomic_store_n(&head_of(ring)->req_event, ring->req_cons + count, __ATOMIC_SEQ_CST);
	mem_mark_dirty(&xen->vm->mem, ring->area.grants[0].gpa, XEN_PAGE_SIZE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	r = xen_back_ring_waiting(ring);
	return r >= 0 && (uint32_t)r < count;
}

void xen_back_ring_give(struct xen *xen, struct xen_back_ring *ring, const void *response,
			uint32_t size)
{
	xen_area_write(xen, &ring->area, place_of(ring, ring->rsp_prod), response, size);
	ring->rsp_prod++;
}

bool xen_back_ring_push(struct xen *xen, struct xen_back_ring *ring)
{
	struct xen_ring *head = head_of(ring);
	uint32_t old = head->rsp_prod, new = ring->rsp_prod, event;

	__atomic_store_n(&head->rsp_prod, new, __ATOMIC_SEQ_CST);
	mem_mark_dirty(&xen->vm->mem, ring->area.grants[0].gpa, XEN_PAGE_SIZE);
	event = __atomic_load_n(&head->rsp_event, __ATOMIC_SEQ_CST);
	return new - event < new - old;
}
