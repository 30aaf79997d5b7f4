/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block front end: the handshake, then requests of each kind, by both kinds of descriptors, bad ones,
 * and the end. The disk has 1 MiB. On the command line: persistent=1 (it would like its grants to be kept),
 * kept=1 (they are), narrow=1 (32-bit layout), order=, queues=; spin=1: it writes and reads for ever, and says
 * a dot for each round.
 */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/xen_store.h"

#define FRONT "device/vbd/51712"
#define SECTORS 2048

static const char *cmdline;
static uint8_t ring_pages[4][4096] __attribute__((aligned(4096)));
static uint8_t data[40][4096] __attribute__((aligned(4096)));
static struct xen_blkif_segment segments[512] __attribute__((aligned(4096)));
static struct xen_ring *ring = (struct xen_ring *)ring_pages;
static uint32_t refs[40], indirect_ref, port, entries, rsp_cons;
static uint8_t expected_op;
static bool narrow;

static uint32_t entry_size(void)
{
	return narrow ? sizeof(struct xen_blkif_request_32) : sizeof(struct xen_blkif_request_64);
}

static uint8_t *entry(uint32_t index)
{
	return ring_pages[0] + sizeof(*ring) + (index % entries) * entry_size();
}

/* Waits, for a million looks at the most; that is what bounds a back end that says nothing. */
static int16_t wait_for(uint64_t id)
{
	const void *at = entry(rsp_cons);
	struct xen_blkif_response_64 wide;
	struct xen_blkif_response_32 thin;

	for (uint32_t i = 0; __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) == rsp_cons; i++) {
		cpu_relax();
		if (i == 200000000) {
			xen_expect("an answer", 0, 1);
			return -99;
		}
	}
	__builtin_memcpy(&wide, at, sizeof(wide));
	__builtin_memcpy(&thin, at, sizeof(thin));
	rsp_cons++;
	__atomic_store_n(&ring->rsp_event, rsp_cons + 1, __ATOMIC_RELEASE);
	xen_expect("answers this", (int64_t)(narrow ? thin.id : wide.id), (int64_t)id);
	xen_expect("by its own name", narrow ? thin.operation : wide.operation, expected_op);
	return narrow ? thin.status : wide.status;
}

static void submit(void)
{
	uint32_t prod = ring->req_prod;

	__atomic_store_n(&ring->req_prod, prod + 1, __ATOMIC_SEQ_CST);
	if (prod + 1 - __atomic_load_n(&ring->req_event, __ATOMIC_SEQ_CST) < 1)
		xen_send(port);
}

static int16_t plain(uint8_t op, uint64_t sector, uint32_t first, uint32_t count, uint8_t from,
		     uint8_t to)
{
	static uint64_t id = 100;
	struct xen_blkif_request_64 wide = { .operation = op, .nr_segments = (uint8_t)count,
					     .id = ++id, .sector_number = sector };
	struct xen_blkif_request_32 thin = { .operation = op, .nr_segments = (uint8_t)count,
					     .id = id, .sector_number = sector };

	for (uint32_t i = 0; i < count && i < BLKIF_SEGMENTS; i++)
		wide.seg[i] = thin.seg[i] = (struct xen_blkif_segment){ refs[first + i], from, to, 0 };
	__builtin_memcpy(entry(ring->req_prod), narrow ? (void *)&thin : (void *)&wide, entry_size());
	expected_op = op;
	submit();
	return wait_for(id);
}

static int16_t discard(uint64_t sector, uint64_t sectors, uint8_t flag)
{
	struct xen_blkif_discard_64 wide = { .operation = BLKIF_OP_DISCARD, .flag = flag, .id = 7,
					     .sector_number = sector, .nr_sectors = sectors };
	struct xen_blkif_discard_32 thin = { .operation = BLKIF_OP_DISCARD, .flag = flag, .id = 7,
					     .sector_number = sector, .nr_sectors = sectors };

	__builtin_memcpy(entry(ring->req_prod), narrow ? (void *)&thin : (void *)&wide,
			 narrow ? sizeof(thin) : sizeof(wide));
	expected_op = BLKIF_OP_DISCARD;
	submit();
	return wait_for(7);
}

static int16_t indirect(uint8_t op, uint64_t sector, uint32_t count)
{
	struct xen_blkif_indirect_64 wide = { .operation = BLKIF_OP_INDIRECT, .indirect_op = op,
					      .nr_segments = (uint16_t)count, .id = 8,
					      .sector_number = sector };
	struct xen_blkif_indirect_32 thin = { .operation = BLKIF_OP_INDIRECT, .indirect_op = op,
					      .nr_segments = (uint16_t)count, .id = 8,
					      .sector_number = sector };

	for (uint32_t i = 0; i < 40; i++)
		segments[i] = (struct xen_blkif_segment){ refs[i], 0, 7, 0 };
	wide.indirect_grefs[0] = thin.indirect_grefs[0] = indirect_ref;
	__builtin_memcpy(entry(ring->req_prod), narrow ? (void *)&thin : (void *)&wide,
			 narrow ? sizeof(thin) : sizeof(wide));
	expected_op = op;
	submit();
	return wait_for(8);
}

