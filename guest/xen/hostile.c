/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hypercalls at random, with arguments that are now and then nearly right: ferry answers all of them. The
 * command line is seed= and rounds=. Left out is what ends the guest or makes it wait for nobody.
 */
#include <abi/pvh.h>
#include <abi/xen_grant.h>

#include "lib/cmdline.h"
#include "lib/xen.h"

static uint8_t arena[16 * 4096] __attribute__((aligned(4096)));
static uint64_t state;

static uint64_t random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Numbers that mean something somewhere, their neighbours, and any. */
static uint64_t number(void)
{
	static const uint64_t known[] = { 0, 1, 2, 3, 5, 8, 15, 16, 31, 32, 63, 64, 127, 1023, 1024,
					  4095, 4096, XEN_DOMID_SELF, 0xd0000, 0xfee00, 0xffffffff,
					  1ULL << 32, 1ULL << 52, UINT64_MAX };
	uint64_t kind = random() % 8;

	if (kind == 0)
		return random();
	if (kind == 1)
		return random() % 4096;
	if (kind == 2)
		return (uintptr_t)arena / 4096 + random() % 16;
	return known[random() % (sizeof(known) / sizeof(known[0]))] + (kind == 3 ? random() % 3 - 1 : 0);
}

static uint64_t handle(void)
{
	static const uint64_t bad[] = { 0, 0x7ffff0000000, 0xd0000000, UINT64_MAX - 8, 0xfffffff8 };
	uint64_t *at = (uint64_t *)(arena + random() % (sizeof(arena) - 64));
	uint16_t *first = (uint16_t *)at;

	if (random() % 8 == 0)
		return bad[random() % 5];
	for (int i = 0; i < 6; i++)
		at[i] = random() % 2 ? number() : number() << 32 | (uint32_t)number();
	if (random() % 2)
		*first = XEN_DOMID_SELF;
	if (random() % 4 == 0)
		at[1] = handle();
	return (uintptr_t)at;
}

static bool ends_or_waits(uint32_t op, uint64_t cmd)
{
	if (op == HYPERVISOR_sched_op)
		return cmd == SCHEDOP_block || cmd == SCHEDOP_shutdown || cmd == SCHEDOP_watchdog;
	if (op == HYPERVISOR_vcpu_op)
		return cmd == VCPUOP_down || cmd == VCPUOP_send_nmi;
	/* It says what it is given. */
	return op == HYPERVISOR_console_io || op == HYPERVISOR_multicall;
}

static void soft_reset(void)
{
	struct xen_sched_shutdown op = { XEN_SHUTDOWN_soft_reset };

	xen_call(HYPERVISOR_sched_op, SCHEDOP_shutdown, (uintptr_t)&op, 0);
}

/* The guest may be given pages of its own code to put Xen's over: only the arena is. */
static bool harms_us(uint32_t op, uint64_t cmd)
{
	cmd &= XEN_MEMOP_CMD_MASK;
	return op == HYPERVISOR_memory_op &&
	       (cmd == XENMEM_add_to_physmap || cmd == XENMEM_add_to_physmap_batch ||
		cmd == XENMEM_remove_from_physmap || cmd == XENMEM_decrease_reservation);
}

static void map_something(void)
{
	struct xen_add_to_physmap_64 op = {
		.domid = XEN_DOMID_SELF,
		.space = (uint32_t)(random() % 7),
		.size = (uint16_t)(random() % 4),
		.idx = random() % 4 ? (uintptr_t)arena / 4096 + random() % 8 : number(),
		.gpfn = random() % 4 ? (uintptr_t)arena / 4096 + 8 + random() % 4 : 0xd0000 + random() % 8,
	};

	if (op.space == XENMAPSPACE_shared_info)
		op.idx = 0;
	else if (op.space == XENMAPSPACE_gmfn || op.space == XENMAPSPACE_gmfn_range)
		op.idx = (uintptr_t)arena / 4096 + random() % 4;
	xen_call(HYPERVISOR_memory_op, XENMEM_add_to_physmap, (uintptr_t)&op, 0);
}

/* Where Xen's pages are put, too; then what is there is written, and one of them is taken away again. */
static void map_grants(void)
{
	static uint8_t table[4096] __attribute__((aligned(4096)));
	static uint64_t addresses[256];
	struct xen_grant_entry_v1 *entry = &((struct xen_grant_entry_v1 *)table)[300];
	struct xen_add_to_physmap_64 add = { .domid = XEN_DOMID_SELF, .gpfn = (uintptr_t)table / 4096,
					     .space = XENMAPSPACE_grant_table };
	struct xen_gnttab_map_grant_ref map = { .host_addr = (0xd0000 + random() % 16) * 4096,
						.flags = GNTMAP_host_map | (random() % 2 ? GNTMAP_readonly : 0),
						.ref = 300, .dom = 1 };
	struct xen_gnttab_unmap_grant_ref unmap = { .handle = random() % 16 };

	xen_call(HYPERVISOR_memory_op, XENMEM_add_to_physmap, (uintptr_t)&add, 0);
	*entry = (struct xen_grant_entry_v1){ GTF_permit_access, 1,
					      (uint32_t)((uintptr_t)arena / 4096 + random() % 16) };
	xen_call(HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, (uintptr_t)&map, 1);
	if (map.status == GNTST_okay && map.handle < 256) {
		addresses[map.handle] = map.host_addr;
		*(volatile uint8_t *)map.host_addr = 1;
		xen_register_vcpu_info(random() % 3, (void *)map.host_addr);
	}
	unmap.host_addr = addresses[unmap.handle];
	xen_call(HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, (uintptr_t)&unmap, 1);
}

void guest_main(const void *info)
{
	static const uint32_t ops[] = { 12, 13, 15, 17, 18, 20, 21, 24, 29, 32, 32, 32, 33, 34, 50 };
	const struct hvm_start_info *start = info;
	const char *cmdline = (const char *)(uintptr_t)start->cmdline_paddr;
	uint64_t rounds = cmdline_number(cmdline, "rounds", 1000);

	state = cmdline_number(cmdline, "seed", 1) * 0x9e3779b97f4a7c15 | 1;
	if (!xen_init())
		return;
	for (uint64_t i = 0; i < rounds; i++) {
		uint32_t op = ops[random() % (sizeof(ops) / sizeof(ops[0]))];
		uint64_t cmd = random() % 4 ? random() % 26 : number(), a = handle(), b = handle();

		if (i % 200 == 199)
			soft_reset();
		if (i % 50 == 0)
			map_something();
		if (i % 20 == 0)
			map_grants();
		if (ends_or_waits(op, cmd) || harms_us(op, cmd))
			continue;
		if (op == HYPERVISOR_vcpu_op)
			a = random() % 3;
		if (random() % 4)
			xen_call(op, cmd, a, b);
		else if (!ends_or_waits(op, (uint32_t)cmd) && !harms_us(op, (uint32_t)cmd))
			xen_call_32(op, (uint32_t)cmd, (uint32_t)a, (uint32_t)b);
	}
	xen_verdict();
}
