/* SPDX-License-Identifier: Apache-2.0 */
/* xen-net: the device, its handshake and its life. */
#include "pv/xen/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>
#include <ferry/vm.h>

#include "base/log.h"
#include "base/util.h"
#include "pv/xen/xen_impl.h"

static struct xen_net *net_of(struct xen_dev *dev)
{
	return container_of(dev, struct xen_net, dev);
}

static bool has(const struct xen_net *net, unsigned bit)
{
	return net->port.ops->features & NET_FEATURE(bit);
}

static void offer(struct xen_dev *dev)
{
	struct xen_net *net = net_of(dev);
	struct store *store = &dev->xen->store;
	const uint8_t *mac = net->mac;
	const char *dirs[] = { dev->front, dev->back };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		store_printf(store, dirs[i], "mac", "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
			     mac[2], mac[3], mac[4], mac[5]);
	xen_dev_tell(dev, "handle", dev->number);
	xen_dev_tell(dev, "feature-rx-copy", 1);
	xen_dev_tell(dev, "feature-rx-flip", 0);
	xen_dev_tell(dev, "feature-sg", 1);
	xen_dev_tell(dev, "feature-gso-tcpv4", has(net, VIRTIO_NET_F_HOST_TSO4));
	xen_dev_tell(dev, "feature-gso-tcpv6", has(net, VIRTIO_NET_F_HOST_TSO6));
	xen_dev_tell(dev, "feature-ipv6-csum-offload", 1);
	xen_dev_tell(dev, "feature-split-event-channels", 1);
	xen_dev_tell(dev, "multi-queue-max-queues", net->queues_max);
	store_printf(store, dev->back, "hotplug-status", "connected");
}

static void queue_key(const struct xen_net *net, unsigned q, const char *key, char *text, size_t size)
{
	if (net->queue_count == 1)
		snprintf(text, size, "%s", key);
	else
		snprintf(text, size, "queue-%u/%s", q, key);
}

static uint32_t queue_number(struct xen_net *net, unsigned q, const char *key, uint32_t otherwise)
{
	char text[64];

	queue_key(net, q, key, text, sizeof(text));
	return (uint32_t)xen_dev_front(&net->dev, text, otherwise);
}

static int pin_ring(struct xen_net *net, unsigned q, const char *key, struct xen_back_ring *ring)
{
	uint32_t ref = queue_number(net, q, key, UINT32_MAX);
	int r = xen_area_pin(net->dev.xen, &ring->area, &ref, 1);

	if (r == GNTST_okay && xen_area_refresh(net->dev.xen, &ring->area))
		return 0;
	return because(-EINVAL, "%s of queue %u is not granted (%d)", key, q, r);
}

static int bind_ports(struct xen_net *net, unsigned q)
{
	struct xen_net_queue *queue = &net->queues[q];
	uint32_t both = queue_number(net, q, "event-channel", 0);
	int r;

	if (both)
		return xen_local_bind(&queue->tx_local, both);
	r = xen_local_bind(&queue->tx_local, queue_number(net, q, "event-channel-tx", 0));
	return r < 0 ? r : xen_local_bind(&queue->rx_local,
					  queue_number(net, q, "event-channel-rx", 0));
}

static int connect_queue(struct xen_net *net, unsigned q, bool arrived)
{
	struct xen_net_queue *queue = &net->queues[q];
	int r = pin_ring(net, q, "tx-ring-ref", &queue->tx);

	if (r == 0)
		r = pin_ring(net, q, "rx-ring-ref", &queue->rx);
	if (r == 0)
		r = bind_ports(net, q);
	if (r < 0)
		return r;
	xen_back_ring_begin(&queue->tx, sizeof(struct xen_netif_tx_request),
			    arrived ? net->rsp_prods[2 * (size_t)q] : xen_back_ring_rsp_prod(&queue->tx));
	xen_back_ring_begin(&queue->rx, sizeof(struct xen_netif_rx_request),
			    arrived ? net->rsp_prods[2 * (size_t)q + 1]
				    : xen_back_ring_rsp_prod(&queue->rx));
	queue->tx_must_push = queue->rx_must_push = false;
	return 0;
}

