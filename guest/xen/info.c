/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu_info: the embedded one, the registered one, and the way between them. The command line is test=
 * and the name of one part.
 */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/xen.h"

#define PORTS 8
#define LIMIT 2000000000U /* of looks */
#define LOOKS 100 /* before a yield */

static uint8_t places[3][4096] __attribute__((aligned(4096)));
static uint32_t port[PORTS];
/* Rounds: by both CPUs, or by this one and somebody outside. */
static struct {
	uint32_t go, sent;
} turn;
static uint64_t rounds;

static struct xen_vcpu_info_64 *at(uint32_t page, uint32_t offset)
{
	return (struct xen_vcpu_info_64 *)(places[page] + offset);
}

static bool is_areas(void)
{
	return xen_version() >= 0x40012;
}

/* From the moment shared_info is mapped; and what was pending before it was, is in it. */
static void embedded(void)
{
	uint32_t early = xen_bind_ipi(0), late;

	xen_expect("send early", xen_send(early), 0);
	xen_expect("map", xen_map_shared_info(xen_shared), 0);
	xen_expect("early", xen_info_64()->evtchn_pending[0], 1LL << early);
	xen_expect("pending", xen_info_64()->vcpu_info[0].evtchn_upcall_pending, 1);
	xen_expect("selector", xen_info_64()->vcpu_info[0].evtchn_pending_sel & 1, 1);
	xen_info_64()->vcpu_info[0].evtchn_upcall_pending = 0;
	xen_info_64()->vcpu_info[0].evtchn_pending_sel = 0;
	late = xen_bind_ipi(0);
	xen_expect("send late", xen_send(late), 0);
	xen_expect("late", xen_info_64()->vcpu_info[0].evtchn_pending_sel, 1);
	xen_info_64()->vcpu_info[0].evtchn_pending_sel = 0;
	xen_expect("send again", xen_send(late), 0);
	xen_expect("coalesced", xen_info_64()->vcpu_info[0].evtchn_pending_sel, 0);
	xen_info_64()->evtchn_mask[0] = ~0ULL;
	xen_info_64()->evtchn_pending[0] = 0;
	xen_expect("send masked", xen_send(late), 0);
	xen_expect("masked", xen_info_64()->vcpu_info[0].evtchn_pending_sel, 0);
	xen_expect("unmask", xen_evtchn(EVTCHNOP_unmask, &(struct xen_evtchn_port){ late }), 0);
	xen_expect("unmasked", xen_info_64()->vcpu_info[0].evtchn_pending_sel, 1);
	xen_expect("a clock", xen_info_64()->vcpu_info[0].time.tsc_to_system_mul != 0, 1);
}

/* The order of the checks is Xen's, too. */
static void errors(void)
{
	struct xen_vcpu_info_64 before;

	xen_expect("map", xen_map_shared_info(xen_shared), 0);
	xen_info_64()->vcpu_info[0].cr2 = 0x1234;
	xen_expect("no vcpu", xen_register_vcpu_info(99, at(0, 0)), -XEN_ENOENT);
	xen_expect("a bad handle", xen_call(HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0,
					    0x7ffff0000000), -XEN_EFAULT);
	xen_expect("over the edge", xen_register_vcpu_info(0, at(0, 4096 - 56)), -XEN_ENXIO);
	xen_expect("askew", xen_register_vcpu_info(0, at(0, 4)), -XEN_ENXIO);
	xen_expect("outside RAM", xen_register_vcpu_info(0, (void *)0xd0000000UL), -XEN_EINVAL);
	before = xen_info_64()->vcpu_info[0];
	xen_expect("the old place is in force", before.evtchn_pending_sel, 0);
	xen_expect("register", xen_register_vcpu_info(0, at(0, 128)), 0);
	xen_expect("copied", (int64_t)at(0, 128)->cr2, 0x1234);
	xen_expect("all selectors", (int64_t)at(0, 128)->evtchn_pending_sel, -1);
	xen_expect("an upcall", at(0, 128)->evtchn_upcall_pending, 1);
	xen_expect("again", xen_register_vcpu_info(0, at(1, 128)),
		   is_areas() ? -XEN_EBUSY : -XEN_EINVAL);
	xen_expect("again, over the edge", xen_register_vcpu_info(0, at(1, 4096 - 56)),
		   is_areas() ? -XEN_EBUSY : -XEN_ENXIO);
	xen_expect("a clock", at(0, 128)->time.tsc_to_system_mul != 0, 1);
}

