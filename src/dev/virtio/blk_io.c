/* SPDX-License-Identifier: Apache-2.0 */
/* What the host's kernel does for a request of virtio-blk: transfers, flushes, holes and zeros. */
#include "dev/virtio/blk_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* How often a request is given to the kernel again that says EAGAIN or EINTR. */
#define RETRIES_MAX 64

/* Moves the beginning of an array of iovecs on by so many bytes, at most its sum. */
void blk_skip(struct iovec *iov, unsigned *first, unsigned *count, uint64_t bytes)
{
	while (*count && bytes >= iov[*first].iov_len) {
		bytes -= iov[*first].iov_len;
		(*first)++;
		(*count)--;
	}
	if (*count && bytes) {
		iov[*first].iov_base = (uint8_t *)iov[*first].iov_base + bytes;
		iov[*first].iov_len -= bytes;
	}
}

static void sync_done(struct loop_op *op, int res)
{
	struct blk_request *request = container_of(op, struct blk_request, op);

	blk_complete(request, res < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
}

/* What is in an overlay is thrown away: that it outlives a crash of the host is nobody's wish. */
void blk_begin_sync(struct blk_request *request)
{
	struct blk *blk = request->queue->blk;

	if (blk->image.overlay.bits) {
		blk_complete(request, VIRTIO_BLK_S_OK);
		return;
	}
	request->op.done = sync_done;
	loop_fdatasync(blk->loop, &request->op, blk->image.fd);
}

/* The data is where it belongs; with a write-through cache it must also stay there. */
static void data_written(struct blk_request *request)
{
	if (blk_is_writethrough(request->queue->blk))
		blk_begin_sync(request);
	else
		blk_complete(request, VIRTIO_BLK_S_OK);
}

static bool must_retry(struct blk_request *request, int res)
{
	return (res == -EAGAIN || res == -EINTR) && request->retries++ < RETRIES_MAX;
}

static bool is_given_up(const struct blk_request *request)
{
	return request->queue->blk->resetting || request->queue->blk->closing;
}

/* At the end of every operation that writes, whatever came of it: a part may have been written. */
static void mark_written(const struct blk_request *request)
{
	disk_dirty_mark(&request->queue->blk->image.dirty, request->offset, request->left);
}

/* So many bytes from the request's offset on have been written. */
static void mark_overlaid(const struct blk_request *request, uint64_t len)
{
	const struct disk_overlay *overlay = &request->queue->blk->image.overlay;

	if (overlay->bits)
		disk_overlay_mark(overlay, request->offset, len);
}

static void transfer(struct blk_request *request);

static void advance(struct blk_request *request, uint64_t bytes)
{
	blk_skip(request->iov, &request->first, &request->count, bytes);
	request->offset += bytes;
	request->left -= bytes;
}

static void transfer_done(struct loop_op *op, int res)
{
	struct blk_request *request = container_of(op, struct blk_request, op);

	if (request->type == VIRTIO_BLK_T_OUT)
		mark_written(request);
	if (is_given_up(request))
		blk_end(request);
	else if (must_retry(request, res))
		transfer(request);
	else if (res <= 0 || (uint64_t)res > request->left) /* 0: the image became shorter */
		blk_complete(request, VIRTIO_BLK_S_IOERR);
	else {
		uint64_t len = min_u64((uint64_t)res, request->run);

		if (request->bounce && request->type == VIRTIO_BLK_T_IN)
			iov_from_buf(request->iov + request->first, request->count, 0,
				     request->bounce, len);
		if (request->type == VIRTIO_BLK_T_OUT)
			mark_overlaid(request, len);
		advance(request, len);
		if (request->left)
			transfer(request);
		else if (request->type == VIRTIO_BLK_T_OUT)
			data_written(request);
		else
			blk_complete(request, VIRTIO_BLK_S_OK);
	}
}

static void transfer_bounced(struct blk_request *request)
{
	struct blk *blk = request->queue->blk;
	unsigned len = (unsigned)min_u64(request->left, BLK_BOUNCE_SIZE);

	if (request->type == VIRTIO_BLK_T_OUT) {
		iov_to_buf(request->iov + request->first, request->count, 0, request->bounce, len);
		loop_write(blk->loop, &request->op, blk->image.fd, request->bounce, len,
			   request->offset);
	} else {
		loop_read(blk->loop, &request->op, blk->image.fd, request->bounce, len,
			  request->offset);
	}
}

/*
 * The file that has the request's beginning, and in *count the iovecs that hold as much as it has. The
 * last of them may reach further; what is read too much is read again from the other file.
 */
static int choose_file(struct blk_request *request, unsigned *count)
{
	const struct disk_image *image = &request->queue->blk->image;
	uint64_t held = 0;
	bool written;

	request->run = request->left;
	if (!image->overlay.bits || request->type == VIRTIO_BLK_T_OUT)
		return image->fd;
	request->run = min_u64(request->left, disk_overlay_run(&image->overlay, request->offset,
							       request->left, &written));
	for (*count = 0; held < request->run; (*count)++)
		held += request->iov[request->first + *count].iov_len;
	return written ? image->fd : image->overlay.base;
}

static void transfer(struct blk_request *request)
{
	struct blk *blk = request->queue->blk;
	const struct iovec *iov = request->iov + request->first;
	unsigned count = request->count;
	int fd = choose_file(request, &count);

	request->op.done = transfer_done;
	if (request->bounce)
		transfer_bounced(request);
	else if (request->type == VIRTIO_BLK_T_OUT)
		loop_writev(blk->loop, &request->op, fd, iov, count, request->offset);
	else
		loop_readv(blk->loop, &request->op, fd, iov, count, request->offset);
}

static bool is_aligned_for_direct(const struct blk_request *request)
{
	uint32_t align = request->queue->blk->image.buffer_align;

	for (unsigned i = 0; align > 1 && i < request->count; i++) {
		const struct iovec *iov = &request->iov[request->first + i];

		if (((uintptr_t)iov->iov_base | iov->iov_len) & (align - 1))
			return false;
	}
	return true;
}

static void *bounce_take(struct blk *blk)
{
	void *bounce = NULL;

	if (blk->bounce_count)
		return blk->bounces[--blk->bounce_count];
	if (blk->bounces_made < BLK_BOUNCES && posix_memalign(&bounce, 4096, BLK_BOUNCE_SIZE) == 0)
		blk->bounces_made++;
	return bounce;
}

/* The buffer goes to the one that has waited longest. */
void blk_release_bounce(struct blk_request *request)
{
	struct blk *blk = request->queue->blk;
	struct blk_request *next = blk->waiting;
	void *bounce = request->bounce;

	request->bounce = NULL;
	if (!bounce)
		return;
	if (!next) {
		blk->bounces[blk->bounce_count++] = bounce;
		return;
	}
	blk->waiting = next->next;
	if (!blk->waiting)
		blk->waiting_tail = &blk->waiting;
	next->bounce = bounce;
	transfer(next);
}

void blk_begin_transfer(struct blk_request *request)
{
	struct blk *blk = request->queue->blk;

	if (!is_aligned_for_direct(request)) {
		request->bounce = bounce_take(blk);
		if (!request->bounce && !blk->bounces_made) { /* nobody would ever wake it */
			blk_complete(request, VIRTIO_BLK_S_IOERR);
			return;
		}
		if (!request->bounce) {
			request->next = NULL;
			*blk->waiting_tail = request;
			blk->waiting_tail = &request->next;
			return;
		}
	}
	transfer(request);
}

void blk_drop_waiting(struct blk *blk)
{
	struct blk_request *request = blk->waiting;

	blk->waiting = NULL;
	blk->waiting_tail = &blk->waiting;
	while (request) {
		struct blk_request *next = request->next;

		blk_request_give(request->queue, request);
		blk->in_flight--;
		request = next;
	}
}

static void zeroes_done(struct loop_op *op, int res);

/* Writes what remains of a range as zeros: for file systems without FALLOC_FL_ZERO_RANGE. */
static void write_zeroes(struct blk_request *request)
{
	struct blk *blk = request->queue->blk;

	request->op.done = zeroes_done;
	loop_write(blk->loop, &request->op, blk->image.fd, blk->zeroes,
		   (unsigned)min_u64(request->left, BLK_ZEROES_SIZE), request->offset);
}

static void zeroes_done(struct loop_op *op, int res)
{
	struct blk_request *request = container_of(op, struct blk_request, op);

	mark_written(request);
	if (is_given_up(request)) {
		blk_end(request);
		return;
	}
	if (must_retry(request, res)) {
		write_zeroes(request);
		return;
	}
	if (res <= 0 || (uint64_t)res > request->left) {
		blk_complete(request, VIRTIO_BLK_S_IOERR);
		return;
	}
	mark_overlaid(request, (uint64_t)res);
	request->offset += (uint64_t)res;
	request->left -= (uint64_t)res;
	if (request->left)
		write_zeroes(request);
	else
		blk_next_range(request);
}

/* A discard is advice: a host that cannot follow it has done nothing wrong. */
static void range_done(struct loop_op *op, int res)
{
	struct blk_request *request = container_of(op, struct blk_request, op);
	bool unsupported = res == -EOPNOTSUPP || res == -ENOSYS;

	if (!unsupported)
		mark_written(request);
	if (res == 0)
		mark_overlaid(request, request->left);
	if (is_given_up(request))
		blk_end(request);
	else if (must_retry(request, res)) {
		request->first--;
		blk_next_range(request);
	} else if (unsupported && request->type == VIRTIO_BLK_T_WRITE_ZEROES)
		write_zeroes(request);
	else if (res < 0 && !unsupported)
		blk_complete(request, VIRTIO_BLK_S_IOERR);
	else
		blk_next_range(request);
}

void blk_next_range(struct blk_request *request)
{
	struct blk *blk = request->queue->blk;
	const struct virtio_blk_discard_write_zeroes *range;
	bool unmap;

	/* fallocate(2) refuses length 0 */
	while (request->first < request->count && !request->ranges[request->first].num_sectors)
		request->first++;
	if (request->first == request->count) {
		data_written(request);
		return;
	}
	range = &request->ranges[request->first++];
	unmap = request->type == VIRTIO_BLK_T_DISCARD ||
		(range->flags & VIRTIO_BLK_WRITE_ZEROES_UNMAP);
	request->offset = range->sector * VIRTIO_BLK_SECTOR;
	request->left = (uint64_t)range->num_sectors * VIRTIO_BLK_SECTOR;
	request->op.done = range_done;
	loop_fallocate(blk->loop, &request->op, blk->image.fd,
		       FALLOC_FL_KEEP_SIZE | (unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE),
		       request->offset, request->left);
}
