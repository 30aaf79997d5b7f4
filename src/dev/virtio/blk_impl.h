/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of virtio-blk: the device and its requests. */
#ifndef DEV_VIRTIO_BLK_IMPL_H
#define DEV_VIRTIO_BLK_IMPL_H

#include <stdatomic.h>

#include <abi/virtio_blk.h>

#include "dev/virtio/blk.h"
#include "dev/virtio/type_bank.h"
#include "dev/virtio/virtio.h"
#include "io/disk_image.h"
#include "io/loop.h"

#define BLK_QUEUE_SIZE 256

/* Data buffers in a request; a chain may have a few more iovecs where buffers cross regions. */
#define BLK_SEGS   254
#define BLK_IOVECS (BLK_SEGS + 4)

/* Ranges in a discard or write-zeroes request, and the longest, in sectors: 2 GiB. */
#define BLK_RANGES	      32
#define BLK_RANGE_SECTORS_MAX (1U << 22)

/* For direct I/O with buffers that are not aligned: so many pieces of so many bytes at a time. */
#define BLK_BOUNCES	16
#define BLK_BOUNCE_SIZE (64U << 10)

/* Zeros to write where the file system cannot make any. */
#define BLK_ZEROES_SIZE (1U << 20)

/* One request under way. Loop thread. */
struct blk_request {
	struct loop_op op;
	struct blk_queue *queue;
	struct blk_request *next; /* free, or waiting for a bounce buffer */
	uint8_t *status;	  /* in guest memory */
	uint16_t head;
	uint32_t type;
	unsigned retries;
	uint64_t data_in; /* bytes in front of the status byte */
	uint64_t offset;  /* in the image, of what remains */
	uint64_t left;
	uint64_t run; /* of left, how much one file of an overlaid disk has */
	void *bounce;
	unsigned first, count; /* of iov that remain; of ranges */
	union {
		struct iovec iov[BLK_IOVECS];
		struct virtio_blk_discard_write_zeroes ranges[BLK_RANGES];
	};
};

/* Loop thread. */
struct blk_queue {
	struct blk *blk;
	struct virtqueue *virtqueue;
	struct blk_request *requests; /* BLK_QUEUE_SIZE of them */
	struct blk_request *free;     /* those that were used before, the latest first */
	unsigned fresh;		      /* those from here on never were */
	bool starved;		      /* all are under way, and chains may be waiting */
	struct loop_deferred burst;   /* what is done once behind many completions */
	struct loop_lookout lookout;  /* on its list after the queue was seen empty */
	/* For so many notifications the driver is not let go on first, and so many it was last time. */
	unsigned alone, alone_for;
};

struct blk {
	struct virtio_device *device;
	struct loop *loop;
	struct disk_image image;
	char *id, *path;
	bool readonly;
	unsigned queue_count;
	struct virtio_blk_config config; /* fixed, but for writeback */
	_Atomic uint8_t writeback;	 /* as the driver set it */
	char serial[VIRTIO_BLK_ID_LEN];
	struct type_bank bank;

	/* The loop's, from here on. */
	unsigned in_flight;
	bool resetting, quiescing, closing;
	struct {
		struct loop_op op;
		unsigned running; /* 0 or 1 */
		void (*done)(void *arg, const char *id, int res);
		void *arg;
	} flush;	       /* blk_flush() */
	struct iovec *scratch; /* VIRTQ_IOV_MAX */
	void *zeroes;
	void *bounces[BLK_BOUNCES]; /* free ones */
	unsigned bounce_count, bounces_made;
	struct blk_request *waiting, **waiting_tail; /* for a bounce buffer */
	struct blk_queue queues[BLK_QUEUES_MAX];
};

/* blk_request.c. Loop thread, all of these. */

/*
 * Serves a queue until it is empty or all requests are under way. The driver is asked to notify
 * only by the lookout's last look, so that a busy one is not interrupted for it.
 */
void blk_serve(struct blk_queue *queue);
bool blk_look(struct loop_lookout *lookout, bool last);
/* Gives the chain back with its status; the request is free then. */
void blk_complete(struct blk_request *request, uint8_t status);
/* The request is free, its chain forgotten. */
void blk_end(struct blk_request *request);
void blk_request_give(struct blk_queue *queue, struct blk_request *request);

/* blk_io.c. Each ends with blk_complete() or blk_end(), now or later. */

/* Moves iov, offset and left between the guest and the image. */
void blk_begin_transfer(struct blk_request *request);
void blk_begin_sync(struct blk_request *request);
/* Goes on with ranges[first]; when all are done, the request is. */
void blk_next_range(struct blk_request *request);
void blk_release_bounce(struct blk_request *request);
/* Ends without a trace what has not been given to the host's kernel. */
void blk_drop_waiting(struct blk *blk);
/* Moves the beginning of an array of iovecs on by so many bytes, at most its sum. */
void blk_skip(struct iovec *iov, unsigned *first, unsigned *count, uint64_t bytes);

/* blk.c. */

/* Goes on with whoever waits until nothing is under way. */
void blk_request_ended(struct blk *blk);
/* Whether a completed write must be on stable storage (virtio 1.2, 5.2.6.2). */
bool blk_is_writethrough(struct blk *blk);

#endif
