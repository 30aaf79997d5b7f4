/* SPDX-License-Identifier: Apache-2.0 */
/* Makes it known to switches that a guest is elsewhere on the network now. */
#include "io/net_port.h"

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

static void make_frame(const uint8_t *mac, struct rarp_frame *frame)
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
	memcpy(frame->ether.ether_shost, mac, ETH_ALEN);
	memcpy(frame->arp.arp_sha, mac, ETH_ALEN);
	memcpy(frame->arp.arp_tha, mac, ETH_ALEN);
}

static void send_one(struct net_rarp *rarp);

static void gap_ended(struct loop_timer *timer)
{
	send_one(container_of(timer, struct net_rarp, timer));
}

/* A full port has other frames of the guest's to send: they tell the same. */
static void send_one(struct net_rarp *rarp)
{
	static const struct virtio_net_hdr none;
	struct rarp_frame frame;
	struct iovec iov = { &frame, sizeof(frame) };

	make_frame(rarp->mac, &frame);
	rarp->port->ops->send(rarp->port->self, &none, &iov, 1, sizeof(frame));
	if (--rarp->left)
		loop_timer_arm(rarp->loop, &rarp->timer, RARP_GAP, gap_ended);
}

void net_rarp_begin(struct net_rarp *rarp, struct loop *loop, const struct net_port *port,
		    const uint8_t mac[6])
{
	if (!port->ops->has_switches)
		return;
	rarp->loop = loop;
	rarp->port = port;
	memcpy(rarp->mac, mac, sizeof(rarp->mac));
	rarp->left = RARPS;
	send_one(rarp);
}

void net_rarp_stop(struct net_rarp *rarp)
{
	if (rarp->loop)
		loop_timer_disarm(rarp->loop, &rarp->timer);
	rarp->loop = NULL;
}
