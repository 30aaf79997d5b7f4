/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of virtio-blk: the device and its requests. */
#ifndef DEV_VIRTIO_BLK_IMPL_H
#define DEV_VIRTIO_BLK_IMPL_H

#include <stdatomic.h>

#include <abi/virtio_blk.h>

#include "dev/virtio/blk.h"
#include "dev/virtio/type_bank.h"
#include "dev/virtio/virtio.h"
#include "io/company.h"
#include "io/disk.h"

#define BLK_QUEUE_SIZE 256

/* Data buffers in a request; a chain may have a few more iovecs where buffers cross regions. */
#define BLK_SEGS   254
#define BLK_IOVECS (BLK_SEGS + 4)

/* Ranges in a discard or write-zeroes request, and the longest, in sectors: 2 GiB. */
#define BLK_RANGES	      32
#define BLK_RANGE_SECTORS_MAX (1U << 22)

/* One request under way. Loop thread. */
struct blk_request {
	struct disk_request io;
	struct blk_queue *queue;
	struct blk_request *next; /* free */
	uint8_t *status;	  /* in guest memory */
	uint16_t head;
	uint32_t type;
	uint64_t data_in;      /* bytes in front of the status byte */
	unsigned first, count; /* of ranges */
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
	struct company company;
};

struct blk {
	struct virtio_device *device;
	struct loop *loop;
	struct disk disk; /* given_up: while it is reset or destroyed */
	unsigned queue_count;
	struct virtio_blk_config config; /* fixed, but for writeback */
	_Atomic uint8_t writeback;	 /* as the driver set it */
	char serial[VIRTIO_BLK_ID_LEN];
	struct type_bank bank;

	/* The loop's, from here on. */
	unsigned in_flight;
	bool resetting, quiescing;
	struct iovec *scratch; /* VIRTQ_IOV_MAX */
	struct blk_queue queues[BLK_QUEUES_MAX];
};

/* blk_request.c. Loop thread, all of these. */

/*
 * Serves a queue until it is empty or all requests are under way. The driver is asked to notify
 * only by the lookout's last look, so that a busy one is not interrupted for it.
 */
void blk_serve(struct blk_queue *queue);
bool blk_look(struct loop_lookout *lookout, bool last);
/* blk.c. */

/* Goes on with whoever waits until nothing is under way. */
void blk_request_ended(struct blk *blk);
/* Whether a completed write must be on stable storage (virtio 1.2, 5.2.6.2). */
bool blk_is_writethrough(struct blk *blk);

#endif
