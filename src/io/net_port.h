/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a network device's packets go and come from: a tap interface, or passt. What the guest's queues
 * look like is the device's own; packets have virtio's header (virtio 1.2, 5.1.6), whoever sends them.
 */
#ifndef IO_NET_PORT_H
#define IO_NET_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <abi/virtio_net.h>

#include "io/loop.h"

/* Ethernet's header, and the longest frame: 64 KiB of IP behind it and a VLAN tag. */
#define NET_FRAME_MIN 14
#define NET_FRAME_MAX (65535 + 18)

/* Buffers of one packet, its header included. */
#define NET_PORT_IOV_MAX 1100

/* Packets in a row before the loop looks at something else. */
#define NET_BURST 64

#define NET_FEATURE(name) (1ULL << (name))

/* The device, as the port sees it. Loop thread, all of it. */
struct net_client {
	/*
	 * A packet for the guest. True: it was delivered or dropped. False: the driver has no buffers
	 * now; keep it, and offer it again when the port's receive() is called.
	 */
	bool (*receive)(void *self, const struct virtio_net_hdr *header, const void *frame,
			uint32_t len);
	/* There is room for what send() refused. */
	void (*can_send)(void *self);
	/* The network is gone: the guest sees its link go down. */
	void (*lost)(void *self, const char *why);
	void *self;
};

struct net_port_ops {
	/* virtio's bits of what this one can serve: offloads. */
	uint64_t features;
	/* The driver accepted these. May be NULL. */
	void (*start)(void *self, uint64_t features);
	/*
	 * One packet; the header is a copy, iov is the guest's memory. 0: sent or lost; -EAGAIN: no
	 * room, can_send() will be called.
	 */
	int (*send)(void *self, const struct virtio_net_hdr *header, const struct iovec *iov,
		    unsigned count, uint64_t len);
	/* The driver may have given buffers: go on with the client's receive(). */
	void (*receive)(void *self);
	void (*destroy)(void *self);
	bool has_switches; /* that learn where an address is */
};

/* A zeroed one is none. */
struct net_port {
	const struct net_port_ops *ops;
	void *self;
};

/*
 * It delivers nothing before its receive() is called. The client is copied. The descriptor's errors
 * (io/tap.h, io/passt.h).
 */
int net_tap_create(struct loop *loop, const char *name, const struct net_client *client,
		   struct net_port *ret_port);
int net_user_create(struct loop *loop, const struct net_client *client, struct net_port *ret_port);

static inline void net_port_finish(struct net_port *port)
{
	if (port->ops)
		port->ops->destroy(port->self);
	*port = (struct net_port){ 0 };
}

/* net_rarp.c: tells a network's switches where an address is now. A zeroed one does nothing. */
struct net_rarp {
	struct loop *loop;
	const struct net_port *port;
	uint8_t mac[6];
	struct loop_timer timer;
	unsigned left;
};

/*
 * A few RARP requests (RFC 903), for which the guest's IP address need not be known. port stays until
 * net_rarp_stop().
 */
void net_rarp_begin(struct net_rarp *rarp, struct loop *loop, const struct net_port *port,
		    const uint8_t mac[6]);
void net_rarp_stop(struct net_rarp *rarp);

#endif
