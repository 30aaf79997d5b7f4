/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums of packets: Xen's front ends say that one is left to be made, not where (netif.h). */
#include <string.h>

#include "pv/xen/net.h"

#define ETHER	 14u
#define VLAN	 4u
#define TYPE_IP4 0x0800u
#define TYPE_IP6 0x86ddu
#define TYPE_TAG 0x8100u
#define TCP	 6u
#define UDP	 17u

static uint16_t word_at(const uint8_t *frame, uint32_t at)
{
	return (uint16_t)(frame[at] << 8 | frame[at + 1]);
}

/* RFC 791, RFC 8200; 0: not IP, or a fragment. */
static uint32_t find_transport(const uint8_t *frame, uint32_t len, uint8_t *ret_protocol)
{
	uint32_t at = ETHER, type;

	if (len < ETHER + VLAN + 40)
		return 0;
	type = word_at(frame, at - 2);
	if (type == TYPE_TAG) {
		at += VLAN;
		type = word_at(frame, at - 2);
	}
	if (type == TYPE_IP4 && frame[at] >> 4 == 4 && !(word_at(frame, at + 6) & 0x3fff)) {
		*ret_protocol = frame[at + 9];
		return at + (frame[at] & 15u) * 4;
	}
	if (type == TYPE_IP6 && frame[at] >> 4 == 6) {
		*ret_protocol = frame[at + 6];
		return at + 40;
	}
	return 0;
}

bool xen_net_find_checksum(const uint8_t *frame, uint32_t len, struct xen_net_place *ret_place)
{
	uint8_t protocol = 0;
	uint32_t at = find_transport(frame, len, &protocol);

	if (!at || (protocol != TCP && protocol != UDP) || at + 20 > len)
		return false;
	*ret_place = (struct xen_net_place){
		.start = (uint16_t)at,
		.offset = protocol == TCP ? 16 : 6,
		.header_len = (uint16_t)(at + (protocol == TCP ? (frame[at + 12] >> 4) * 4u : 8u)),
	};
	return true;
}

/* RFC 1071; in the place there is the sum of the pseudo-header. */
void xen_net_fill_checksum(uint8_t *frame, uint32_t len, const struct xen_net_place *place)
{
	uint32_t sum = 0, at = place->start;
	uint16_t result;

	for (; at + 1 < len; at += 2)
		sum += word_at(frame, at);
	if (at < len)
		sum += (uint32_t)frame[at] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	result = (uint16_t)(sum ^ 0xffff);
	if (!result && place->offset == 6)
		result = 0xffff; /* RFC 768: zero is none */
	frame[place->start + place->offset] = (uint8_t)(result >> 8);
	frame[place->start + place->offset + 1] = (uint8_t)result;
}