static void soft_reset(void)
{
	struct xen_sched_shutdown op = { XEN_SHUTDOWN_soft_reset };

	xen_expect("soft reset",
		   xen_call(HYPERVISOR_sched_op, SCHEDOP_shutdown, (uintptr_t)&op, 0), 0);
}

/* Back to the embedded one, and registered again. */
static void reset(void)
{
	uint32_t one;

	xen_expect("map", xen_map_shared_info(xen_shared), 0);
	xen_expect("register", xen_register_vcpu_info(0, at(0, 0)), 0);
	one = xen_bind_ipi(0);
	soft_reset();
	xen_expect("the port is closed", xen_send(one), -XEN_EINVAL);
	__builtin_memset(xen_shared, 0, sizeof(xen_shared));
	xen_expect("map again", xen_map_shared_info(xen_shared), 0);
	at(0, 0)->evtchn_pending_sel = 0;
	xen_info_64()->vcpu_info[0].evtchn_pending_sel = 0;
	one = xen_bind_ipi(0);
	xen_expect("send", xen_send(one), 0);
	xen_expect("embedded", xen_info_64()->vcpu_info[0].evtchn_pending_sel, 1);
	xen_expect("not the old one", at(0, 0)->evtchn_pending_sel, 0);
	xen_expect("register again", xen_register_vcpu_info(0, at(1, 64)), 0);
	xen_expect("in force", (int64_t)at(1, 64)->evtchn_pending_sel, -1);
}

/* Number 33 has none until it registers; what was sent to it is there then. */
static void many(void)
{
	uint32_t to_33;

	xen_expect("map", xen_map_shared_info(xen_shared), 0);
	to_33 = xen_bind_ipi(33);
	xen_expect("send", xen_send(to_33), 0);
	xen_expect("it is pending", (int64_t)xen_info_64()->evtchn_pending[0], 1LL << to_33);
	at(0, 0)->cr2 = 99;
	xen_expect("register another's", xen_register_vcpu_info(33, at(0, 0)), 0);
	xen_expect("begins empty", (int64_t)at(0, 0)->cr2, 0);
	xen_expect("all selectors", (int64_t)at(0, 0)->evtchn_pending_sel, -1);
	xen_expect("an upcall", at(0, 0)->evtchn_upcall_pending, 1);
	at(0, 0)->evtchn_pending_sel = 0;
	xen_info_64()->evtchn_pending[0] = 0;
	xen_expect("send", xen_send(to_33), 0);
	xen_expect("it is told there", (int64_t)at(0, 0)->evtchn_pending_sel, 1);
	xen_expect("embedded 31", xen_register_vcpu_info(31, at(1, 0)), 0);
}

/* Where one CPU of the host has both of ours, the other one may go on. */
static void yield(void)
{
	xen_call(HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0);
}

/*
 * The other CPU sends every port once a round, while this one registers: after as many of them as the round
 * says this one is let in.
 */
void guest_ap_main(uint32_t n)
{
	(void)n;
	for (uint32_t round = 1; round <= rounds; round++) {
		for (uint32_t looks = 1; __atomic_load_n(&turn.go, __ATOMIC_SEQ_CST) < round; looks++)
			if (looks % LOOKS == 0)
				yield();
		for (uint32_t i = 0; i < PORTS; i++) {
			if (i == round % (PORTS + 1))
				yield();
			xen_send(port[i]);
		}
		__atomic_store_n(&turn.sent, round, __ATOMIC_SEQ_CST);
	}
}

