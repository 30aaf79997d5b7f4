/* SPDX-License-Identifier: Apache-2.0 */
/* What a network front end sends: a packet is some slots, sent from the guest's pages and answered at once. */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "io/iov.h"
#include "pv/xen/net.h"
#include "pv/xen/xen_impl.h"

/* Enough for every header that is looked at. */
#define HEAD 128u

struct packet {
	struct xen_netif_tx_request slots[NET_SLOTS_MAX]; /* of data; the first's size is its own */
	unsigned count;
	unsigned extras; /* slots behind the first that say something of it */
	uint16_t gso_size;
	uint8_t gso_type;
	uint32_t len;
	struct xen_grant grants[NET_SLOTS_MAX];
	unsigned pinned;
	struct iovec iov[NET_SLOTS_MAX];
};

static int take_extras(struct xen_net_queue *queue, struct packet *packet)
{
	struct xen_netif_extra_info extra;

	do {
		if (++packet->extras > NET_SLOTS_MAX)
			return -EPROTO;
		if (xen_back_ring_take(&queue->tx, &extra, sizeof(extra)) != 1)
			return 0;
		if (extra.type == XEN_NETIF_EXTRA_TYPE_GSO) {
			packet->gso_size = extra.gso_size;
			packet->gso_type = extra.gso_type;
		}
	} while (extra.flags & XEN_NETIF_EXTRA_FLAG_MORE);
	return 1;
}

/* All of a packet's slots: 1; 0: it is not all there; -EPROTO. */
static int take_packet(struct xen_net_queue *queue, struct packet *packet)
{
	struct xen_netif_tx_request *first = packet->slots, *slot = first;
	uint32_t rest = 0;
	int r = xen_back_ring_take(&queue->tx, first, sizeof(*first));

	packet->count = 1;
	packet->extras = packet->pinned = 0;
	packet->gso_size = packet->gso_type = 0;
	if (r == 1 && first->flags & NETTXF_extra_info)
		r = take_extras(queue, packet);
	while (r == 1 && slot->flags & NETTXF_more_data) {
		if (packet->count == NET_SLOTS_MAX)
			return -EPROTO;
		slot = &packet->slots[packet->count++];
		r = xen_back_ring_take(&queue->tx, slot, sizeof(*slot));
		rest += slot->size;
	}
	if (r != 1)
		return r;
	packet->len = first->size;
	if (rest >= packet->len)
		return -EPROTO;
	first->size = (uint16_t)(packet->len - rest);
	return 1;
}

static void unpin(struct xen *xen, struct packet *packet)
{
	while (packet->pinned > 0)
		xen_grant_unpin(xen, &packet->grants[--packet->pinned]);
}

/* With the lock. The buffers are good as long as the ring's picture of memory. */
static bool pin(struct xen_net_queue *queue, struct packet *packet)
{
	struct xen *xen = queue->net->dev.xen;

	for (unsigned i = 0; i < packet->count; i++) {
		const struct xen_netif_tx_request *slot = &packet->slots[i];
		const uint8_t *hva;

		if (!slot->size || slot->offset + slot->size > XEN_PAGE_SIZE ||
		    xen_grant_pin(xen, XEN_FERRY_DOMID, slot->gref, false, false,
				  &packet->grants[i]) != GNTST_okay)
			return false;
		packet->pinned++;
		hva = mem_map_ptr(queue->tx.area.map, packet->grants[i].gpa, XEN_PAGE_SIZE, false);
		if (!hva)
			return false;
		packet->iov[i] = (struct iovec){ (uint8_t *)hva + slot->offset, slot->size };
	}
	return packet->len >= NET_FRAME_MIN && packet->len <= NET_FRAME_MAX;
}

/* What virtio's header says of it. False: it asks for what cannot be. */
static bool describe(const struct packet *packet, struct virtio_net_hdr *header,
		     struct xen_net_place *place)
{
	uint8_t head[HEAD];
	uint32_t len = (uint32_t)iov_to_buf(packet->iov, packet->count, 0, head, sizeof(head));

