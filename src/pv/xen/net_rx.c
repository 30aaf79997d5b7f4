/* SPDX-License-Identifier: Apache-2.0 */
/* Packets for a network front end: copied into the pages that it has granted. */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "pv/xen/net.h"
#include "pv/xen/xen_impl.h"

/* Packets of one connection go to one queue: by their addresses and ports. */
static struct xen_net_queue *choose_queue(struct xen_net *net, const uint8_t *frame, uint32_t len)
{
	uint32_t hash = 0;

	for (uint32_t i = 26; i < 38 && i < len; i++)
		hash = hash * 31 + frame[i];
	return &net->queues[hash % net->queue_count];
}

static uint16_t first_flags(const struct virtio_net_hdr *header)
{
	if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return NETRXF_csum_blank | NETRXF_data_validated;
	return header->flags & VIRTIO_NET_HDR_F_DATA_VALID ? NETRXF_data_validated : 0;
}

/* Fills one of the guest's pages; its answer. With the lock. */
static struct xen_netif_rx_response fill(struct xen_net_queue *queue, const uint8_t *from,
					 uint32_t len)
{
	struct xen *xen = queue->net->dev.xen;
	struct xen_netif_rx_response response = { .status = NETIF_RSP_ERROR };
	struct xen_netif_rx_request request;
	struct xen_grant grant;

	if (xen_back_ring_take(&queue->rx, &request, sizeof(request)) != 1)
		return response;
	response.id = request.id;
	if (xen_grant_pin(xen, XEN_FERRY_DOMID, request.gref, true, false, &grant) != GNTST_okay)
		return response;
	if (mem_write(&xen->vm->mem, grant.gpa, from, len) == 0)
		response.status = (int16_t)len;
	xen_grant_unpin(xen, &grant);
	return response;
}

/* The slot of a request, whose page stays as it is, says what is special about the packet. */
static void say_gso(struct xen_net_queue *queue, const struct virtio_net_hdr *header)
{
	const struct xen_netif_extra_info extra = {
		.type = XEN_NETIF_EXTRA_TYPE_GSO,
		.gso_size = header->gso_size,
		.gso_type = (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_TCPV6 ?
				    XEN_NETIF_GSO_TYPE_TCPV6
				    : XEN_NETIF_GSO_TYPE_TCPV4,
	};
	struct xen_netif_rx_request request;

	if (xen_back_ring_take(&queue->rx, &request, sizeof(request)) == 1)
		xen_back_ring_give(queue->net->dev.xen, &queue->rx, &extra, sizeof(extra));
}

static void deliver(struct xen_net_queue *queue, const struct virtio_net_hdr *header,
		    const uint8_t *frame, uint32_t len)
{
	struct xen *xen = queue->net->dev.xen;
	uint16_t first = first_flags(header) | (header->gso_size ? NETRXF_extra_info : 0);

	xen_lock(xen);
	for (uint32_t done = 0; done < len;) {
		uint32_t part = (uint32_t)min_u64(len - done, XEN_PAGE_SIZE);
		struct xen_netif_rx_response response = fill(queue, frame + done, part);

		response.flags = done ? 0 : first;
		if (done + part < len)
			response.flags |= NETRXF_more_data;
		xen_back_ring_give(xen, &queue->rx, &response, sizeof(response));
		if (!done && header->gso_size)
			say_gso(queue, header);
		done += part;
	}
	xen_unlock(xen);
	queue->rx_must_push = true;
	loop_defer(xen->vm->loop, &queue->net->burst);
}

/* What the guest has not said it takes does not come: the port was told. */
static bool is_fit(const struct xen_net *net, const struct virtio_net_hdr *header, uint32_t len)
{
	if (len < NET_FRAME_MIN || len > NET_FRAME_MAX || (len > XEN_PAGE_SIZE && !net->rx_sg))
		return false;
	switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return true;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return net->rx_gso4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return net->rx_gso6;
	default:
		return false;
	}
}

bool xen_net_receive(void *self, const struct virtio_net_hdr *header, const void *frame,
		     uint32_t len)
{
	struct xen_net *net = self;
	struct virtio_net_hdr copy = *header;
	struct xen_net_queue *queue;
	uint32_t slots;

	if (net->stopped || !net->queue_count)
		return false;
	if (!is_fit(net, header, len))
		return true;
	if (!(header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN))
		copy.gso_size = 0;
	queue = choose_queue(net, frame, len);
	slots = (len + XEN_PAGE_SIZE - 1) / XEN_PAGE_SIZE + (copy.gso_size ? 1 : 0);
	if (!xen_area_refresh(net->dev.xen, &queue->rx.area))
		return true;
	if (xen_back_ring_waiting(&queue->rx) < (int)slots &&
	    xen_back_ring_ask(net->dev.xen, &queue->rx, slots))
		return false;
	if (xen_back_ring_waiting(&queue->rx) < 0)
		return true; /* the guest does not keep to the protocol */
	deliver(queue, &copy, frame, len);
	return true;
}