/* What an upcall leads to: pending bits by way of the selector, as Linux goes. */
static uint64_t take(struct xen_vcpu_info_64 *info)
{
	uint64_t seen = 0, selected;

	if (!__atomic_exchange_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST))
		return 0;
	selected = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
	if (selected & 1)
		seen = __atomic_exchange_n(&xen_info_64()->evtchn_pending[0], 0, __ATOMIC_SEQ_CST);
	return seen;
}

/* Every other round KVM delivers, where it can: it makes upcalls by vector only. */
static void set_vector(uint32_t round)
{
	struct xen_hvm_evtchn_upcall_vector vector = { .vcpu = 0, .vector = 0xf3 };

	if (round % 2)
		xen_expect("vector", xen_call(HYPERVISOR_hvm_op, HVMOP_set_evtchn_upcall_vector,
					      (uintptr_t)&vector, 0), 0);
}

static void storm_round(uint32_t round)
{
	struct xen_vcpu_info_64 *info = at(round % 2, round % 8 * 64);
	uint64_t seen = 0, wanted = 0;
	uint32_t looks = 0;

	soft_reset();
	__builtin_memset(xen_shared, 0, sizeof(xen_shared));
	xen_expect("map", xen_map_shared_info(xen_shared), 0);
	for (uint32_t i = 0; i < PORTS; i++) {
		port[i] = xen_bind_ipi(0);
		wanted |= 1ULL << port[i];
	}
	set_vector(round);
	__atomic_store_n(&turn.go, round, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < round % 64; i++)
		cpu_relax();
	if (round % 3)
		yield();
	xen_expect("register", xen_register_vcpu_info(0, info), 0);
	while ((seen != wanted || __atomic_load_n(&turn.sent, __ATOMIC_SEQ_CST) < round) && looks++ < LIMIT) {
		seen |= take(info);
		if (looks % LOOKS == 0)
			yield();
	}
	xen_expect("nothing is lost", (int64_t)seen, (int64_t)wanted);
}

static void storm(void)
{
	guest_x2apic();
	guest_start_cpu(1);
	for (uint32_t round = 1; round <= rounds; round++)
		storm_round(round);
}

/* The same by somebody outside, who is told by a parameter where turn is. */
static void outside(void)
{
	struct xen_hvm_param param = { .domid = XEN_DOMID_SELF,
				       .index = HVM_PARAM_VM_GENERATION_ID_ADDR,
				       .value = (uintptr_t)&turn };

	xen_expect("tell", xen_call(HYPERVISOR_hvm_op, HVMOP_set_param, (uintptr_t)&param, 0), 0);
	for (uint32_t round = 1; round <= rounds; round++)
		storm_round(round);
}

/* The timer fires while vcpu_info moves. */
static void timer(void)
{
	for (uint32_t round = 1; round <= rounds; round++) {
		struct xen_vcpu_info_64 *info = at(round % 2, round % 8 * 64);
		struct xen_evtchn_bind_virq virq = { .virq = XEN_VIRQ_TIMER };
		struct xen_vcpu_set_singleshot_timer op = { 0 };
		struct xen_hvm_get_time now;
		uint64_t seen = 0;
		uint32_t looks = 0;

		soft_reset();
		__builtin_memset(xen_shared, 0, sizeof(xen_shared));
		xen_expect("map", xen_map_shared_info(xen_shared), 0);
		xen_expect("bind", xen_evtchn(EVTCHNOP_bind_virq, &virq), 0);
		set_vector(round);
		xen_call(HYPERVISOR_hvm_op, HVMOP_get_time, (uintptr_t)&now, 0);
		op.timeout_abs_ns = now.now + round % 32 * 10000;
		xen_expect("set", xen_call(HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0,
					   (uintptr_t)&op), 0);
		xen_expect("register", xen_register_vcpu_info(0, info), 0);
		while (!seen && looks++ < LIMIT)
			seen = take(info);
		xen_expect("it fired", (int64_t)seen, 1LL << virq.port);
	}
}

