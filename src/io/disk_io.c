/* SPDX-License-Identifier: Apache-2.0 */
/* What the host's kernel does for a request to a disk: transfers, flushes, holes and zeros. */
#include "io/disk_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "io/disk.h"
#include "io/iov.h"

/* How often a request is given to the kernel again that says EAGAIN or EINTR. */
#define RETRIES_MAX 64

static void transfer(struct disk_request *request);

/* The buffer goes to the one that has waited longest. */
static void release_bounce(struct disk_request *request)
{
	struct disk *disk = request->disk;
	struct disk_request *next = disk->waiting;
	void *bounce = request->bounce;

	request->bounce = NULL;
	if (!bounce)
		return;
	if (!next) {
		disk->bounces[disk->bounce_count++] = bounce;
		return;
	}
	disk->waiting = next->next;
	if (!disk->waiting)
		disk->waiting_tail = &disk->waiting;
	next->bounce = bounce;
	transfer(next);
}

static void end(struct disk_request *request, int res)
{
	release_bounce(request);
	request->done(request, res);
}

static bool must_retry(struct disk_request *request, int res)
{
	return (res == -EAGAIN || res == -EINTR) && request->retries++ < RETRIES_MAX;
}

/* At the end of every operation that writes, whatever came of it: a part may have been written. */
static void mark_written(const struct disk_request *request)
{
	disk_dirty_mark(&request->disk->image.dirty, request->offset, request->left);
}

/* So many bytes from the request's offset on have been written. */
static void mark_overlaid(const struct disk_request *request, uint64_t len)
{
	const struct disk_overlay *overlay = &request->disk->image.overlay;

	if (overlay->bits)
		disk_overlay_mark(overlay, request->offset, len);
}

static void transfer_done(struct loop_op *op, int res)
{
	struct disk_request *request = container_of(op, struct disk_request, op);

	if (request->is_write)
		mark_written(request);
	if (request->disk->given_up) {
		end(request, -ECANCELED);
	} else if (must_retry(request, res)) {
		transfer(request);
	} else if (res <= 0 || (uint64_t)res > request->left) { /* 0: the image became shorter */
		end(request, res < 0 ? res : -EIO);
	} else {
		uint64_t len = min_u64((uint64_t)res, request->run);

		if (request->bounce && !request->is_write)
			iov_from_buf(request->iov, request->count, 0, request->bounce, len);
		if (request->is_write)
			mark_overlaid(request, len);
		iov_skip(&request->iov, &request->count, len);
		request->offset += len;
		request->left -= len;
		if (request->left)
			transfer(request);
		else
			end(request, 0);
	}
}

static void transfer_bounced(struct disk_request *request)
{
	struct disk *disk = request->disk;
	unsigned len = (unsigned)min_u64(request->left, DISK_BOUNCE_SIZE);

	if (request->is_write) {
		iov_to_buf(request->iov, request->count, 0, request->bounce, len);
		loop_write(disk->loop, &request->op, disk->image.fd, request->bounce, len,
			   request->offset);
	} else {
		loop_read(disk->loop, &request->op, disk->image.fd, request->bounce, len,
			  request->offset);
	}
}

/*
 * The file that has the request's beginning, and in *count the iovecs that hold as much as it has. The
 * last of them may reach further; what is read too much is read again from the other file.
 */
static int choose_file(struct disk_request *request, unsigned *count)
{
	const struct disk_image *image = &request->disk->image;
	uint64_t held = 0;
	bool written;

	request->run = request->left;
	if (!image->overlay.bits || request->is_write)
		return image->fd;
	request->run = min_u64(request->left, disk_overlay_run(&image->overlay, request->offset,
							       request->left, &written));
	for (*count = 0; held < request->run; (*count)++)
		held += request->iov[*count].iov_len;
	return written ? image->fd : image->overlay.base;
}

static void transfer(struct disk_request *request)
{
	struct disk *disk = request->disk;
	unsigned count = request->count;
	int fd = choose_file(request, &count);

	request->op.done = transfer_done;
	if (request->bounce)
		transfer_bounced(request);
	else if (request->is_write)
		loop_writev(disk->loop, &request->op, fd, request->iov, count, request->offset);
	else
		loop_readv(disk->loop, &request->op, fd, request->iov, count, request->offset);
}

static bool is_aligned_for_direct(const struct disk_request *request)
{
	uint32_t align = request->disk->image.buffer_align;

	for (unsigned i = 0; align > 1 && i < request->count; i++) {
		const struct iovec *iov = &request->iov[i];

		if (((uintptr_t)iov->iov_base | iov->iov_len) & (align - 1))
			return false;
	}
	return true;
}

static void *bounce_take(struct disk *disk)
{
	void *bounce = NULL;

	if (disk->bounce_count)
		return disk->bounces[--disk->bounce_count];
	if (disk->bounces_made < DISK_BOUNCES &&
	    posix_memalign(&bounce, 4096, DISK_BOUNCE_SIZE) == 0)
		disk->bounces_made++;
	return bounce;
}

