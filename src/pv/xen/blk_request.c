/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of a block front end: their pages are pinned, read or written in place, and given back. What
 * was taken from a ring is always answered, so that at rest nothing is left but what is in it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "pv/xen/blk.h"
#include "pv/xen/xen_impl.h"

#define SECTORS_A_PAGE (XEN_PAGE_SIZE / BLKIF_SECTOR)
#define DISCARD_SECURE 1u
#define ENTRY_MAX sizeof(struct xen_blkif_request_64)

static struct xen_blk_request *request_take(struct xen_blk_queue *queue)
{
	struct xen_blk_request *request = queue->free;

	if (!request)
		return calloc(1, sizeof(*request));
	queue->free = request->next;
	return request;
}

static void request_give(struct xen_blk_request *request)
{
	request->next = request->queue->free;
	request->queue->free = request;
}

/* Where a reference is kept, or would be; NULL: there is no room. */
static struct xen_grant *kept_place(struct xen_blk_queue *queue, uint32_t ref)
{
	uint32_t at = ref * 2654435761U;

	for (uint32_t i = 0; i < BLK_KEPT_MAX; i++) {
		struct xen_grant *grant = &queue->kept[(at + i) % BLK_KEPT_MAX];

		if (!grant->length || grant->ref == ref)
			return grant;
	}
	return NULL;
}

/*
 * Pins a page for a request. What a guest that uses its grants again has granted for writing stays pinned
 * until the device comes to rest: half of the places, so that they are found.
 */
static int pin(struct xen_blk_queue *queue, uint32_t ref, bool writable, struct xen_grant *grant,
	       bool *ret_kept)
{
	struct xen *xen = queue->blk->dev.xen;
	struct xen_grant *place = queue->kept ? kept_place(queue, ref) : NULL;
	int r;

	*ret_kept = place && place->length;
	if (*ret_kept) {
		*grant = *place;
		return GNTST_okay;
	}
	if (!place || queue->kept_count >= BLK_KEPT_MAX / 2)
		return xen_grant_pin(xen, XEN_FERRY_DOMID, ref, writable, false, grant);
	r = xen_grant_pin(xen, XEN_FERRY_DOMID, ref, true, false, grant);
	if (r != GNTST_okay)
		return xen_grant_pin(xen, XEN_FERRY_DOMID, ref, writable, false, grant);
	*place = *grant;
	*ret_kept = true;
	queue->kept_count++;
	return GNTST_okay;
}

void xen_blk_forget(struct xen_blk_queue *queue)
{
	for (uint32_t i = 0; i < BLK_KEPT_MAX && queue->kept_count; i++) {
		if (!queue->kept[i].length)
			continue;
		xen_grant_unpin(queue->blk->dev.xen, &queue->kept[i]);
		queue->kept[i].length = 0;
		queue->kept_count--;
	}
}

static bool needs_unpin(const struct xen_blk_request *request)
{
	for (unsigned i = 0; i < request->count; i++)
		if (!request->is_kept[i])
			return true;
	return false;
}

static void unpin(struct xen_blk_request *request)
{
	struct xen *xen = request->queue->blk->dev.xen;

	if (needs_unpin(request)) {
		xen_lock(xen);
		for (unsigned i = 0; i < request->count; i++)
			if (!request->is_kept[i])
				xen_grant_unpin(xen, &request->grants[i]);
		xen_unlock(xen);
	}
	mem_map_put(request->map);
	request->map = NULL;
	request->count = 0;
}

static void respond(struct xen_blk_queue *queue, uint64_t id, uint8_t op, int16_t status)
{
	const struct xen_blkif_response_64 wide = { .id = id, .operation = op, .status = status };
	const struct xen_blkif_response_32 narrow = { .id = id, .operation = op, .status = status };
	struct xen_blk *blk = queue->blk;

	if (!xen_area_refresh(blk->dev.xen, &queue->ring.area))
		return; /* the guest has taken its ring's memory away */
	if (blk->is_32)
		xen_back_ring_give(blk->dev.xen, &queue->ring, &narrow, sizeof(narrow));
	else
		xen_back_ring_give(blk->dev.xen, &queue->ring, &wide, sizeof(wide));
	queue->must_push = true;
	loop_defer(blk->disk.loop, &queue->burst);
}

