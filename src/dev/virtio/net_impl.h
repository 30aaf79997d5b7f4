/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of virtio-net: the device and its queues. */
#ifndef DEV_VIRTIO_NET_IMPL_H
#define DEV_VIRTIO_NET_IMPL_H

#include <stdatomic.h>

#include "dev/virtio/net.h"
#include "dev/virtio/type_bank.h"
#include "dev/virtio/virtio.h"
#include "io/net_port.h"

/* Buffers that one packet may take from the driver (VIRTIO_NET_F_MRG_RXBUF). */
#define NET_BUFFERS_MAX 256

#define FEATURE(name) NET_FEATURE(name)

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
	struct net_port port;
	struct loop_deferred rx_interrupt, tx_interrupt;
	struct net_rarp rarp;
	bool tx_blocked; /* send() refused: the queue waits for can_send() */
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

/* net_queue.c. The driver may have given packets, or commands. */
void net_serve_tx(struct net *net);
void net_serve_ctrl(struct net *net);

/* The port's: struct net_client. */
bool net_receive(void *self, const struct virtio_net_hdr *header, const void *frame, uint32_t len);
void net_can_send(void *self);

#endif
