/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of virtio-net: the device and what a back end supplies. */
#ifndef DEV_VIRTIO_NET_IMPL_H
#define DEV_VIRTIO_NET_IMPL_H

#include <stdatomic.h>

#include <abi/virtio_net.h>

#include "dev/virtio/net.h"
#include "dev/virtio/type_bank.h"
#include "dev/virtio/virtio.h"
#include "io/loop.h"

/* Ethernet's header, and the longest frame: 64 KiB of IP behind it and a VLAN tag. */
#define NET_FRAME_MIN 14
#define NET_FRAME_MAX (65535 + 18)

/* Buffers that one packet may take from the driver (VIRTIO_NET_F_MRG_RXBUF). */
#define NET_BUFFERS_MAX 256

/* Packets in a row before the loop looks at something else. */
#define NET_BURST 64

#define FEATURE(name) (1ULL << (name))

/* Loop thread, all of it. */
struct net_backend_ops {
	/* Feature bits that this back end can serve, besides those of the device. */
	uint64_t features;
	/* The driver accepted these. May be NULL. */
	void (*start)(void *self, uint64_t features);
	/*
	 * One packet; the header is a copy, iov is the guest's memory. 0: sent or lost; -EAGAIN: no
	 * room, net_can_send() will be called.
	 */
	int (*send)(void *self, const struct virtio_net_hdr *header, const struct iovec *iov,
		    unsigned count, uint64_t len);
	/* The driver may have given buffers: go on with net_receive(). */
	void (*receive)(void *self);
	void (*destroy)(void *self);
	bool has_switches; /* that learn where an address is */
};

enum {
	NET_RX,
	NET_TX,
	NET_CTRL,
	NET_QUEUES,
};

struct net {
	struct vm *vm;
	struct loop *loop;
	struct virtio_device *device;
	struct virtqueue *queues[NET_QUEUES];
	uint8_t mac[6];
	uint16_t mtu;
	char id[32];
	_Atomic uint16_t status; /* VIRTIO_NET_S_…: written by the loop, read by vCPUs */
	struct type_bank bank;

	/* The loop's, from here on. */
	const struct net_backend_ops *backend_ops;
	void *backend;
	struct loop_deferred rx_interrupt, tx_interrupt;
	struct loop_timer rarp;
	unsigned rarps_left;
	bool tx_blocked; /* send() refused: the queue waits for net_can_send() */
	struct iovec iov[VIRTQ_IOV_MAX];
	struct {
		uint16_t head;
		uint32_t written;
	} rx_buffers[NET_BUFFERS_MAX]; /* that a packet under way has filled */
};

static inline bool net_has_feature(const struct net *net, unsigned bit)
{
	return virtio_device_features(net->device) & FEATURE(bit);
}

/* net_announce.c. No more RARP requests. */
void net_announce_stop(struct net *net);

/* net_queue.c. The driver may have given packets, or commands. */
void net_serve_tx(struct net *net);
void net_serve_ctrl(struct net *net);

/*
 * Makes the back end; it delivers nothing before its receive() is called. The descriptor's errors.
 */
int net_tap_create(struct net *net, struct loop *loop, const char *name,
		   const struct net_backend_ops **ret_ops, void **ret_self);
int net_user_create(struct net *net, struct loop *loop, const struct net_backend_ops **ret_ops,
		    void **ret_self);

/*
 * A packet for the guest. True: it was delivered or dropped. False: the driver has no buffers now;
 * keep it, and offer it again when receive() is called.
 */
bool net_receive(struct net *net, const struct virtio_net_hdr *header, const void *frame,
		 uint32_t len);
/* There is room for what send() refused. */
void net_can_send(struct net *net);
/* The network is gone: the guest sees its link go down. */
void net_lost(struct net *net, const char *why);

#endif