static void begin_transfer(struct disk_request *request, struct iovec *iov, unsigned count,
			   uint64_t offset, uint64_t len)
{
	struct disk *disk = request->disk;

	request->iov = iov;
	request->count = count;
	request->offset = offset;
	request->left = len;
	request->retries = 0;
	request->bounce = NULL;
	if (!is_aligned_for_direct(request)) {
		request->bounce = bounce_take(disk);
		if (!request->bounce && !disk->bounces_made) { /* nobody would ever wake it */
			end(request, -ENOMEM);
			return;
		}
		if (!request->bounce) {
			request->next = NULL;
			*disk->waiting_tail = request;
			disk->waiting_tail = &request->next;
			return;
		}
	}
	transfer(request);
}

void disk_read(struct disk_request *request, struct iovec *iov, unsigned count, uint64_t offset,
	       uint64_t len)
{
	request->is_write = false;
	begin_transfer(request, iov, count, offset, len);
}

void disk_write(struct disk_request *request, struct iovec *iov, unsigned count, uint64_t offset,
		uint64_t len)
{
	request->is_write = true;
	begin_transfer(request, iov, count, offset, len);
}

void disk_drop_waiting(struct disk *disk)
{
	struct disk_request *request = disk->waiting;

	disk->waiting = NULL;
	disk->waiting_tail = &disk->waiting;
	while (request) {
		struct disk_request *next = request->next;

		end(request, -ECANCELED);
		request = next;
	}
}

static void sync_done(struct loop_op *op, int res)
{
	end(container_of(op, struct disk_request, op), res < 0 ? res : 0);
}

/* What is in an overlay is thrown away: that it outlives a crash of the host is nobody's wish. */
void disk_sync(struct disk_request *request)
{
	request->bounce = NULL;
	if (request->disk->image.overlay.bits) {
		end(request, 0);
		return;
	}
	request->op.done = sync_done;
	loop_fdatasync(request->disk->loop, &request->op, request->disk->image.fd);
}

static void allocate(struct disk_request *request, int mode, void (*done)(struct loop_op *, int))
{
	request->op.done = done;
	loop_fallocate(request->disk->loop, &request->op, request->disk->image.fd,
		       FALLOC_FL_KEEP_SIZE | mode, request->offset, request->left);
}

static bool is_unsupported(int res)
{
	return res == -EOPNOTSUPP || res == -ENOSYS;
}

static void discard_done(struct loop_op *op, int res)
{
	struct disk_request *request = container_of(op, struct disk_request, op);

	if (!is_unsupported(res))
		mark_written(request);
	if (res == 0)
		mark_overlaid(request, request->left);
	if (request->disk->given_up)
		end(request, -ECANCELED);
	else if (must_retry(request, res))
		allocate(request, FALLOC_FL_PUNCH_HOLE, discard_done);
	else
		end(request, res < 0 && !is_unsupported(res) ? res : 0);
}

static void begin_range(struct disk_request *request, uint64_t offset, uint64_t len)
{
	request->offset = offset;
	request->left = len;
	request->retries = 0;
	request->bounce = NULL;
}

void disk_discard(struct disk_request *request, uint64_t offset, uint64_t len)
{
	begin_range(request, offset, len);
	allocate(request, FALLOC_FL_PUNCH_HOLE, discard_done);
}

static void zeroes_done(struct loop_op *op, int res);

/* What remains of the range as zeros: for file systems without FALLOC_FL_ZERO_RANGE. */
static void write_zeroes(struct disk_request *request)
{
	struct disk *disk = request->disk;

	request->op.done = zeroes_done;
	loop_write(disk->loop, &request->op, disk->image.fd, disk->zeroes,
		   (unsigned)min_u64(request->left, DISK_ZEROES_SIZE), request->offset);
}

static void zeroes_done(struct loop_op *op, int res)
{
	struct disk_request *request = container_of(op, struct disk_request, op);

	mark_written(request);
	if (request->disk->given_up) {
		end(request, -ECANCELED);
	} else if (must_retry(request, res)) {
		write_zeroes(request);
	} else if (res <= 0 || (uint64_t)res > request->left) {
		end(request, res < 0 ? res : -EIO);
	} else {
		mark_overlaid(request, (uint64_t)res);
		request->offset += (uint64_t)res;
		request->left -= (uint64_t)res;
		if (request->left)
			write_zeroes(request);
		else
			end(request, 0);
	}
}

static int zero_mode(const struct disk_request *request)
{
	return request->unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
}

static void zero_done(struct loop_op *op, int res)
{
	struct disk_request *request = container_of(op, struct disk_request, op);

	if (!is_unsupported(res))
		mark_written(request);
	if (res == 0)
		mark_overlaid(request, request->left);
	if (request->disk->given_up)
		end(request, -ECANCELED);
	else if (must_retry(request, res))
		allocate(request, zero_mode(request), zero_done);
	else if (is_unsupported(res))
		write_zeroes(request);
	else
		end(request, res < 0 ? res : 0);
}

void disk_zero(struct disk_request *request, uint64_t offset, uint64_t len, bool unmap)
{
	begin_range(request, offset, len);
	request->unmap = unmap;
	allocate(request, zero_mode(request), zero_done);
}
