/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What else Xen keeps in the guest's memory: runstate areas wherever they lie, the FIFO's words and queues,
 * the second clock; and waiting by hypercall. The command line is test= and the name of one part.
 */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/xen.h"

#define LIMIT 2000000000U
#define NS_PER_MS 1000000ULL

static uint8_t pages[4][4096] __attribute__((aligned(4096)));

static uint64_t now(void)
{
	struct xen_hvm_get_time op = { 0 };

	xen_call(HYPERVISOR_hvm_op, HVMOP_get_time, (uintptr_t)&op, 0);
	return op.now;
}

/* Nothing outside of it is written, and what is there is an account. */
static void check_area(const uint8_t *area, uint32_t size)
{
	struct xen_vcpu_runstate_info_64 info = { 0 };
	uint64_t sum = 0;

	xen_expect("before it", area[-1], 0xee);
	xen_expect("behind it", area[size], 0xee);
	if (size == sizeof(info)) {
		__builtin_memcpy(&info, area, sizeof(info));
	} else {
		info.state = *(const uint32_t *)area;
		__builtin_memcpy(&info.state_entry_time, area + 4, 40);
	}
	for (int i = 0; i < 4; i++)
		sum += info.time[i];
	xen_expect("running", info.state, XEN_RUNSTATE_running);
	xen_expect("no update under way", (int64_t)(info.state_entry_time >> 63), 0);
	xen_expect("the sum", (int64_t)sum, (int64_t)info.state_entry_time);
}

static void runstates(uint32_t size, bool narrow)
{
	for (uint32_t offset = 4096 - 64; offset <= 4096 + 4; offset++) {
		struct xen_vcpu_register_area area = { (uintptr_t)pages[1] + offset };

		__builtin_memset(pages[1], 0xee, 2 * 4096);
		if (narrow)
			xen_expect("register", xen_call_32(HYPERVISOR_vcpu_op,
							   VCPUOP_register_runstate_memory_area, 0,
							   (uint32_t)(uintptr_t)&area), 0);
		else
			xen_expect("register", xen_call(HYPERVISOR_vcpu_op,
							VCPUOP_register_runstate_memory_area, 0,
							(uintptr_t)&area), 0);
		check_area(pages[1] + offset, size);
	}
}

static void runstate(void)
{
	struct xen_hvm_param param = { .domid = XEN_DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ,
				       .value = 1 };
	struct xen_vcpu_runstate_info_64 info = { 0 };

	runstates(48, false);
	xen_expect("flag", xen_call(HYPERVISOR_vm_assist, 0, XEN_VMASST_TYPE_runstate_update_flag,
				    0), 0);
	runstates(48, false);
	xen_expect("get", xen_call(HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0,
				   (uintptr_t)&info), 0);
	xen_expect("running", info.state, XEN_RUNSTATE_running);
	xen_expect("map", xen_map_shared_info(xen_shared), 0);
	xen_expect("callback", xen_call_32(HYPERVISOR_hvm_op, HVMOP_set_param,
					   (uint32_t)(uintptr_t)&param, 0), 0);
	runstates(44, true);
}

static uint32_t *word(uint32_t port)
{
	return (uint32_t *)pages[1] + port;
}

