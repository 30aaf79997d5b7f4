/* SPDX-License-Identifier: Apache-2.0 */
/* Where a front end's packets have their checksums, and what those are. */
#include "check_main.h"
#include "pv/xen/net.h"

#include <string.h>

/* Ethernet, IPv4 with 4 bytes of options where asked for, UDP with 3 bytes: an odd length. */
static uint32_t make_udp(uint8_t *frame, unsigned options)
{
	uint32_t ip = 14, udp = ip + 20 + options;

	memset(frame, 0, 128);
	frame[12] = 0x08;
	frame[ip] = (uint8_t)(0x45 + options / 4);
	frame[ip + 9] = 17;
	memcpy(frame + ip + 12, "\x0a\0\0\1\x0a\0\0\2", 8);
	memcpy(frame + udp, "\x12\x34\0\x35\0\x0b", 6);
	memcpy(frame + udp + 8, "abc", 3);
	/* The pseudo-header: addresses, protocol, length. */
	frame[udp + 6] = 0x14;
	frame[udp + 7] = 0x1f;
	return udp + 11;
}

static uint32_t sum_of(const uint8_t *at, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum += i & 1 ? at[i] : (uint32_t)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

START_TEST(test_a_checksum_is_found_behind_options_and_tags)
{
	struct xen_net_place place;
	uint8_t frame[128];

	make_udp(frame, 0);
	ck_assert(xen_net_find_checksum(frame, 64, &place));
	ck_assert_uint_eq(place.start, 34);
	ck_assert_uint_eq(place.offset, 6);
	make_udp(frame, 4);
	ck_assert(xen_net_find_checksum(frame, 64, &place));
	ck_assert_uint_eq(place.start, 38);
	memmove(frame + 16, frame + 12, 60);
	memcpy(frame + 12, "\x81\0\0\5", 4);
	ck_assert(xen_net_find_checksum(frame, 68, &place));
	ck_assert_uint_eq(place.start, 42);
}
END_TEST

START_TEST(test_what_has_none_is_left_alone)
{
	struct xen_net_place place;
	uint8_t frame[128];

	make_udp(frame, 0);
	ck_assert(!xen_net_find_checksum(frame, 50, &place)); /* cut off */
	frame[23] = 1;					       /* ICMP */
	ck_assert(!xen_net_find_checksum(frame, 64, &place));
	make_udp(frame, 0);
	frame[20] = 0x20; /* a fragment */
	ck_assert(!xen_net_find_checksum(frame, 64, &place));
	make_udp(frame, 0);
	frame[12] = 0x09; /* not IP */
	ck_assert(!xen_net_find_checksum(frame, 64, &place));
}
END_TEST

START_TEST(test_a_partial_checksum_is_completed)
{
	struct xen_net_place place;
	uint8_t frame[128];
	uint32_t len = make_udp(frame, 0), pseudo = 0x141f;

	ck_assert(xen_net_find_checksum(frame, 64, &place));
	xen_net_fill_checksum(frame, len, &place);
	/* With what stood in its place, everything adds up to ones. */
	ck_assert_uint_eq((sum_of(frame + 34, len - 34) + pseudo) % 0xffff, 0);
}
END_TEST

CHECK_MAIN("xen packets", test_a_checksum_is_found_behind_options_and_tags,
	   test_what_has_none_is_left_alone, test_a_partial_checksum_is_completed)
