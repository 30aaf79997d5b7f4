/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of virtio-net between the driver's buffers and the back end (virtio 1.2, 5.1.6). */
#include "dev/virtio/net_impl.h"

#include <errno.h>

#include "base/util.h"

/*
 * Reception: a packet goes into one chain, or into as many as it takes when the driver merges
 * buffers. The number of them belongs in the first, which is known only at the end.
 */
struct reception {
	struct net *net;
	const uint8_t *frame;
	struct virtio_net_hdr header;
	uint32_t len, done;	 /* of the header and the frame together */
	uint8_t *num_buffers[2]; /* its two bytes in guest memory */
	unsigned count;		 /* of net->rx_buffers */
};

static uint8_t *byte_at(const struct iovec *iov, unsigned count, uint64_t offset)
{
	for (unsigned i = 0; i < count; i++) {
		if (offset < iov[i].iov_len)
			return (uint8_t *)iov[i].iov_base + offset;
		offset -= iov[i].iov_len;
	}
	return NULL;
}

/* Fills one chain with what comes next. */
static void fill(struct reception *rx, const struct virtq_chain *chain)
{
	uint32_t header_len = sizeof(rx->header), written = 0;

	if (!rx->done) {
		uint64_t at = offsetof(struct virtio_net_hdr, num_buffers);

		iov_from_buf(chain->in, chain->in_count, 0, &rx->header, header_len);
		rx->num_buffers[0] = byte_at(chain->in, chain->in_count, at);
		rx->num_buffers[1] = byte_at(chain->in, chain->in_count, at + 1);
		rx->done = written = header_len;
	}
	written += (uint32_t)iov_from_buf(chain->in, chain->in_count, written,
					  rx->frame + (rx->done - header_len), rx->len - rx->done);
	rx->done += written - (rx->count ? 0 : header_len);
	rx->net->rx_buffers[rx->count].head = chain->head;
	rx->net->rx_buffers[rx->count++].written = written;
}

static void give_back(struct reception *rx)
{
	while (rx->count) {
		virtq_unpop(rx->net->queues[NET_RX]);
		rx->count--;
	}
}

static void deliver(struct reception *rx)
{
	struct net *net = rx->net;

	*rx->num_buffers[0] = (uint8_t)rx->count;
	*rx->num_buffers[1] = (uint8_t)(rx->count >> 8);
	for (unsigned i = 0; i < rx->count; i++)
		virtq_push(net->queues[NET_RX], net->rx_buffers[i].head,
			   net->rx_buffers[i].written);
	loop_defer(net->loop, &net->rx_interrupt);
}

/* 5.1.6.3.1: the first buffer holds the header at least. */
static bool is_too_short(struct net *net, const struct virtq_chain *chain)
{
	if (chain->in_len >= sizeof(struct virtio_net_hdr))
		return false;
	virtio_device_broken(net->device, "a receive buffer of %llu bytes",
			     (unsigned long long)chain->in_len);
	return true;
}

bool net_receive(void *self, const struct virtio_net_hdr *header, const void *frame, uint32_t len)
{
	struct net *net = self;
	struct reception rx = { .net = net, .frame = frame, .header = *header };
	unsigned buffers_max = net_has_feature(net, VIRTIO_NET_F_MRG_RXBUF) ? NET_BUFFERS_MAX : 1;
	struct virtq_chain chain;

	if (len < NET_FRAME_MIN || len > NET_FRAME_MAX)
		return true;
	/* 5.1.6.4.1: without the feature the driver may take the flags for granted as zero. */
	if (!net_has_feature(net, VIRTIO_NET_F_GUEST_CSUM))
		rx.header = (struct virtio_net_hdr){ 0 };
	rx.len = (uint32_t)sizeof(rx.header) + len;
	while (rx.done < rx.len && rx.count < buffers_max) {
		if (virtq_pop(net->queues[NET_RX], net->iov, &chain) != 1) {
			give_back(&rx);
			return false;
		}
		if (!rx.count && is_too_short(net, &chain))
			return false;
		fill(&rx, &chain);
	}
	if (rx.done < rx.len)
		give_back(&rx); /* longer than the driver takes: lost, as on a wire */
	else
		deliver(&rx);
	return true;
}

/* Removes the header from the front of the chain's readable part. */
static void skip_header(struct virtq_chain *chain)
{
	uint64_t left = sizeof(struct virtio_net_hdr);

	while (left) {
		uint64_t part = min_u64(left, chain->out->iov_len);

		chain->out->iov_base = (uint8_t *)chain->out->iov_base + part;
		chain->out->iov_len -= part;
		left -= part;
		if (!chain->out->iov_len) {
			chain->out++;
			chain->out_count--;
		}
	}
	chain->out_len -= sizeof(struct virtio_net_hdr);
}

static int transmit(struct net *net, struct virtq_chain *chain)
{
	struct virtio_net_hdr header;

	if (iov_to_buf(chain->out, chain->out_count, 0, &header, sizeof(header)) < sizeof(header)) {
		virtio_device_broken(net->device, "a packet of %llu bytes with its header",
				     (unsigned long long)chain->out_len);
		return 0;
	}
	if (!net_has_feature(net, VIRTIO_NET_F_CSUM))
		header = (struct virtio_net_hdr){ 0 };
	skip_header(chain);
	if (chain->out_len < NET_FRAME_MIN || chain->out_len > NET_FRAME_MAX)
		return 0;
	return net->port.ops->send(net->port.self, &header, chain->out, chain->out_count,
				      chain->out_len);
}

void net_serve_tx(struct net *net)
{
	struct virtqueue *queue = net->queues[NET_TX];
	struct virtq_chain chain;

	while (!net->tx_blocked && virtq_pop(queue, net->iov, &chain) == 1) {
		if (transmit(net, &chain) == -EAGAIN) {
			virtq_unpop(queue);
			net->tx_blocked = true;
			return;
		}
		virtq_push(queue, chain.head, 0);
		loop_defer(net->loop, &net->tx_interrupt);
	}
}

void net_can_send(void *self)
{
	struct net *net = self;

	net->tx_blocked = false;
	net_serve_tx(net);
}

/* 5.1.6.5: only what was offered, and that is to be told that an announcement was sent. */
static uint8_t control(struct net *net, const struct virtio_net_ctrl *ctrl)
{
	if (ctrl->class != VIRTIO_NET_CTRL_ANNOUNCE ||
	    ctrl->command != VIRTIO_NET_CTRL_ANNOUNCE_ACK ||
	    !net_has_feature(net, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return VIRTIO_NET_ERR;
	atomic_fetch_and(&net->status, (uint16_t)~VIRTIO_NET_S_ANNOUNCE);
	return VIRTIO_NET_OK;
}

void net_serve_ctrl(struct net *net)
{
	struct virtqueue *queue = net->queues[NET_CTRL];
	struct virtio_net_ctrl ctrl;
	struct virtq_chain chain;

	while (virtq_pop(queue, net->iov, &chain) == 1) {
		uint8_t ack = VIRTIO_NET_ERR;

		if (!chain.in_len) {
			virtio_device_broken(net->device, "a command without a place for its ack");
			return;
		}
		if (iov_to_buf(chain.out, chain.out_count, 0, &ctrl, sizeof(ctrl)) == sizeof(ctrl))
			ack = control(net, &ctrl);
		iov_from_buf(chain.in, chain.in_count, 0, &ack, 1);
		virtq_push(queue, chain.head, 1);
	}
	virtq_interrupt(queue);
}
