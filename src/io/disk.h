/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that a device serves its guest from: an image, its lock, and requests to it by io_uring. What
 * the device's queues look like is the device's own.
 */
#ifndef IO_DISK_H
#define IO_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "io/disk_image.h"
#include "io/loop.h"

/* For direct I/O with buffers that are not aligned: so many pieces of so many bytes at a time. */
#define DISK_BOUNCES	 16
#define DISK_BOUNCE_SIZE (64U << 10)

struct disk_options {
	const char *id; /* "disk0": for messages */
	const char *path;
	const char *overlay; /* where writes go; NULL: into the image */
	bool readonly;
	bool direct;   /* past the host's page cache */
	bool unlocked; /* a writable image: until disk_lock() */
};

/* The device embeds it. Loop thread, but for lock and unlock. */
struct disk {
	struct loop *loop;
	struct disk_image image;
	char *id, *path;
	bool readonly;
	/* The guest's buffers are no longer to be touched: transfers end by -ECANCELED. The device's. */
	bool given_up;
	struct {
		struct loop_op op;
		unsigned running; /* 0 or 1 */
		void (*done)(void *arg, const char *id, int res);
		void *arg;
	} flush; /* disk_flush() */
	void *zeroes;
	void *bounces[DISK_BOUNCES]; /* free ones */
	unsigned bounce_count, bounces_made;
	struct disk_request *waiting, **waiting_tail; /* for a bounce buffer */
};

/*
 * Opens the image; what the guest may write is locked: an overlay, or the image. -EINVAL: an overlay with
 * readonly or direct; and what disk_image_init() and disk_image_lock() say. finish: nothing is under
 * way; it accepts a zeroed disk.
 */
int disk_init(struct disk *disk, struct loop *loop, const struct disk_options *options);
void disk_finish(struct disk *disk);

/*
 * The lock of a writable image, for handing the disk over to another process and back; a read-only
 * one keeps its own. -EBUSY: another process has it. Any thread.
 */
int disk_lock(struct disk *disk);
void disk_unlock(struct disk *disk);

/*
 * Brings what was written to stable storage: calls done(arg, id, res) then, id as in the options, res
 * 0 or -errno of fdatasync(2); at once for a read-only image. One at a time.
 */
void disk_flush(struct disk *disk, void (*done)(void *arg, const char *id, int res), void *arg);

/* One request under way; the device's. After done(), which may come at once, it may be used again. */
struct disk_request {
	struct disk *disk;
	void (*done)(struct disk_request *request, int res); /* 0 or -errno */

	/* The disk's. */
	struct loop_op op;
	struct disk_request *next; /* waiting for a bounce buffer */
	bool is_write, unmap;
	unsigned retries;
	uint64_t offset; /* in the image, of what remains */
	uint64_t left;
	uint64_t run; /* of left, how much one file of an overlaid disk has */
	void *bounce;
	struct iovec *iov; /* that remain; changed */
	unsigned count;
};

/*
 * disk and done are set. Offsets and lengths are whole blocks of the image (block_size) inside of it, and
 * not 0; the iovecs have as many bytes, none is empty, and stay until it is done.
 */
void disk_read(struct disk_request *request, struct iovec *iov, unsigned count, uint64_t offset,
	       uint64_t len);
void disk_write(struct disk_request *request, struct iovec *iov, unsigned count, uint64_t offset,
		uint64_t len);
void disk_sync(struct disk_request *request);
/* Advice: a host that cannot follow it has done nothing wrong. */
void disk_discard(struct disk_request *request, uint64_t offset, uint64_t len);
/* unmap: a hole will do. */
void disk_zero(struct disk_request *request, uint64_t offset, uint64_t len, bool unmap);

/* Ends by -ECANCELED what has not been given to the host's kernel. */
void disk_drop_waiting(struct disk *disk);

#endif
