/* SPDX-License-Identifier: Apache-2.0 */
/* Makes it known that the guest is elsewhere on the network now. */
#include "dev/virtio/net_impl.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <string.h>

#include "base/util.h"

/* A bridge's port may not forward yet when the first is sent. */
#define RARPS	 5
#define RARP_GAP 100000000ULL /* ns */

/* RFC 903: who am I? Nobody answers, but every switch on the way has seen the sender. */
struct rarp_frame {
	struct ether_header ether;
	struct ether_arp arp;
	uint8_t padding[ETH_ZLEN - sizeof(struct ether_header) - sizeof(struct ether_arp)];
};
_Static_assert(sizeof(struct rarp_frame) == ETH_ZLEN, "the shortest frame");

static void make_rarp(const struct net *net, struct rarp_frame *frame)
{
	*frame = (struct rarp_frame){
		.ether.ether_type = htons(ETHERTYPE_REVARP),
		.arp.ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER),
				.ar_pro = htons(ETHERTYPE_IP),
				.ar_hln = ETH_ALEN,
				.ar_pln = 4,
				.ar_op = htons(ARPOP_RREQUEST) },
	};
	memset(frame->ether.ether_dhost, 0xff, ETH_ALEN);
	memcpy(frame->ether.ether_shost, net->mac, ETH_ALEN);
	memcpy(frame->arp.arp_sha, net->mac, ETH_ALEN);
	memcpy(frame->arp.arp_tha, net->mac, ETH_ALEN);
}

static void send_rarp(struct net *net);

static void gap_ended(struct loop_timer *timer)
{
	send_rarp(container_of(timer, struct net, rarp));
}

/* A full back end has other frames of the guest's to send: they tell the same. */
static void send_rarp(struct net *net)
{
	static const struct virtio_net_hdr none;
	struct rarp_frame frame;
	struct iovec iov = { &frame, sizeof(frame) };

	make_rarp(net, &frame);
	net->backend_ops->send(net->backend, &none, &iov, 1, sizeof(frame));
	if (--net->rarps_left)
		loop_timer_arm(net->loop, &net->rarp, RARP_GAP, gap_ended);
}

void net_announce_stop(struct net *net)
{
	loop_timer_disarm(net->loop, &net->rarp);
}

void net_announce(struct net *net)
{
	if (net->backend_ops->has_switches) {
		net->rarps_left = RARPS;
		send_rarp(net);
	}
	if (!net_has_feature(net, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return;
	atomic_fetch_or(&net->status, VIRTIO_NET_S_ANNOUNCE);
	virtio_device_config_changed(net->device);
}