/* What the guest takes is what the port may hand on. */
static void start_port(struct xen_net *net)
{
	struct xen_dev *dev = &net->dev;
	uint64_t features = 0;

	net->rx_sg = xen_dev_front(dev, "feature-sg", 0);
	net->rx_gso4 = net->rx_sg && xen_dev_front(dev, "feature-gso-tcpv4", 0);
	net->rx_gso6 = net->rx_sg && xen_dev_front(dev, "feature-gso-tcpv6", 0);
	if (!xen_dev_front(dev, "feature-no-csum-offload", 0))
		features |= NET_FEATURE(VIRTIO_NET_F_GUEST_CSUM);
	if (features && net->rx_gso4)
		features |= NET_FEATURE(VIRTIO_NET_F_GUEST_TSO4);
	if (features && net->rx_gso6)
		features |= NET_FEATURE(VIRTIO_NET_F_GUEST_TSO6);
	if (net->port.ops->start)
		net->port.ops->start(net->port.self, features);
}

static int connect_all(struct xen_net *net, bool arrived)
{
	struct xen_dev *dev = &net->dev;
	uint64_t queues = xen_dev_front(dev, "multi-queue-num-queues", 1);
	int r = 0;

	if (queues < 1 || queues > net->queues_max)
		return because(-EINVAL, "%llu queues", (unsigned long long)queues);
	if (!xen_dev_front(dev, "request-rx-copy", 0))
		return because(-EINVAL, "packets are copied to the guest, and it asks for pages");
	net->queue_count = (unsigned)queues;
	for (unsigned q = 0; q < net->queue_count && r == 0; q++)
		r = connect_queue(net, q, arrived);
	if (r == 0)
		start_port(net);
	return r;
}

static int connect_dev(struct xen_dev *dev, bool arrived)
{
	struct xen_net *net = net_of(dev);
	int r;

	net->stopped = true; /* until resume() */
	xen_lock(dev->xen);
	r = connect_all(net, arrived);
	xen_unlock(dev->xen);
	return r;
}

static void disconnect_dev(struct xen_dev *dev)
{
	struct xen_net *net = net_of(dev);

	net->stopped = true;
	net_rarp_stop(&net->rarp);
	xen_lock(dev->xen);
	for (unsigned q = 0; q < net->queue_count; q++) {
		struct xen_net_queue *queue = &net->queues[q];

		xen_area_unpin(dev->xen, &queue->tx.area);
		xen_area_unpin(dev->xen, &queue->rx.area);
		xen_local_unbind(&queue->tx_local);
		xen_local_unbind(&queue->rx_local);
	}
	xen_unlock(dev->xen);
	net->queue_count = 0;
}

static void push(struct xen_net *net, struct xen_back_ring *ring, struct xen_local *local,
		 bool *must_push)
{
	struct xen *xen = net->dev.xen;

	if (!*must_push || !xen_area_refresh(xen, &ring->area))
		return;
	*must_push = false;
	if (!xen_back_ring_push(xen, ring))
		return;
	xen_lock(xen);
	xen_local_raise(local);
	xen_unlock(xen);
}

static void push_all(struct xen_net *net)
{
	for (unsigned q = 0; q < net->queue_count; q++) {
		struct xen_net_queue *queue = &net->queues[q];

		push(net, &queue->tx, &queue->tx_local, &queue->tx_must_push);
		push(net, &queue->rx, queue->rx_local.port ? &queue->rx_local : &queue->tx_local,
		     &queue->rx_must_push);
	}
}

static void burst_ended(struct loop_deferred *deferred)
{
	push_all(container_of(deferred, struct xen_net, burst));
}

static void stop(struct xen_dev *dev)
{
	struct xen_net *net = net_of(dev);

	net->stopped = true;
	push_all(net);
	for (unsigned q = 0; q < net->queue_count; q++) {
		net->rsp_prods[2 * (size_t)q] = net->queues[q].tx.rsp_prod;
		net->rsp_prods[2 * (size_t)q + 1] = net->queues[q].rx.rsp_prod;
	}
}

static bool is_idle(const struct xen_dev *dev)
{
	(void)dev;
	return true; /* packets are sent and copied at once */
}