static void init_fifo(uint32_t early)
{
	struct xen_evtchn_init_control control = { .control_gfn = (uintptr_t)pages[0] / 4096,
						   .offset = 4 };
	struct xen_evtchn_expand_array array = { (uintptr_t)pages[1] / 4096 };

	xen_expect("no array yet", xen_evtchn(EVTCHNOP_expand_array, &array), -XEN_EOPNOTSUPP);
	xen_expect("askew", xen_evtchn(EVTCHNOP_init_control, &control), -XEN_EINVAL);
	control.offset = 4096 - 64;
	xen_expect("over the edge", xen_evtchn(EVTCHNOP_init_control, &control), -XEN_EINVAL);
	control.offset = 128;
	control.vcpu = 99;
	xen_expect("nobody's", xen_evtchn(EVTCHNOP_init_control, &control), -XEN_ENOENT);
	control.vcpu = 0;
	control.control_gfn = 0xd0000;
	xen_expect("outside RAM", xen_evtchn(EVTCHNOP_init_control, &control), -XEN_EINVAL);
	control.control_gfn = (uintptr_t)pages[0] / 4096;
	xen_expect("init", xen_evtchn(EVTCHNOP_init_control, &control), 0);
	xen_expect("link bits", control.link_bits, XEN_EVTCHN_FIFO_LINK_BITS);
	xen_expect("init again", xen_evtchn(EVTCHNOP_init_control, &control), -XEN_EINVAL);
	array.array_gfn = 0xd0000;
	xen_expect("outside RAM", xen_evtchn(EVTCHNOP_expand_array, &array), -XEN_EINVAL);
	array.array_gfn = (uintptr_t)pages[1] / 4096;
	xen_expect("array", xen_evtchn(EVTCHNOP_expand_array, &array), 0);
	xen_expect("what was pending", *word(early),
		   XEN_EVTCHN_FIFO_PENDING | XEN_EVTCHN_FIFO_LINKED);
}

static void fifo(void)
{
	volatile struct xen_evtchn_fifo_control_block *block = (void *)(pages[0] + 128);
	struct xen_evtchn_set_priority priority;
	uint32_t early, a, b, c;

	xen_expect("map", xen_map_shared_info(xen_shared), 0);
	early = xen_bind_ipi(0);
	xen_expect("send", xen_send(early), 0);
	init_fifo(early);
	xen_expect("ready", block->ready, 1 << XEN_EVTCHN_FIFO_PRIORITY_DEFAULT);
	xen_expect("head", block->head[XEN_EVTCHN_FIFO_PRIORITY_DEFAULT], early);
	xen_expect("upcall", xen_info_64()->vcpu_info[0].evtchn_upcall_pending, 1);
	a = xen_bind_ipi(0);
	b = xen_bind_ipi(0);
	c = xen_bind_ipi(0);
	xen_send(a);
	xen_expect("behind it", *word(early) & XEN_EVTCHN_FIFO_LINK_MASK, a);
	priority = (struct xen_evtchn_set_priority){ b, 16 };
	xen_expect("no such", xen_evtchn(EVTCHNOP_set_priority, &priority), -XEN_EINVAL);
	priority.priority = 0;
	xen_expect("priority", xen_evtchn(EVTCHNOP_set_priority, &priority), 0);
	xen_send(b);
	xen_expect("its queue", block->head[0], b);
	xen_expect("ready", block->ready, 1 << XEN_EVTCHN_FIFO_PRIORITY_DEFAULT | 1);
	*word(c) = XEN_EVTCHN_FIFO_MASKED;
	xen_send(c);
	xen_expect("masked", *word(c), XEN_EVTCHN_FIFO_MASKED | XEN_EVTCHN_FIFO_PENDING);
	xen_evtchn(EVTCHNOP_unmask, &(struct xen_evtchn_port){ c });
	xen_expect("unmasked", *word(c), XEN_EVTCHN_FIFO_LINKED | XEN_EVTCHN_FIFO_PENDING);
	xen_expect("last", *word(a) & XEN_EVTCHN_FIFO_LINK_MASK, c);
	/* A guest that writes nonsense hurts itself only. */
	*word(c) = 0xffffffff;
	block->head[0] = 0xffffffff;
	xen_send(a);
	xen_send(b);
	xen_send(c);
}

