/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network front end: asks for an address by DHCP, with the checksum left to be made, over two slots; whoever
 * is on the other side offers one. Then what cannot be sent, and the end. With split=1 two ports.
 */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/xen_store.h"

#define FRONT "device/vif/0"
#define BACK  "/local/domain/0/backend/vif/1/0"

static uint8_t rings[2][4096] __attribute__((aligned(4096)));
static uint8_t frame[4096] __attribute__((aligned(4096)));
static uint8_t received[16][4096] __attribute__((aligned(4096)));
static uint32_t frame_ref, rx_refs[16], port, tx_cons, rx_cons;

#define tx_ring (*(struct xen_ring *)rings[0])
#define rx_ring (*(struct xen_ring *)rings[1])

static struct xen_netif_tx_request *tx_entry(uint32_t i)
{
	return (struct xen_netif_tx_request *)(rings[0] + sizeof(struct xen_ring)) + i % 256;
}

static struct xen_netif_rx_request *rx_entry(uint32_t i)
{
	return (struct xen_netif_rx_request *)(rings[1] + sizeof(struct xen_ring)) + i % 256;
}

static void notify(void)
{
	xen_send(port);
}

static void put16(uint32_t at, uint32_t value)
{
	frame[at] = (uint8_t)(value >> 8);
	frame[at + 1] = (uint8_t)value;
}

static uint32_t sum(uint32_t from, uint32_t to)
{
	uint32_t total = 0;

	for (uint32_t i = from; i < to; i += 2)
		total += (uint32_t)frame[i] << 8 | frame[i + 1];
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

/* RFC 2131: DISCOVER, to all. The UDP checksum holds the sum of the pseudo-header. */
static uint32_t make_discover(void)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0, 0, 0, 9 };
	static const uint8_t options[] = { 0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255 };
	uint32_t len = 14 + 20 + 8 + 236 + sizeof(options);

	__builtin_memset(frame, 0, sizeof(frame));
	__builtin_memset(frame, 0xff, 6);
	__builtin_memcpy(frame + 6, mac, 6);
	put16(12, 0x0800);
	frame[14] = 0x45;
	put16(16, len - 14);
	frame[22] = 64;
	frame[23] = 17;
	__builtin_memset(frame + 30, 0xff, 4);
	put16(24, ~sum(14, 34) & 0xffff);
	put16(34, 68);
	put16(36, 67);
	put16(38, len - 34);
	put16(40, sum(26, 34) + 17 + len - 34);
	frame[42] = 1;
	frame[43] = 1;
	frame[44] = 6;
	frame[46] = 0x12;
	__builtin_memcpy(frame + 70, mac, 6);
	__builtin_memcpy(frame + 42 + 236, options, sizeof(options));
	return len;
}

static int16_t tx_answer(void)
{
	for (uint32_t i = 0; __atomic_load_n(&tx_ring.rsp_prod, __ATOMIC_ACQUIRE) == tx_cons; i++) {
		cpu_relax();
		if (i == 200000000) {
			xen_expect("an answer", 0, 1);
			return -99;
		}
	}
	return ((struct xen_netif_tx_response *)tx_entry(tx_cons++))->status;
}

static void put_tx(uint32_t ref, uint32_t offset, uint32_t size, uint32_t flags)
{
	uint32_t prod = tx_ring.req_prod;

	*tx_entry(prod) = (struct xen_netif_tx_request){ ref, (uint16_t)offset, (uint16_t)flags,
							 (uint16_t)prod, (uint16_t)size };
	__atomic_store_n(&tx_ring.req_prod, prod + 1, __ATOMIC_SEQ_CST);
}

static void post_buffers(void)
{
	for (uint32_t i = 0; i < 16; i++) {
		rx_refs[i] = xen_grant_page(received[i], 0);
		*rx_entry(i) = (struct xen_netif_rx_request){ (uint16_t)i, 0, rx_refs[i] };
	}
	__atomic_store_n(&rx_ring.req_prod, 16, __ATOMIC_SEQ_CST);
}

static bool is_offer(const struct xen_netif_rx_response *response)
{
	const uint8_t *got = received[response->id % 16];

	return response->status > 14 + 28 + 240 && got[12] == 8 && got[23] == 17 && got[35] == 67 &&
	       got[42] == 2 && got[46] == 0x12;
}

static void wait_for_offer(void)
{
	for (uint32_t i = 0; i < 200000000; i++) {
		if (__atomic_load_n(&rx_ring.rsp_prod, __ATOMIC_ACQUIRE) == rx_cons) {
			cpu_relax();
			continue;
		}
		if (is_offer((struct xen_netif_rx_response *)rx_entry(rx_cons++)))
			return;
		if (rx_cons == 16)
			break;
	}
	xen_expect("an offer", 0, 1);
}

static void wait_for_state(uint64_t state)
{
	uint64_t got = 0;

	for (uint32_t i = 0; i < 20000 && got != state; i++)
		got = xen_store_number(BACK, "state");
	xen_expect("the back end's state", (int64_t)got, (int64_t)state);
}

static uint32_t new_port(const char *key)
{
	struct xen_evtchn_alloc_unbound alloc = { XEN_DOMID_SELF, 0, 0 };

	xen_expect("alloc", xen_evtchn(EVTCHNOP_alloc_unbound, &alloc), 0);
	xen_store_write_number(FRONT, key, alloc.port);
	return alloc.port;
}

static void connect(bool split)
{
	frame_ref = xen_grant_page(frame, GTF_readonly);
	post_buffers();
	tx_ring.req_event = tx_ring.rsp_event = rx_ring.req_event = rx_ring.rsp_event = 1;
	xen_store_write_number(FRONT, "tx-ring-ref", xen_grant_page(&tx_ring, 0));
	xen_store_write_number(FRONT, "rx-ring-ref", xen_grant_page(&rx_ring, 0));
	port = new_port(split ? "event-channel-tx" : "event-channel");
	if (split)
		new_port("event-channel-rx");
	xen_store_write_number(FRONT, "request-rx-copy", 1);
	xen_store_write_number(FRONT, "feature-sg", 1);
	xen_store_write_number(FRONT, "state", XENBUS_CONNECTED);
	wait_for_state(XENBUS_CONNECTED);
}

static void bad(void)
{
	put_tx(511, 0, 100, 0);
	notify();
	xen_expect("not granted", tx_answer(), NETIF_RSP_ERROR);
	put_tx(frame_ref, 4000, 200, 0);
	notify();
	xen_expect("over the edge", tx_answer(), NETIF_RSP_ERROR);
	put_tx(frame_ref, 0, 5, 0);
	notify();
	xen_expect("too short", tx_answer(), NETIF_RSP_ERROR);
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start = info;
	const char *cmdline = (const char *)(uintptr_t)start->cmdline_paddr;
	uint32_t len;

	if (!xen_init())
		return;
	xen_store_init();
	connect(cmdline_number(cmdline, "split", 0));
	bad();
	len = make_discover();
	put_tx(frame_ref, 0, len, NETTXF_csum_blank | NETTXF_data_validated | NETTXF_more_data);
	put_tx(frame_ref, 60, len - 60, 0);
	notify();
	xen_expect("sent", tx_answer(), NETIF_RSP_OKAY);
	xen_expect("all of it", tx_answer(), NETIF_RSP_OKAY);
	wait_for_offer();
	xen_store_write_number(FRONT, "state", XENBUS_CLOSED);
	wait_for_state(XENBUS_CLOSED);
	for (uint32_t i = 0; i < 16; i++)
		xen_expect("all is given back", xen_grant_flags(rx_refs[i]), GTF_permit_access);
	xen_verdict();
}