static void resume(struct xen_dev *dev, bool arrived)
{
	struct xen_net *net = net_of(dev);

	net->stopped = false;
	for (unsigned q = 0; q < net->queue_count; q++) {
		if (arrived) {
			xen_lock(dev->xen);
			xen_local_raise(&net->queues[q].tx_local);
			xen_local_raise(&net->queues[q].rx_local);
			xen_unlock(dev->xen);
		}
		xen_net_send(&net->queues[q]);
	}
	net->port.ops->receive(net->port.self);
	if (arrived)
		net_rarp_begin(&net->rarp, dev->xen->vm->loop, &net->port, net->mac);
}

static void destroy(struct xen_dev *dev)
{
	struct xen_net *net = net_of(dev);

	disconnect_dev(dev);
	for (unsigned q = 0; q < XEN_DEV_QUEUES_MAX; q++) {
		kick_finish(&net->queues[q].tx_local.kick);
		kick_finish(&net->queues[q].rx_local.kick);
	}
	loop_defer_cancel(dev->xen->vm->loop, &net->burst);
	net_port_finish(&net->port);
	free(net);
}

static const struct xen_dev_ops net_ops = {
	.type = "vif",
	.ready = XENBUS_CONNECTED,
	.offer = offer,
	.connect = connect_dev,
	.disconnect = disconnect_dev,
	.stop = stop,
	.is_idle = is_idle,
	.resume = resume,
	.destroy = destroy,
};

static bool is_running(const struct xen_net *net)
{
	return !net->stopped && net->queue_count;
}

/* Without a port of its own for what it receives the guest may have said either by this one. */
static void tx_notified(struct kick *kick)
{
	struct xen_net_queue *queue = container_of(kick, struct xen_net_queue, tx_local.kick);
	struct xen_net *net = queue->net;

	if (!is_running(net))
		return;
	xen_net_send(queue);
	if (!queue->rx_local.port)
		net->port.ops->receive(net->port.self);
}

static void rx_notified(struct kick *kick)
{
	struct xen_net *net = container_of(kick, struct xen_net_queue, rx_local.kick)->net;

	if (is_running(net))
		net->port.ops->receive(net->port.self);
}

static void can_send(void *self)
{
	struct xen_net *net = self;

	net->tx_blocked = false;
	for (unsigned q = 0; q < net->queue_count; q++)
		xen_net_send(&net->queues[q]);
}

static void lost(void *self, const char *why)
{
	struct xen_net *net = self;

	log_write(vm_log(net->dev.xen->vm), LOG_LEVEL_WARN, "%s: the network is gone: %s",
		  net->dev.id, why);
}

static int make_port(struct xen_net *net, const struct xen_net_options *options)
{
	const struct net_client client = {
		.receive = xen_net_receive,
		.can_send = can_send,
		.lost = lost,
		.self = net,
	};
	struct loop *loop = net->dev.xen->vm->loop;

	if (options->tap)
		return net_tap_create(loop, options->tap, &client, &net->port);
	return net_user_create(loop, &client, &net->port);
}

static void init_queues(struct xen_net *net)
{
	struct xen *xen = net->dev.xen;

	net->burst.fn = burst_ended;
	for (unsigned q = 0; q < XEN_DEV_QUEUES_MAX; q++) {
		struct xen_net_queue *queue = &net->queues[q];

		queue->net = net;
		queue->tx_local.xen = queue->rx_local.xen = xen;
		kick_init(&queue->tx_local.kick, xen->vm->loop, tx_notified);
		kick_init(&queue->rx_local.kick, xen->vm->loop, rx_notified);
	}
}

int xen_net_create(struct xen *xen, const struct xen_net_options *options)
{
	struct xen_net *net = calloc(1, sizeof(*net));
	int r;

	if (!net)
		return -ENOMEM;
	net->number = options->number;
	net->queues_max = (unsigned)min_u64(xen->vcpu_count, XEN_DEV_QUEUES_MAX);
	memcpy(net->mac, options->mac, sizeof(net->mac));
	net->dev.xen = xen;
	init_queues(net);
	r = make_port(net, options);
	if (r < 0) {
		free(net);
		return r;
	}
	r = xen_dev_add(xen, &net->dev, &net_ops, options->id, options->number);
	return r < 0 ? r : xen_net_bank_add(net); /* xen's by now */
}