static void fill(uint32_t page, uint32_t seed)
{
	for (uint32_t i = 0; i < 4096; i++)
		data[page][i] = (uint8_t)(seed * 31 + i * 7);
}

static bool is_filled(uint32_t page, uint32_t seed, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		if (data[page][i] != (uint8_t)(seed * 31 + i * 7))
			return false;
	return true;
}

static void write_rings(uint32_t order, uint32_t queues)
{
	struct xen_evtchn_alloc_unbound alloc = { XEN_DOMID_SELF, 0, 0 };
	char name[] = "ring-ref0";

	if (queues > 1)
		xen_store_write_number(FRONT, "multi-queue-num-queues", queues);
	if (order)
		xen_store_write_number(FRONT, "ring-page-order", order);
	for (uint32_t i = 0; i < 1u << order; i++) {
		uint32_t ref = xen_grant_page(ring_pages[i], 0);

		name[8] = order ? (char)('0' + i) : '\0';
		xen_store_write_number(queues > 1 ? FRONT "/queue-0" : FRONT, name, ref);
	}
	xen_expect("alloc", xen_evtchn(EVTCHNOP_alloc_unbound, &alloc), 0);
	port = alloc.port;
	xen_store_write_number(queues > 1 ? FRONT "/queue-0" : FRONT, "event-channel", port);
	for (uint32_t q = 1; q < queues; q++) { /* one that is not used */
		static struct xen_ring other __attribute__((aligned(4096)));

		xen_expect("alloc", xen_evtchn(EVTCHNOP_alloc_unbound, &alloc), 0);
		xen_store_write_number(FRONT "/queue-1", "event-channel", alloc.port);
		xen_store_write_number(FRONT "/queue-1", "ring-ref", xen_grant_page(&other, 0));
	}
	entries = ((uint32_t)(4096 << order) - sizeof(*ring)) / entry_size();
	while (entries & (entries - 1))
		entries &= entries - 1;
	ring->req_event = ring->rsp_event = 1;
}

static void wait_for_state(uint64_t state)
{
	for (uint32_t i = 0; i < 20000; i++)
		if (xen_store_number("/local/domain/0/backend/vbd/1/51712", "state") == state)
			return;
	xen_expect("the back end's state",
		   (int64_t)xen_store_number("/local/domain/0/backend/vbd/1/51712", "state"),
		   (int64_t)state);
}

static void connect(void)
{
	narrow = cmdline_number(cmdline, "narrow", 0);
	xen_expect("it waits", (int64_t)xen_store_number("/local/domain/0/backend/vbd/1/51712",
							 "state"), XENBUS_INIT_WAIT);
	for (uint32_t i = 0; i < 40; i++)
		refs[i] = xen_grant_page(data[i], 0);
	indirect_ref = xen_grant_page(segments, GTF_readonly);
	xen_expect_text("protocol", xen_store_write(FRONT "/protocol", narrow ? "x86_32-abi"
									     : "x86_64-abi"), "OK");
	xen_store_write_number(FRONT, "feature-persistent",
			       cmdline_number(cmdline, "persistent", 0));
	write_rings((uint32_t)cmdline_number(cmdline, "order", 0),
		    (uint32_t)cmdline_number(cmdline, "queues", 1));
	xen_store_write_number(FRONT, "state", XENBUS_INITIALISED);
	wait_for_state(XENBUS_CONNECTED);
	xen_store_write_number(FRONT, "state", XENBUS_CONNECTED);
	xen_expect("sectors", (int64_t)xen_store_number("/local/domain/0/backend/vbd/1/51712",
							"sectors"), SECTORS);
}

