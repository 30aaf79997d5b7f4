/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of xen-blk: the back end of a block device (public/io/blkif.h). */
#ifndef PV_XEN_BLK_H
#define PV_XEN_BLK_H

#include "io/company.h"
#include "io/disk.h"
#include "pv/xen/bus.h"
#include "pv/xen/xen.h"

/* Pages in a request, by indirect descriptors. */
#define BLK_SEGMENTS_MAX 256u
/* Grants that a queue keeps pinned for a guest that uses them again; a power of two. */
#define BLK_KEPT_MAX 2048u

struct xen_blk;
struct xen_blk_queue;

/* A request, whatever the width of who made it. */
struct xen_blk_wish {
	uint64_t id, sector, sectors; /* sectors: of a discard */
	uint8_t op; /* as in the response */
	uint8_t flag; /* of a discard */
	bool is_write;
	unsigned count;
	struct xen_blkif_segment segments[BLK_SEGMENTS_MAX];
};

/* One request under way. Loop. */
struct xen_blk_request {
	struct disk_request io;
	struct xen_blk_queue *queue;
	struct xen_blk_request *next; /* free */
	uint64_t id, offset, len;
	uint8_t op;
	bool is_read;
	const struct mem_map *map; /* of the addresses in iov */
	unsigned count, pieces; /* of grants, and of iov */
	struct xen_grant grants[BLK_SEGMENTS_MAX];
	bool is_kept[BLK_SEGMENTS_MAX]; /* the queue's, not the request's */
	struct iovec iov[BLK_SEGMENTS_MAX];
};

struct xen_blk_queue {
	struct xen_blk *blk;
	struct xen_local local;
	struct xen_back_ring ring;
	struct xen_blk_request *free;
	struct loop_deferred burst;
	struct loop_lookout lookout;
	struct company company;
	bool must_push;
	struct xen_grant *kept; /* BLK_KEPT_MAX, by reference; length 0: none */
	unsigned kept_count;
};

/* Loop, but for what is fixed. */
struct xen_blk {
	struct xen_dev dev;
	struct disk disk;
	unsigned number, queues_max; /* fixed */
	uint64_t sectors;    /* fixed */
	/*
	 * Fixed. A front end with persistent grants copies all data to or from pages that it has granted for
	 * good, which spares a back end of another domain the mapping of the guest's pages; ferry has them
	 * mapped, and a pin is cheaper than a copy (public/io/blkif.h, note 7).
	 */
	bool offers_persistent;
	bool is_32;	     /* the guest's requests have the layout of 32-bit code */
	bool keeps_grants;
	bool stopped;
	unsigned in_flight;
	unsigned queue_count;
	uint32_t rsp_prods[XEN_DEV_QUEUES_MAX]; /* lock: where the queues were when they came to rest */
	struct xen_blk_queue queues[XEN_DEV_QUEUES_MAX];
	struct xen_blk_wish wish;
};

/* blk_request.c */
void xen_blk_serve(struct xen_blk_queue *queue);
bool xen_blk_look(struct loop_lookout *lookout, bool last);
void xen_blk_burst_ended(struct loop_deferred *deferred);
/* What was answered is told, and grants that are kept are given back. */
void xen_blk_settle(struct xen_blk_queue *queue);
void xen_blk_forget(struct xen_blk_queue *queue);

/* blk_wish.c. One entry of the ring, read by the guest's layout. -EPROTO: none can be so. */
int xen_blk_wish_read(struct xen_blk *blk, const void *entry);

int xen_blk_bank_add(struct xen_blk *blk);

#endif