/* SCHEDOP_poll: for what is pending, for what a timer brings, and in vain. */
static void polls(void)
{
	struct xen_evtchn_bind_virq virq = { .virq = XEN_VIRQ_TIMER };
	uint32_t port = xen_bind_ipi(0), bad = 5000, looks = 0;
	struct xen_sched_poll_64 op = { .ports = (uintptr_t)&port, .nr_ports = 1 };
	struct xen_vcpu_set_singleshot_timer timer = { 0 };

	xen_expect("map", xen_map_shared_info(xen_shared), 0);
	xen_info_64()->evtchn_mask[0] = ~0ULL;
	xen_expect("bind", xen_evtchn(EVTCHNOP_bind_virq, &virq), 0);
	xen_send(port);
	xen_expect("pending", xen_call(HYPERVISOR_sched_op, SCHEDOP_poll, (uintptr_t)&op, 0), 0);
	op.ports = (uintptr_t)&virq.port;
	timer.timeout_abs_ns = now() + 5 * NS_PER_MS;
	xen_call(HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, (uintptr_t)&timer);
	while (!(xen_info_64()->evtchn_pending[0] >> virq.port & 1) && looks++ < 100000)
		xen_call(HYPERVISOR_sched_op, SCHEDOP_poll, (uintptr_t)&op, 0);
	xen_expect("the timer", (int64_t)(xen_info_64()->evtchn_pending[0] >> virq.port & 1), 1);
	op.timeout = now() + 1;
	xen_info_64()->evtchn_pending[0] = 0;
	xen_expect("in vain", xen_call(HYPERVISOR_sched_op, SCHEDOP_poll, (uintptr_t)&op, 0), 0);
	op.nr_ports = 129;
	/* KVM's own answer where it does not deliver events: whoever polls has yielded, whatever he asks. */
	if (xen_call(HYPERVISOR_sched_op, SCHEDOP_poll, (uintptr_t)&op, 0) == 0) {
		guest_puts("polls are yields\n");
		return;
	}
	xen_expect("many", xen_call(HYPERVISOR_sched_op, SCHEDOP_poll, (uintptr_t)&op, 0), -XEN_EINVAL);
	op.nr_ports = 1;
	op.ports = 0x7ffff0000000;
	xen_expect("a bad handle", xen_call(HYPERVISOR_sched_op, SCHEDOP_poll, (uintptr_t)&op, 0),
		   -XEN_EFAULT);
	op.ports = (uintptr_t)&bad;
	xen_expect("port 5000", xen_call(HYPERVISOR_sched_op, SCHEDOP_poll, (uintptr_t)&op, 0),
		   -XEN_EINVAL);
}

static void wait_for(uint32_t port, const char *what)
{
	uint32_t looks = 0;

	while (!(__atomic_load_n(&xen_info_64()->evtchn_pending[0], __ATOMIC_SEQ_CST) >> port & 1) &&
	       looks++ < LIMIT)
		cpu_relax();
	xen_expect(what, looks < LIMIT, 1);
	__atomic_fetch_and(&xen_info_64()->evtchn_pending[0], ~(1ULL << port), __ATOMIC_SEQ_CST);
}

static void timers(void)
{
	struct xen_vcpu_set_periodic_timer period = { 1000 };
	struct xen_vcpu_set_singleshot_timer single = { 1, XEN_VCPU_SSHOTTMR_future, 0 };
	struct xen_evtchn_bind_virq virq = { .virq = XEN_VIRQ_TIMER };
	uint64_t begin = now();

	xen_expect("map", xen_map_shared_info(xen_shared), 0);
	xen_expect("bind", xen_evtchn(EVTCHNOP_bind_virq, &virq), 0);
	xen_expect("too often", xen_call(HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0,
					 (uintptr_t)&period), -XEN_EINVAL);
	period.period_ns = 2 * NS_PER_MS;
	xen_expect("periodic", xen_call(HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0,
					(uintptr_t)&period), 0);
	for (int i = 0; i < 3; i++)
		wait_for(virq.port, "a period");
	xen_expect("not too soon", now() >= begin + 6 * NS_PER_MS, 1);
	xen_expect("stop", xen_call(HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0);
	xen_expect("past", xen_call(HYPERVISOR_hvm_op, HVMOP_get_time, 0x7ffff0000000, 0), -XEN_EFAULT);
	single.flags = 0;
	xen_expect("in the past", xen_call(HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0,
					   (uintptr_t)&single), 0);
	wait_for(virq.port, "at once");
	xen_expect("another's", xen_call(HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 1,
					 (uintptr_t)&single), -XEN_EINVAL);
	xen_expect("set_timer_op", xen_call(HYPERVISOR_set_timer_op, now() + NS_PER_MS, 0, 0), 0);
	wait_for(virq.port, "in a millisecond");
}

static const struct {
	const char *name;
	void (*fn)(void);
} tests[] = { { "runstate", runstate }, { "fifo", fifo }, { "polls", polls }, { "timers", timers } };

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