static void good(void)
{
	for (uint32_t i = 0; i < 11; i++)
		fill(i, i);
	xen_expect("write", plain(BLKIF_OP_WRITE, 8, 0, 11, 0, 7), 0);
	xen_expect("flush", plain(BLKIF_OP_FLUSH_DISKCACHE, 0, 0, 0, 0, 0), 0);
	xen_expect("read", plain(BLKIF_OP_READ, 8, 20, 11, 0, 7), 0);
	for (uint32_t i = 0; i < 11; i++)
		xen_expect("what was written", is_filled(20 + i, i, 0, 4096), 1);
	fill(0, 99);
	xen_expect("write of two sectors", plain(BLKIF_OP_WRITE, 9, 0, 1, 2, 3), 0);
	xen_expect("read", plain(BLKIF_OP_READ, 8, 20, 1, 0, 7), 0);
	xen_expect("in front of them", is_filled(20, 0, 0, 512), 1);
	xen_expect("behind them", is_filled(20, 0, 1536, 4096), 1);
	for (uint32_t i = 0; i < 40; i++)
		fill(i, 100 + i);
	xen_expect("indirect write", indirect(BLKIF_OP_WRITE, 512, 40), 0);
	for (uint32_t i = 0; i < 40; i++)
		fill(i, 0);
	xen_expect("indirect read", indirect(BLKIF_OP_READ, 512, 40), 0);
	for (uint32_t i = 0; i < 40; i++)
		xen_expect("what was written", is_filled(i, 100 + i, 0, 4096), 1);
	xen_expect("discard", discard(512, 320, 0), 0);
	xen_expect("read", plain(BLKIF_OP_READ, 512, 0, 1, 0, 7), 0);
	xen_expect("zeros", data[0][0] | data[0][4095], 0);
}

static void bad(void)
{
	uint32_t last = refs[39];

	xen_expect("behind the end", plain(BLKIF_OP_READ, SECTORS, 0, 1, 0, 7), BLKIF_RSP_ERROR);
	xen_expect("far behind", plain(BLKIF_OP_READ, ~0ULL - 1, 0, 1, 0, 7), BLKIF_RSP_ERROR);
	xen_expect("no segments", plain(BLKIF_OP_READ, 0, 0, 0, 0, 7), BLKIF_RSP_ERROR);
	xen_expect("12 segments", plain(BLKIF_OP_READ, 0, 0, 12, 0, 7), BLKIF_RSP_ERROR);
	xen_expect("sector 8", plain(BLKIF_OP_READ, 0, 0, 1, 0, 8), BLKIF_RSP_ERROR);
	xen_expect("backwards", plain(BLKIF_OP_READ, 0, 0, 1, 3, 2), BLKIF_RSP_ERROR);
	xen_expect("a barrier", plain(BLKIF_OP_WRITE_BARRIER, 0, 0, 0, 0, 0), BLKIF_RSP_EOPNOTSUPP);
	xen_expect("no op", plain(77, 0, 0, 0, 0, 0), BLKIF_RSP_EOPNOTSUPP);
	refs[39] = 511;
	xen_expect("not granted", plain(BLKIF_OP_READ, 0, 39, 1, 0, 7), BLKIF_RSP_ERROR);
	refs[39] = 0x7fffffff;
	xen_expect("no reference", indirect(BLKIF_OP_WRITE, 0, 40), BLKIF_RSP_ERROR);
	refs[39] = indirect_ref;
	xen_expect("into what is for reading", plain(BLKIF_OP_READ, 0, 39, 1, 0, 7),
		   BLKIF_RSP_ERROR);
	refs[39] = last;
	xen_expect("too many", indirect(BLKIF_OP_READ, 0, 257), BLKIF_RSP_ERROR);
	xen_expect("an indirect flush", indirect(BLKIF_OP_FLUSH_DISKCACHE, 0, 1), BLKIF_RSP_ERROR);
	xen_expect("a long discard", discard(1, SECTORS, 0), BLKIF_RSP_ERROR);
	xen_expect("a secure discard", discard(0, 8, 1), BLKIF_RSP_EOPNOTSUPP);
}

static void spin(void)
{
	for (uint32_t round = 1;; round++) {
		for (uint32_t i = 0; i < 11; i++)
			fill(i, round + i);
		xen_expect("write", plain(BLKIF_OP_WRITE, 88 * (round % 16), 0, 11, 0, 7), 0);
		xen_expect("read", plain(BLKIF_OP_READ, 88 * (round % 16), 20, 11, 0, 7), 0);
		for (uint32_t i = 0; i < 11; i++)
			xen_expect("what was written", is_filled(20 + i, round + i, 0, 4096), 1);
		guest_puts(".");
	}
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start = info;

	cmdline = (const char *)(uintptr_t)start->cmdline_paddr;
	if (!xen_init())
		return;
	xen_store_init();
	connect();
	if (cmdline_number(cmdline, "spin", 0))
		spin();
	good();
	bad();
	xen_expect("kept while connected", xen_grant_flags(refs[5]) & GTF_writing,
		   cmdline_number(cmdline, "kept", 0) ? GTF_writing : 0);
	xen_store_write_number(FRONT, "state", XENBUS_CLOSING);
	wait_for_state(XENBUS_CLOSING);
	xen_store_write_number(FRONT, "state", XENBUS_CLOSED);
	wait_for_state(XENBUS_CLOSED);
	for (uint32_t i = 0; i < 40; i++)
		xen_expect("all is given back", xen_grant_flags(refs[i]), GTF_permit_access);
	xen_verdict();
}