/* It fires while the guest stands still, which somebody sees to, who ends the guest as well. */
static void due(void)
{
	struct xen_vcpu_info_64 *info = &xen_info_64()->vcpu_info[0];
	struct xen_evtchn_bind_virq virq = { .virq = XEN_VIRQ_TIMER };
	struct xen_vcpu_set_singleshot_timer op = { 0 };
	struct xen_hvm_get_time now;
	uint64_t seen = 0;

	xen_expect("map", xen_map_shared_info(xen_shared), 0);
	xen_expect("bind", xen_evtchn(EVTCHNOP_bind_virq, &virq), 0);
	set_vector(1);
	xen_call(HYPERVISOR_hvm_op, HVMOP_get_time, (uintptr_t)&now, 0);
	op.timeout_abs_ns = now.now + 300000000;
	xen_expect("set", xen_call(HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, (uintptr_t)&op), 0);
	guest_puts("waits\n");
	while (!seen)
		seen = take(info);
	xen_expect("it fired", (int64_t)seen, 1LL << virq.port);
	xen_verdict();
	for (;;)
		cpu_relax();
}

/* A 32-bit guest: the width is latched with the callback, and the layout is the other one. */
static void narrow(void)
{
	struct xen_shared_info_32 *shared = (struct xen_shared_info_32 *)xen_shared;
	struct xen_vcpu_info_32 *info = (struct xen_vcpu_info_32 *)at(0, 4);
	struct xen_vcpu_register_vcpu_info op = { (uintptr_t)info / 4096, 4, 0 };
	struct xen_hvm_param param = { .domid = XEN_DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ,
				       .value = 1 };
	uint32_t low;

	xen_expect("map", xen_map_shared_info(xen_shared), 0);
	xen_expect("callback", xen_call_32(HYPERVISOR_hvm_op, HVMOP_set_param,
					   (uint32_t)(uintptr_t)&param, 0), 0);
	xen_expect("the wall clock moved", shared->wc_sec != 0, 1);
	do
		low = xen_bind_ipi(0);
	while (low < 40);
	xen_expect("send", xen_send(low), 0);
	xen_expect("pending", shared->evtchn_pending[1], 1LL << (low - 32));
	xen_expect("selector", shared->vcpu_info[0].evtchn_pending_sel, 2);
	xen_expect("register at 4", xen_call_32(HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0,
						(uint32_t)(uintptr_t)&op), 0);
	xen_expect("all selectors", (int32_t)info->evtchn_pending_sel, -1);
	xen_expect("an upcall", info->evtchn_upcall_pending, 1);
	xen_expect("port 1024", xen_send(1024), -XEN_EINVAL);
}

static const struct {
	const char *name;
	void (*fn)(void);
} tests[] = {
	{ "embedded", embedded }, { "errors", errors }, { "reset", reset },   { "many", many },
	{ "storm", storm },	  { "timer", timer },	{ "narrow", narrow },
	{ "outside", outside },	  { "due", due },
};

static bool is(const char *a, const char *b)
{
	while (*b && *a == *b) {
		a++;
		b++;
	}
	return !*b && (!*a || *a == ' ');
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start = info;
	const char *cmdline = (const char *)(uintptr_t)start->cmdline_paddr;
	const char *name = cmdline_value(cmdline, "test");

	rounds = cmdline_number(cmdline, "rounds", 100);
	if (!xen_init())
		return;
	for (size_t i = 0; name && i < sizeof(tests) / sizeof(tests[0]); i++)
		if (is(name, tests[i].name))
			tests[i].fn();
	xen_verdict();
}
