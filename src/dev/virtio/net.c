/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net: the device, its queues and its configuration. */
#include "dev/virtio/net_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>
#include <ferry/vm.h>

#include <abi/virtio.h>

#include "base/log.h"
#include "base/util.h"

/* PCI class codes: network, Ethernet */
#define CLASS_ETHERNET 0x020000

#define NET_QUEUE_SIZE 256

/* RFC 791: every module must be able to forward a datagram of 68 octets. */
#define MTU_MIN 68

static void notify(void *self, unsigned q)
{
	struct net *net = self;

	if (q == NET_RX)
		net->port.ops->receive(net->port.self);
	else if (q == NET_TX)
		net_serve_tx(net);
	else
		net_serve_ctrl(net);
}

static void start(void *self)
{
	struct net *net = self;

	if (net->port.ops->start)
		net->port.ops->start(net->port.self, virtio_device_features(net->device));
}

static void reset(void *self)
{
	struct net *net = self;

	net->tx_blocked = false;
	atomic_fetch_and(&net->status, (uint16_t)~VIRTIO_NET_S_ANNOUNCE);
	virtio_device_reset_done(net->device);
}

static void config_read(void *self, uint32_t offset, void *data, unsigned len)
{
	struct net *net = self;
	struct virtio_net_config config = {
		.status = atomic_load(&net->status),
		.max_virtqueue_pairs = 1,
		.mtu = net->mtu,
	};

	memcpy(config.mac, net->mac, sizeof(config.mac));
	memcpy(data, (uint8_t *)&config + offset, len);
}

static const struct virtio_ops net_ops = {
	.name = "virtio-net",
	.type = VIRTIO_ID_NET,
	.pci_class = CLASS_ETHERNET,
	.start = start,
	.notify = notify,
	.reset = reset,
	.config_read = config_read,
};

static void lost(void *self, const char *why)
{
	struct net *net = self;

	log_write(vm_log(net->vm), LOG_LEVEL_WARN, "%s: the network is gone: %s", net->id, why);
	atomic_fetch_and(&net->status, (uint16_t)~VIRTIO_NET_S_LINK_UP);
	virtio_device_config_changed(net->device);
}

static void rx_burst_ended(struct loop_deferred *deferred)
{
	virtq_interrupt(container_of(deferred, struct net, rx_interrupt)->queues[NET_RX]);
}

static void tx_burst_ended(struct loop_deferred *deferred)
{
	virtq_interrupt(container_of(deferred, struct net, tx_interrupt)->queues[NET_TX]);
}

static void get_mac(void *self, void *val)
{
	uint8_t mac[8] = { 0 };

	memcpy(mac, ((struct net *)self)->mac, 6);
	memcpy(val, mac, sizeof(mac));
}

static int set_mac(void *self, const void *val)
{
	memcpy(((struct net *)self)->mac, val, 6);
	return 0;
}

/* Whether there is a link is this host's affair; a guest that is told to announce still is. */
static void get_status(void *self, void *val)
{
	uint16_t status = atomic_load(&((struct net *)self)->status) & VIRTIO_NET_S_ANNOUNCE;

	memcpy(val, &status, sizeof(status));
}

static int set_status(void *self, const void *val)
{
	struct net *net = self;
	uint16_t status;

	memcpy(&status, val, sizeof(status));
	if (status & ~VIRTIO_NET_S_ANNOUNCE)
		return because(-EINVAL, "status cannot hold %#x", status);
	atomic_fetch_and(&net->status, (uint16_t)~VIRTIO_NET_S_ANNOUNCE);
	atomic_fetch_or(&net->status, status);
	return 0;
}

static void get_mtu(void *self, void *val)
{
	memcpy(val, &((struct net *)self)->mtu, sizeof(uint16_t));
}

static int set_mtu(void *self, const void *val)
{
	struct net *net = self;
	uint16_t mtu;

	memcpy(&mtu, val, sizeof(mtu));
	if (mtu && mtu < MTU_MIN)
		return because(-EINVAL, "an MTU of %u", mtu);
	net->mtu = mtu;
	return 0;
}