static void complete(struct xen_blk_request *request, int16_t status)
{
	struct xen_blk_queue *queue = request->queue;
	struct xen_blk *blk = queue->blk;

	if (request->is_read)
		for (unsigned i = 0; i < request->count; i++)
			mem_mark_dirty(&blk->dev.xen->vm->mem, request->grants[i].gpa, XEN_PAGE_SIZE);
	unpin(request);
	respond(queue, request->id, request->op, status);
	request_give(request);
	if (--blk->in_flight == 0 && blk->stopped) {
		for (unsigned q = 0; q < blk->queue_count; q++)
			xen_blk_settle(&blk->queues[q]);
		xen_dev_idle(&blk->dev);
	}
}

static void ended(struct disk_request *io, int res)
{
	complete(container_of(io, struct xen_blk_request, io),
		 res < 0 ? BLKIF_RSP_ERROR : BLKIF_RSP_OKAY);
}

/* A flush that has data: the data follows what was flushed. */
static void flushed(struct disk_request *io, int res)
{
	struct xen_blk_request *request = container_of(io, struct xen_blk_request, io);

	if (res < 0 || !request->count) {
		ended(io, res);
		return;
	}
	request->io.done = ended;
	disk_write(&request->io, request->iov, request->pieces, request->offset, request->len);
}

static bool is_inside(const struct xen_blk *blk, uint64_t sector, uint64_t sectors)
{
	uint32_t block = blk->disk.image.block_size / BLKIF_SECTOR;

	return sectors && range_inside(sector, sectors, blk->sectors) && sector % block == 0 &&
	       sectors % block == 0;
}

static struct iovec piece_of(uint8_t *page, const struct xen_blkif_segment *segment)
{
	size_t from = (size_t)segment->first_sect * BLKIF_SECTOR;

	return (struct iovec){ page + from, (segment->last_sect + (size_t)1) * BLKIF_SECTOR - from };
}

/* One more piece of memory; pages that lie one behind the other are one. */
static void add_piece(struct xen_blk_request *request, struct iovec piece)
{
	struct iovec *last = request->pieces ? &request->iov[request->pieces - 1] : NULL;

	if (last && (uint8_t *)last->iov_base + last->iov_len == piece.iov_base)
		last->iov_len += piece.iov_len;
	else
		request->iov[request->pieces++] = piece;
	request->len += piece.iov_len;
}

/* The pages of the wish become buffers. False: it is refused. */
static bool gather(struct xen_blk_request *request, const struct xen_blk_wish *wish)
{
	struct xen_blk_queue *queue = request->queue;
	struct xen *xen = queue->blk->dev.xen;
	bool ok = true;

	request->map = mem_map_keep(queue->ring.area.map);
	request->len = 0;
	xen_lock(xen);
	for (unsigned i = 0; i < wish->count && ok; i++) {
		const struct xen_blkif_segment *segment = &wish->segments[i];
		struct xen_grant *grant = &request->grants[i];
		uint8_t *hva;

		ok = segment->first_sect <= segment->last_sect &&
		     segment->last_sect < SECTORS_A_PAGE &&
		     pin(queue, segment->gref, !wish->is_write, grant, &request->is_kept[i]) ==
			     GNTST_okay;
		if (!ok)
			break;
		request->count++;
		hva = mem_map_ptr(request->map, grant->gpa, XEN_PAGE_SIZE, !wish->is_write);
		ok = hva != NULL;
		if (ok)
			add_piece(request, piece_of(hva, segment));
	}
	xen_unlock(xen);
	request->offset = wish->sector * BLKIF_SECTOR;
	return ok && is_inside(queue->blk, wish->sector, request->len / BLKIF_SECTOR);
}

static void begin_transfer(struct xen_blk_request *request, const struct xen_blk_wish *wish)
{
	const struct xen_blk *blk = request->queue->blk;
	bool is_flush = wish->op == BLKIF_OP_FLUSH_DISKCACHE;

	if (wish->is_write && blk->disk.readonly) {
		complete(request, BLKIF_RSP_ERROR);
		return;
	}
	if ((wish->count || !is_flush) && !gather(request, wish)) {
		complete(request, BLKIF_RSP_ERROR);
		return;
	}
	request->is_read = !wish->is_write;
	request->io.done = is_flush ? flushed : ended;
	if (is_flush)
		disk_sync(&request->io);
	else if (wish->is_write)
		disk_write(&request->io, request->iov, request->pieces, request->offset,
			   request->len);
	else
		disk_read(&request->io, request->iov, request->pieces, request->offset,
			  request->len);
}

