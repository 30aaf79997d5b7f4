/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of xen-net: the back end of a network device (public/io/netif.h). */
#ifndef PV_XEN_NET_H
#define PV_XEN_NET_H

#include "io/net_port.h"
#include "pv/xen/bus.h"
#include "pv/xen/xen.h"

/* Slots of the ring that one packet may take: its pages and what is said of it besides. */
#define NET_SLOTS_MAX 40u

struct xen_net;

struct xen_net_queue {
	struct xen_net *net;
	struct xen_local tx_local, rx_local; /* without a port of its own rx uses tx's */
	struct xen_back_ring tx, rx;
	bool tx_must_push, rx_must_push;
};

/* Loop, but for what is fixed. */
struct xen_net {
	struct xen_dev dev;
	struct net_port port;
	struct net_rarp rarp;
	struct loop_deferred burst;
	unsigned number, queues_max; /* fixed */
	uint8_t mac[6];		     /* fixed */
	bool stopped;
	bool tx_blocked;	   /* the port has no room: it calls when it has */
	bool rx_sg, rx_gso4, rx_gso6; /* what the guest takes */
	unsigned queue_count;
	struct xen_net_queue queues[XEN_DEV_QUEUES_MAX];
	/* Where the rings were when they came to rest: of each queue, what it sends and receives. */
	uint32_t rsp_prods[2 * XEN_DEV_QUEUES_MAX];
	uint8_t frame[NET_FRAME_MAX]; /* a packet that is changed on its way */
};

/* net_tx.c: what the guest sends. */
void xen_net_send(struct xen_net_queue *queue);
/* net_rx.c: a packet for the guest; struct net_client. */
bool xen_net_receive(void *self, const struct virtio_net_hdr *header, const void *frame,
		     uint32_t len);

/* net_packet.c. Where a packet's checksum is: from the first bytes of it. False: it has none. */
struct xen_net_place {
	uint16_t start, offset; /* as in virtio's header */
	uint16_t header_len;	/* of all headers; TCP only */
};
bool xen_net_find_checksum(const uint8_t *frame, uint32_t len, struct xen_net_place *ret_place);
/* Completes what was left partial. */
void xen_net_fill_checksum(uint8_t *frame, uint32_t len, const struct xen_net_place *place);

int xen_net_bank_add(struct xen_net *net);

#endif