	*header = (struct virtio_net_hdr){ 0 };
	if (!(packet->slots[0].flags & NETTXF_csum_blank))
		return !packet->gso_size;
	if (!xen_net_find_checksum(head, len, place))
		return false;
	header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	header->csum_start = place->start;
	header->csum_offset = place->offset;
	if (!packet->gso_size)
		return true;
	header->gso_size = packet->gso_size;
	header->hdr_len = place->header_len;
	header->gso_type = packet->gso_type == XEN_NETIF_GSO_TYPE_TCPV6 ?
				   VIRTIO_NET_HDR_GSO_TCPV6 :
				   VIRTIO_NET_HDR_GSO_TCPV4;
	return packet->gso_type == XEN_NETIF_GSO_TYPE_TCPV4 ||
	       packet->gso_type == XEN_NETIF_GSO_TYPE_TCPV6;
}

/* 0 or -EAGAIN; what is refused is lost, as on a wire. */
static int send_packet(struct xen_net *net, struct packet *packet)
{
	bool completes = net->port.ops->features & NET_FEATURE(VIRTIO_NET_F_CSUM);
	struct virtio_net_hdr header;
	struct xen_net_place place;
	struct iovec whole = { net->frame, packet->len };

	if (!describe(packet, &header, &place))
		return 0;
	if (completes || !header.flags)
		return net->port.ops->send(net->port.self, &header, packet->iov, packet->count,
					   packet->len);
	if (header.gso_size)
		return 0;
	iov_to_buf(packet->iov, packet->count, 0, net->frame, packet->len);
	xen_net_fill_checksum(net->frame, packet->len, &place);
	header = (struct virtio_net_hdr){ 0 };
	return net->port.ops->send(net->port.self, &header, &whole, 1, packet->len);
}

static void respond(struct xen_net_queue *queue, const struct packet *packet, int16_t status)
{
	struct xen *xen = queue->net->dev.xen;

	for (unsigned i = 0; i < packet->count; i++) {
		struct xen_netif_tx_response response = { packet->slots[i].id, status };

		xen_back_ring_give(xen, &queue->tx, &response, sizeof(response));
		response = (struct xen_netif_tx_response){ .status = NETIF_RSP_NULL };
		for (unsigned e = 0; i == 0 && e < packet->extras; e++)
			xen_back_ring_give(xen, &queue->tx, &response, sizeof(response));
	}
	queue->tx_must_push = true;
	loop_defer(xen->vm->loop, &queue->net->burst);
}

/* 1: served; 0: there is no more; -EAGAIN, -EPROTO. */
static int serve_one(struct xen_net_queue *queue)
{
	struct xen_net *net = queue->net;
	struct packet packet;
	uint32_t from = queue->tx.req_cons;
	bool ok;
	int r = take_packet(queue, &packet);

	if (r != 1) {
		xen_back_ring_untake(&queue->tx, queue->tx.req_cons - from);
		return r;
	}
	xen_lock(net->dev.xen);
	ok = pin(queue, &packet);
	xen_unlock(net->dev.xen);
	if (ok)
		r = send_packet(net, &packet);
	xen_lock(net->dev.xen);
	unpin(net->dev.xen, &packet);
	xen_unlock(net->dev.xen);
	if (r == -EAGAIN) {
		xen_back_ring_untake(&queue->tx, queue->tx.req_cons - from);
		return r;
	}
	respond(queue, &packet, ok ? NETIF_RSP_OKAY : NETIF_RSP_ERROR);
	return 1;
}

void xen_net_send(struct xen_net_queue *queue)
{
	struct xen_net *net = queue->net;
	int r = 1;

	if (net->stopped || net->tx_blocked ||
	    !xen_area_refresh(net->dev.xen, &queue->tx.area))
		return;
	for (uint32_t left = queue->tx.entries; left && r == 1; left--) {
		r = serve_one(queue);
		if (r == 0 && !xen_back_ring_ask(net->dev.xen, &queue->tx, 1) &&
		    xen_back_ring_waiting(&queue->tx) > 0)
			r = serve_one(queue);
	}
	net->tx_blocked = r == -EAGAIN;
	/* The others have their turn before the rest of a guest that sends on and on. */
	if (r == 1)
		kick_give(&queue->tx_local.kick);
}
