/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Linux's own tests of KVM's Xen support do step by step (tools/testing/selftests/kvm, 6.12), as a
 * guest sees it, where no other of these programs does it already. The command line is test= and a name.
 *
 * xen_vmcall_test
 *	a vmcall of the guest's own, its arguments and its result	here: inline
 *	the page by the MSR						calls.c, and all others
 *	the exit's fields: 64 bits, privilege				calls.c: both widths, CPL 3
 * xen_shinfo_test
 *	attributes read back						registers_test.c
 *	shared_info goes to another page under KVM			here: moves
 *	an upcall by vector						upcalls.c: own, domain
 *	runstates; DATA, ADJUST; steal time				areas.c: runstate; registers_test.c
 *	an irqfd's event masked, unmasked, by the slow path		info.c: outside; here: masked
 *	EVTCHN_SEND							the same, by ferry
 *	EVTCHNOP_send to itself, to an eventfd				here: loop
 *	the binding goes to another vCPU				here: update
 *	the timer is set, waited for, restored, in the past		areas.c: timers; registers_test.c
 *	SCHEDOP_poll: ready, timeout, masked, woken			areas.c: polls; here: wake
 *	VCPU_INFO while events come					info.c: storm, timer, outside
 *	sends and polls race with shared_info's place			here: race
 *	reset								info.c: reset
 *	the wall clock, the clocks' versions				here: clock
 *	runstate at every offset over a page's edge, both widths	areas.c: runstate
 */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/xen.h"

#define LIMIT 200000000U

static uint8_t pages[2][4096] __attribute__((aligned(4096)));
static uint32_t port, stop_sending, taken, given;

static struct xen_shared_info_64 *shared(int n)
{
	return (struct xen_shared_info_64 *)pages[n];
}

/* Linux's two, one behind the other as Linux has them. */
int64_t call_vmmcall(void);
int64_t call_vmcall(void);
__asm__(".text\n"
	".balign 16\n"
	"call_vmmcall:\n"
	"	vmmcall\n"
	"	ret\n"
	".balign 16\n"
	"call_vmcall:\n"
	"	vmcall\n"
	"	ret\n"
	".balign 16\n");