#define CONFIG(member) offsetof(struct virtio_net_config, member)

static const struct type_reg net_regs[] = {
	{ "mac", CONFIG(mac), 3, get_mac, set_mac },
	{ "net_status", CONFIG(status), 1, get_status, set_status },
	{ "mtu", CONFIG(mtu), 1, get_mtu, set_mtu },
};

static int check_options(const struct net_options *options)
{
	static const uint8_t zero[6];

	if ((options->mac[0] & 1) || !memcmp(options->mac, zero, sizeof(zero)))
		return because(-EINVAL, "%s: a MAC address of one machine is needed, no group's",
			       options->id);
	if (options->mtu && options->mtu < MTU_MIN)
		return because(-EINVAL, "%s: an MTU of %u: at least %u", options->id, options->mtu,
			       MTU_MIN);
	return 0;
}

static int make_port(struct net *net, const struct net_options *options)
{
	const struct net_client client = {
		.receive = net_receive,
		.can_send = net_can_send,
		.lost = lost,
		.self = net,
	};

	if (options->kind == NET_TAP)
		return net_tap_create(net->loop, options->tap, &client, &net->port);
	return net_user_create(net->loop, &client, &net->port);
}

static int make_device(struct net *net, struct vm *vm, struct pci_host *host)
{
	const struct virtio_options device_options = {
		.ops = &net_ops,
		.self = net,
		.id = net->id,
		.features = FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VIRTIO_NET_F_MRG_RXBUF) |
			    FEATURE(VIRTIO_NET_F_STATUS) | FEATURE(VIRTIO_NET_F_CTRL_VQ) |
			    FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE) |
			    (net->mtu ? FEATURE(VIRTIO_NET_F_MTU) : 0) | net->port.ops->features,
		.queues = NET_QUEUES,
		.queue_size = NET_QUEUE_SIZE,
		.config_size = sizeof(struct virtio_net_config),
	};
	int r = virtio_device_create(vm, host, &device_options, &net->device);

	if (r < 0)
		return r;
	for (unsigned q = 0; q < NET_QUEUES; q++)
		net->queues[q] = virtio_device_queue(net->device, q);
	return type_bank_add(&net->bank, net->device, net_regs, ARRAY_SIZE(net_regs), net);
}

int net_create(struct vm *vm, struct pci_host *host, const struct net_options *options,
	       struct net **ret_net)
{
	struct net *net;
	int r = check_options(options);

	if (r < 0)
		return r;
	net = calloc(1, sizeof(*net));
	if (!net)
		return -ENOMEM;
	net->vm = vm;
	net->loop = vm_loop(vm);
	net->mtu = options->mtu;
	memcpy(net->mac, options->mac, sizeof(net->mac));
	strncpy(net->id, options->id, sizeof(net->id) - 1);
	net->rx_interrupt.fn = rx_burst_ended;
	net->tx_interrupt.fn = tx_burst_ended;
	atomic_init(&net->status, VIRTIO_NET_S_LINK_UP);
	r = make_port(net, options);
	if (r == 0)
		r = make_device(net, vm, host);
	if (r < 0)
		goto fail;
	*ret_net = net;
	return 0;
fail:
	net_destroy(net);
	return r;
}

void net_destroy(struct net *net)
{
	if (!net)
		return;
	net_rarp_stop(&net->rarp);
	net_port_finish(&net->port);
	virtio_device_destroy(net->device);
	loop_defer_cancel(net->loop, &net->rx_interrupt);
	loop_defer_cancel(net->loop, &net->tx_interrupt);
	free(net);
}

struct virtio_device *net_device(struct net *net)
{
	return net->device;
}

void net_announce(struct net *net)
{
	net_rarp_begin(&net->rarp, net->loop, &net->port, net->mac);
	if (!net_has_feature(net, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return;
	atomic_fetch_or(&net->status, VIRTIO_NET_S_ANNOUNCE);
	virtio_device_config_changed(net->device);
}
