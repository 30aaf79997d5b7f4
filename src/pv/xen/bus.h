/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back ends of Xen's paravirtual devices: their part of the handshake by Xenstore (public/io/xenbus.h),
 * their ports and their rings, and how they come to rest.
 *
 * A back end belongs to the loop. It takes xen.lock to look at Xenstore, to pin grants and to raise its
 * port; what the guest has put into a ring it reads without.
 */
#ifndef PV_XEN_BUS_H
#define PV_XEN_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include <abi/xen_io.h>

#include "io/kick.h"
#include "io/loop.h"
#include "pv/xen/grant.h"

struct xen;
struct xen_dev;
struct mem_map;

#define XEN_RING_ORDER_MAX 4u
#define XEN_RING_PAGES_MAX (1u << XEN_RING_ORDER_MAX)
#define XEN_DEV_QUEUES_MAX 8u

/*
 * One side of an event channel; the other is the guest's. kick's fn is called on the loop: by a kick
 * when a hypercall has come to ferry, or by an eventfd that KVM signals.
 */
struct xen_local {
	struct xen *xen;
	uint32_t port; /* 0: none */
	struct kick kick;
	int event_fd; /* 0: none */
	struct loop_watch watch;
};

/* On the loop, with the lock. 0, or -EINVAL: the guest has no such port for a back end. */
int xen_local_bind(struct xen_local *local, uint32_t port);
void xen_local_unbind(struct xen_local *local);
void xen_local_raise(struct xen_local *local);

/*
 * Granted pages that are used as one: a ring. Where they are may change with the map of memory;
 * xen_area_refresh() before each use gives the address, which is good until the next.
 */
struct xen_area {
	unsigned pages;
	struct xen_grant grants[XEN_RING_PAGES_MAX];
	uint8_t *hva[XEN_RING_PAGES_MAX];
	const struct mem_map *map; /* kept */
};

/* With the lock. GNTST_…. */
int xen_area_pin(struct xen *xen, struct xen_area *area, const uint32_t *refs, unsigned count);
void xen_area_unpin(struct xen *xen, struct xen_area *area);
/* False: it is not memory any more. */
bool xen_area_refresh(struct xen *xen, struct xen_area *area);
/* Bytes that may cross from one page into the next. */
void xen_area_read(const struct xen_area *area, uint32_t at, void *to, uint32_t len);
void xen_area_write(struct xen *xen, const struct xen_area *area, uint32_t at, const void *from,
		    uint32_t len);

/* The back end's side of a ring of requests and responses. */
struct xen_back_ring {
	struct xen_area area;
	uint32_t entry_size, entries; /* a power of two of them */
	uint32_t req_cons, rsp_prod;
};

/* After the pages are pinned: goes on where the guest's indices say. */
void xen_back_ring_begin(struct xen_back_ring *ring, uint32_t entry_size, uint32_t rsp_prod);
uint32_t xen_back_ring_rsp_prod(const struct xen_back_ring *ring);
/* The next request: 1 and its copy; 0: there is none; -EPROTO: the guest has put in more than fit. */
int xen_back_ring_take(struct xen_back_ring *ring, void *request, uint32_t size);
/* How many there are to take; -EPROTO. */
int xen_back_ring_waiting(const struct xen_back_ring *ring);
/* The last ones that were taken are in front again. */
void xen_back_ring_untake(struct xen_back_ring *ring, uint32_t count);
/* Asks to be notified when there are so many; whether there are still fewer. */
bool xen_back_ring_ask(struct xen *xen, struct xen_back_ring *ring, uint32_t count);
void xen_back_ring_give(struct xen *xen, struct xen_back_ring *ring, const void *response,
			uint32_t size);
/* Publishes what was given; whether the guest wants to be notified of it. */
bool xen_back_ring_push(struct xen *xen, struct xen_back_ring *ring);

/* The numbers of a device's registers: of the disk or the net, its kind, and the queue. */
#define XEN_DEV_REG(kind, number) ((number) << 8 | (kind) << 7)
#define XEN_DEV_REG_QUEUE	  0x7fu

struct xen_dev_ops {
	const char *type; /* "vbd" */
	enum xen_bus_state ready; /* of the guest's, in which its rings are there */
	/* With the lock: what the guest may know before it makes its rings, under dev->back. */
	void (*offer)(struct xen_dev *dev);
	/*
	 * The guest's keys under dev->front are read, its rings are used: from where registers say, when
	 * they were used elsewhere. -errno with a text.
	 */
	int (*connect)(struct xen_dev *dev, bool arrived);
	/*
	 * From here on nothing is begun, and what is under way ends; then is_idle says so, and
	 * xen_dev_idle() is called. The guest's rings are as if all of it had been served, or never
	 * been taken. resume: it goes on, and everything is looked at again.
	 */
	void (*stop)(struct xen_dev *dev);
	bool (*is_idle)(const struct xen_dev *dev);
	void (*resume)(struct xen_dev *dev, bool arrived);
	/* Idle. Also after a connect that failed. */
	void (*disconnect)(struct xen_dev *dev);
	/* The loop runs no more: drains it, disconnects, frees it. */
	void (*destroy)(struct xen_dev *dev);
};

struct xen_dev {
	struct xen *xen;
	const struct xen_dev_ops *ops;
	uint32_t number; /* in its paths; of its type it is the only one with it */
	char id[32];
	char front[64], back[64];
	struct kick kick; /* the guest's state has changed */
	struct xen_dev *next;
	/* The loop's. */
	bool is_connected;
	/* lock: */
	bool must_reset;  /* the guest begins anew */
	bool has_arrived; /* its rings are another process's: they are to be used from here */
};

/* Makes its paths and what is in them, and links it: the xen's from then on. */
int xen_dev_add(struct xen *xen, struct xen_dev *dev, const struct xen_dev_ops *ops,
		const char *id, uint32_t number);
void xen_devs_destroy(struct xen *xen);
void xen_dev_idle(struct xen_dev *dev);
/* Xenstore's nodes have changed, by the guest. With the lock, any thread. */
void xen_devs_changed(void *self, const char *path);
/* With the lock. */
void xen_devs_reset(struct xen *xen);
void xen_devs_go_on(struct xen *xen, bool arrived);
/* Of the guest's keys, in dir or of the device. With the lock. */
uint64_t xen_dev_front(struct xen_dev *dev, const char *key, uint64_t otherwise);
void xen_dev_tell(struct xen_dev *dev, const char *key, uint64_t value);

#endif