static bool is_intel(void)
{
	uint32_t a = 0, b, c, d;

	__asm__("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	return b == 0x756e6547;
}

static int64_t inline_call(uint64_t op, uint64_t a, uint64_t b)
{
	int64_t (*fn)(void) = is_intel() ? call_vmcall : call_vmmcall;
	int64_t result;

	__asm__ volatile("call *%[fn]"
			 : "=a"(result), "+D"(a), "+S"(b)
			 : [fn] "r"(fn), "0"(op)
			 : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
	return result;
}

static void inlined(void)
{
	struct xen_feature_info features = { 0 };

	xen_expect("version", inline_call(HYPERVISOR_xen_version, XENVER_version, 0), xen_version());
	xen_expect("features", inline_call(HYPERVISOR_xen_version, XENVER_get_features,
					   (uintptr_t)&features), 0);
	xen_expect("are there", features.submap != 0, 1);
	xen_expect("no such call", inline_call(63, 0, 0), -XEN_ENOSYS);
}

static bool is_raised(int n, uint32_t which)
{
	return __atomic_load_n(&shared(n)->evtchn_pending[0], __ATOMIC_SEQ_CST) >> which & 1;
}

/* What is in shared_info comes along, the masks too, and what comes later comes there. */
static void moves(void)
{
	uint32_t masked;

	xen_expect("map", xen_map_shared_info(pages[0]), 0);
	port = xen_bind_ipi(0);
	masked = xen_bind_ipi(0);
	shared(0)->evtchn_mask[0] = 1ULL << masked;
	xen_send(port);
	xen_expect("map elsewhere", xen_map_shared_info(pages[1]), 0);
	xen_expect("it came along", is_raised(1, port), 1);
	xen_expect("the mask too", (int64_t)shared(1)->evtchn_mask[0], 1LL << masked);
	__builtin_memset(pages[0], 0, sizeof(pages[0]));
	shared(1)->vcpu_info[0].evtchn_pending_sel = 0;
	shared(1)->evtchn_pending[0] = 0;
	xen_send(port);
	xen_expect("raised there", is_raised(1, port), 1);
	xen_expect("selected there", shared(1)->vcpu_info[0].evtchn_pending_sel, 1);
	xen_expect("and only there", (int64_t)shared(0)->evtchn_pending[0], 0);
	xen_expect("a clock", shared(1)->vcpu_info[0].time.tsc_to_system_mul != 0, 1);
}

static void masked(void)
{
	struct xen_evtchn_port unmask;

	xen_expect("map", xen_map_shared_info(pages[0]), 0);
	port = xen_bind_ipi(0);
	shared(0)->evtchn_mask[0] = ~0ULL;
	xen_send(port);
	xen_expect("raised", is_raised(0, port), 1);
	xen_expect("not told", shared(0)->vcpu_info[0].evtchn_upcall_pending, 0);
	unmask.port = port;
	xen_expect("unmask", xen_evtchn(EVTCHNOP_unmask, &unmask), 0);
	xen_expect("told", shared(0)->vcpu_info[0].evtchn_upcall_pending, 1);
}

/* One of the guest's ports leads to another; and to ferry, which does not say no. */
static void loop(void)
{
	struct xen_evtchn_alloc_unbound unbound = { XEN_DOMID_SELF, XEN_DOMID_SELF, 0 };
	struct xen_evtchn_bind_interdomain bind = { .remote_dom = XEN_DOMID_SELF };
	struct xen_evtchn_alloc_unbound ferrys = { XEN_DOMID_SELF, 0, 0 };

	xen_expect("map", xen_map_shared_info(pages[0]), 0);
	xen_expect("alloc", xen_evtchn(EVTCHNOP_alloc_unbound, &unbound), 0);
	bind.remote_port = unbound.port;
	xen_expect("bind", xen_evtchn(EVTCHNOP_bind_interdomain, &bind), 0);
	shared(0)->evtchn_pending[0] = 0;
	xen_expect("there", xen_send(bind.local_port), 0);
	xen_expect("it came", is_raised(0, unbound.port), 1);
	xen_expect("and back", xen_send(unbound.port), 0);
	xen_expect("it came", is_raised(0, bind.local_port), 1);
	xen_expect("alloc", xen_evtchn(EVTCHNOP_alloc_unbound, &ferrys), 0);
	xen_expect("to ferry", xen_send(ferrys.port), 0);
}

static void update(void)
{
	struct xen_evtchn_alloc_unbound unbound = { XEN_DOMID_SELF, XEN_DOMID_SELF, 0 };
	struct xen_evtchn_bind_interdomain bind = { .remote_dom = XEN_DOMID_SELF };
	struct xen_evtchn_bind_vcpu vcpu = { .vcpu = 1 };

	xen_expect("map", xen_map_shared_info(pages[0]), 0);
	xen_expect("alloc", xen_evtchn(EVTCHNOP_alloc_unbound, &unbound), 0);
	bind.remote_port = unbound.port;
	xen_expect("bind", xen_evtchn(EVTCHNOP_bind_interdomain, &bind), 0);
	vcpu.port = unbound.port;
	xen_expect("to the other", xen_evtchn(EVTCHNOP_bind_vcpu, &vcpu), 0);
	shared(0)->evtchn_pending[0] = 0;
	shared(0)->vcpu_info[0].evtchn_pending_sel = 0;
	shared(0)->vcpu_info[0].evtchn_upcall_pending = 0;
	xen_expect("send", xen_send(bind.local_port), 0);
	xen_expect("to him", shared(0)->vcpu_info[1].evtchn_pending_sel, 1);
	xen_expect("his upcall", shared(0)->vcpu_info[1].evtchn_upcall_pending, 1);
	xen_expect("not to me", shared(0)->vcpu_info[0].evtchn_upcall_pending, 0);
}

/* The other CPU sends until it is told not to; each once the last has been taken. */
void guest_ap_main(uint32_t n)
{
	(void)n;
	while (!__atomic_load_n(&stop_sending, __ATOMIC_SEQ_CST)) {
		if (__atomic_load_n(&taken, __ATOMIC_SEQ_CST) != given)
			continue;
		__atomic_store_n(&given, given + 1, __ATOMIC_SEQ_CST);
		xen_send(port);
	}
	__atomic_store_n(&stop_sending, 2, __ATOMIC_SEQ_CST);
}

static void end_sending(void)
{
	uint32_t looks = 0;

	__atomic_store_n(&stop_sending, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&stop_sending, __ATOMIC_SEQ_CST) != 2 && looks++ < LIMIT)
		cpu_relax();
}

/* A poll for what the other CPU sends; a masked port is one that can be polled. */
static void wake(void)
{
	struct xen_sched_poll_64 op = { .ports = (uintptr_t)&port, .nr_ports = 1 };

	xen_expect("map", xen_map_shared_info(pages[0]), 0);
	port = xen_bind_ipi(0);
	shared(0)->evtchn_mask[0] = ~0ULL;
	guest_x2apic();
	guest_start_cpu(1);
	for (uint32_t i = 0; i < 50; i++) {
		uint32_t looks = 0;

		while (!is_raised(0, port) && looks++ < LIMIT)
			xen_expect("poll", xen_call(HYPERVISOR_sched_op, SCHEDOP_poll,
						    (uintptr_t)&op, 0), 0);
		xen_expect("woken", looks < LIMIT, 1);
		__atomic_fetch_and(&shared(0)->evtchn_pending[0], ~(1ULL << port), __ATOMIC_SEQ_CST);
		__atomic_fetch_add(&taken, 1, __ATOMIC_SEQ_CST);
	}
	end_sending();
}

/* Nothing is lost while shared_info goes to and fro; who takes an event looks where it is now. */
static void race(void)
{
	guest_x2apic();
	xen_expect("map", xen_map_shared_info(pages[0]), 0);
	port = xen_bind_ipi(0);
	guest_start_cpu(1);
	for (uint32_t i = 1; i <= 60; i++) {
		uint32_t looks = 0;

		xen_expect("map", xen_map_shared_info(pages[i % 2]), 0);
		while (!is_raised(i % 2, port) && looks++ < LIMIT)
			cpu_relax();
		xen_expect("it came", looks < LIMIT, 1);
		__atomic_fetch_and(&shared(i % 2)->evtchn_pending[0], ~(1ULL << port), __ATOMIC_SEQ_CST);
		__atomic_fetch_add(&taken, 1, __ATOMIC_SEQ_CST);
	}
	end_sending();
}

/* The wall clock is of this century; every clock is whole; both clocks of a vCPU agree. */
static void clock(void)
{
	struct xen_vcpu_register_area area = { (uintptr_t)pages[1] + 64 };
	const struct pvclock_vcpu_time_info *second = (const void *)(pages[1] + 64);
	const struct pvclock_vcpu_time_info *first = &shared(0)->vcpu_info[0].time;

	xen_expect("map", xen_map_shared_info(pages[0]), 0);
	xen_expect("the wall clock is whole", shared(0)->wc_version & 1, 0);
	xen_expect("it was written", shared(0)->wc_version != 0, 1);
	xen_expect("this century", shared(0)->wc_sec > 1600000000, 1);
	xen_expect("nanoseconds", shared(0)->wc_nsec < 1000000000, 1);
	xen_expect("time area", xen_call(HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_time_memory_area, 0,
					 (uintptr_t)&area), 0);
	xen_call(HYPERVISOR_xen_version, XENVER_version, 0, 0);
	xen_expect("whole", first->version & 1, 0);
	xen_expect("whole", second->version & 1, 0);
	xen_expect("one frequency", second->tsc_to_system_mul, first->tsc_to_system_mul);
	xen_expect("and shift", second->tsc_shift, first->tsc_shift);
}

static const struct {
	const char *name;
	void (*fn)(void);
} tests[] = {
	{ "inline", inlined }, { "moves", moves }, { "masked", masked }, { "loop", loop },
	{ "update", update },  { "wake", wake },   { "race", race },	 { "clock", clock },
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
	const char *name = cmdline_value((const char *)(uintptr_t)start->cmdline_paddr, "test");

	if (!xen_init())
		return;
	for (size_t i = 0; name && i < sizeof(tests) / sizeof(tests[0]); i++)
		if (is(name, tests[i].name))
			tests[i].fn();
	xen_verdict();
}
