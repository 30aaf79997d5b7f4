/* SPDX-License-Identifier: Apache-2.0 */
/* Packets by a tap interface. */
#include "io/net_port.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/util.h"
#include "io/tap.h"

struct net_tap {
	struct net_client client;
	struct loop *loop;
	int fd;
	struct loop_watch in, out;
	uint32_t kept; /* bytes of packet that wait for a guest's buffer */
	struct {
		struct virtio_net_hdr header;
		uint8_t frame[NET_FRAME_MAX];
	} packet;
};

/* The next packet from the interface, or the one that waits. False: there is none. */
static bool next_packet(struct net_tap *tap)
{
	ssize_t n;

	if (tap->kept)
		return true;
	n = read(tap->fd, &tap->packet, sizeof(tap->packet));
	if (n <= (ssize_t)sizeof(tap->packet.header))
		return false;
	tap->kept = (uint32_t)n;
	return true;
}

/* The interface is watched only while the guest has buffers: until then it keeps its packets. */
static void read_packets(struct net_tap *tap)
{
	for (int i = 0; i < NET_BURST && next_packet(tap); i++) {
		uint32_t len = tap->kept - (uint32_t)sizeof(tap->packet.header);

		if (!tap->client.receive(tap->client.self, &tap->packet.header, tap->packet.frame, len)) {
			loop_watch_remove(tap->loop, &tap->in);
			return;
		}
		tap->kept = 0;
	}
}

static void readable(struct loop_watch *watch, unsigned events)
{
	struct net_tap *tap = container_of(watch, struct net_tap, in);

	if (events & POLLERR) { /* the interface was deleted */
		loop_watch_remove(tap->loop, watch);
		tap->client.lost(tap->client.self, "the tap interface was deleted");
		return;
	}
	read_packets(tap);
}

static void tap_receive(void *self)
{
	struct net_tap *tap = self;

	if (!tap->in.poll && loop_watch_add(tap->loop, &tap->in, tap->fd, POLLIN, readable) < 0)
		return;
	read_packets(tap);
}

static void writable(struct loop_watch *watch, unsigned events)
{
	struct net_tap *tap = container_of(watch, struct net_tap, out);

	(void)events;
	loop_watch_remove(tap->loop, watch);
	tap->client.can_send(tap->client.self);
}

/* The kernel checks the header; what it refuses is lost, as on a wire. */
static int tap_send(void *self, const struct virtio_net_hdr *header, const struct iovec *iov,
		    unsigned count, uint64_t len)
{
	struct net_tap *tap = self;
	struct virtio_net_hdr copy = *header;
	struct iovec all[NET_PORT_IOV_MAX];

	(void)len;
	if (count >= ARRAY_SIZE(all))
		return 0;
	all[0] = (struct iovec){ &copy, sizeof(copy) };
	for (unsigned i = 0; i < count; i++)
		all[1 + i] = iov[i];
	if (writev(tap->fd, all, (int)count + 1) >= 0 || errno != EAGAIN)
		return 0;
	if (loop_watch_add(tap->loop, &tap->out, tap->fd, POLLOUT, writable) < 0)
		return 0;
	return -EAGAIN;
}

static void tap_start(void *self, uint64_t features)
{
	struct net_tap *tap = self;
	const struct tap_offload offload = {
		.csum = features & NET_FEATURE(VIRTIO_NET_F_GUEST_CSUM),
		.tso4 = features & NET_FEATURE(VIRTIO_NET_F_GUEST_TSO4),
		.tso6 = features & NET_FEATURE(VIRTIO_NET_F_GUEST_TSO6),
		.ecn = features & NET_FEATURE(VIRTIO_NET_F_GUEST_ECN),
	};

	tap_set_offload(tap->fd, &offload);
}

static void tap_destroy(void *self)
{
	struct net_tap *tap = self;

	loop_watch_remove(tap->loop, &tap->in);
	loop_watch_remove(tap->loop, &tap->out);
	if (tap->fd >= 0)
		close(tap->fd);
	free(tap);
}

static const struct net_port_ops tap_ops = {
	.features = NET_FEATURE(VIRTIO_NET_F_CSUM) | NET_FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
		    NET_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | NET_FEATURE(VIRTIO_NET_F_GUEST_TSO6) |
		    NET_FEATURE(VIRTIO_NET_F_GUEST_ECN) | NET_FEATURE(VIRTIO_NET_F_HOST_TSO4) |
		    NET_FEATURE(VIRTIO_NET_F_HOST_TSO6) | NET_FEATURE(VIRTIO_NET_F_HOST_ECN),
	.start = tap_start,
	.send = tap_send,
	.receive = tap_receive,
	.destroy = tap_destroy,
	.has_switches = true,
};

int net_tap_create(struct loop *loop, const char *name, const struct net_client *client,
		   struct net_port *ret_port)
{
	const struct tap_offload all = { .csum = true, .tso4 = true, .tso6 = true, .ecn = true };
	struct net_tap *tap = calloc(1, sizeof(*tap));
	int r;

	if (!tap)
		return -ENOMEM;
	tap->client = *client;
	tap->loop = loop;
	tap->fd = r = tap_open(name);
	if (r < 0)
		goto fail;
	r = tap_set_offload(tap->fd, &all);
	if (r < 0) {
		because(r, "tap %s: this kernel's tap has no offloads", name);
		goto fail;
	}
	*ret_port = (struct net_port){ &tap_ops, tap };
	return 0;
fail:
	tap_destroy(tap);
	return r;
}