static void begin_discard(struct xen_blk_request *request, const struct xen_blk_wish *wish)
{
	const struct xen_blk *blk = request->queue->blk;

	if (wish->flag & DISCARD_SECURE) {
		complete(request, BLKIF_RSP_EOPNOTSUPP);
		return;
	}
	if (blk->disk.readonly || !is_inside(blk, wish->sector, wish->sectors)) {
		complete(request, BLKIF_RSP_ERROR);
		return;
	}
	request->io.done = ended;
	disk_discard(&request->io, wish->sector * BLKIF_SECTOR, wish->sectors * BLKIF_SECTOR);
}

static void begin(struct xen_blk_queue *queue, struct xen_blk_request *request, int r)
{
	const struct xen_blk_wish *wish = &queue->blk->wish;

	request->queue = queue;
	request->io.disk = &queue->blk->disk;
	request->id = wish->id;
	request->op = wish->op;
	request->is_read = false;
	request->count = request->pieces = 0;
	request->map = NULL;
	queue->blk->in_flight++;
	if (r < 0) {
		complete(request, BLKIF_RSP_ERROR);
		return;
	}
	switch (wish->op) {
	case BLKIF_OP_READ:
	case BLKIF_OP_WRITE:
	case BLKIF_OP_FLUSH_DISKCACHE:
		begin_transfer(request, wish);
		break;
	case BLKIF_OP_DISCARD:
		begin_discard(request, wish);
		break;
	default:
		complete(request, BLKIF_RSP_EOPNOTSUPP);
	}
}

/*
 * Until the ring is empty. Only a last look asks to be notified, as in virtio's: a guest that is busy is
 * not made to leave its CPU for it.
 */
static bool serve(struct xen_blk_queue *queue, bool last)
{
	struct xen_blk *blk = queue->blk;
	uint8_t entry[ENTRY_MAX];
	uint32_t size = queue->ring.entry_size;
	bool served = false;

	if (blk->stopped || !xen_area_refresh(blk->dev.xen, &queue->ring.area))
		return false;
	for (uint32_t left = queue->ring.entries; left && !blk->stopped; left--) {
		struct xen_blk_request *request;

		if (xen_back_ring_waiting(&queue->ring) == 0 &&
		    (!last || xen_back_ring_ask(blk->dev.xen, &queue->ring, 1)))
			break;
		request = request_take(queue);
		if (!request)
			break;
		request->queue = queue;
		if (xen_back_ring_take(&queue->ring, entry, size) != 1) {
			request_give(request);
			return served;
		}
		begin(queue, request, xen_blk_wish_read(blk, entry));
		served = true;
		last = false;
	}
	if (!last && !blk->stopped)
		loop_lookout_add(blk->disk.loop, &queue->lookout);
	return served;
}

bool xen_blk_look(struct loop_lookout *lookout, bool last)
{
	return serve(container_of(lookout, struct xen_blk_queue, lookout), last);
}

void xen_blk_serve(struct xen_blk_queue *queue)
{
	serve(queue, false);
}

static void push(struct xen_blk_queue *queue)
{
	struct xen *xen = queue->blk->dev.xen;

	if (!queue->must_push || !xen_area_refresh(xen, &queue->ring.area))
		return;
	queue->must_push = false;
	if (!xen_back_ring_push(xen, &queue->ring))
		return;
	xen_lock(xen);
	xen_local_raise(&queue->local);
	xen_unlock(xen);
}

void xen_blk_burst_ended(struct loop_deferred *deferred)
{
	push(container_of(deferred, struct xen_blk_queue, burst));
}

void xen_blk_settle(struct xen_blk_queue *queue)
{
	struct xen_blk *blk = queue->blk;

	push(queue);
	xen_lock(blk->dev.xen);
	xen_blk_forget(queue);
	blk->rsp_prods[queue - blk->queues] = queue->ring.rsp_prod;
	xen_unlock(blk->dev.xen);
}
