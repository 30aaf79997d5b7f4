/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves traces in as many of Xen's registers as it can, says so, and spins. With fifo=1 in the FIFO ABI; with
 * calls=1 it spins in hypercalls.
 */
#include <abi/pvh.h>
#include <abi/xen_physdev.h>

#include "lib/cmdline.h"
#include "lib/xen_store.h"

static uint8_t page[5][4096] __attribute__((aligned(4096)));

static uint64_t gfn(uint32_t n)
{
	return (uintptr_t)page[n] / 4096;
}

static void use_fifo(void)
{
	struct xen_evtchn_init_control control = { .control_gfn = gfn(0), .offset = 64 };
	struct xen_evtchn_expand_array array = { .array_gfn = gfn(1) };
	struct xen_evtchn_set_priority priority = { .port = 1, .priority = 3 };

	xen_expect("control block", xen_evtchn(EVTCHNOP_init_control, &control), 0);
	control.vcpu = 1;
	control.offset = 256;
	xen_expect("another's", xen_evtchn(EVTCHNOP_init_control, &control), 0);
	xen_expect("array", xen_evtchn(EVTCHNOP_expand_array, &array), 0);
	xen_expect("priority", xen_evtchn(EVTCHNOP_set_priority, &priority), 0);
}

static void use_ports(void)
{
	struct xen_evtchn_bind_virq virq = { .virq = XEN_VIRQ_TIMER, .vcpu = 1 };
	struct xen_evtchn_alloc_unbound unbound = { XEN_DOMID_SELF, XEN_DOMID_SELF, 0 };
	struct xen_evtchn_bind_interdomain loop = { .remote_dom = XEN_DOMID_SELF };
	struct xen_evtchn_alloc_unbound ferrys = { XEN_DOMID_SELF, 0, 0 };
	struct xen_physdev_map_pirq map = { .domid = XEN_DOMID_SELF, .type = XEN_MAP_PIRQ_TYPE_GSI,
					    .index = 9, .pirq = -1 };
	struct xen_evtchn_bind_pirq pirq = { 0 };

	xen_expect("virq", xen_evtchn(EVTCHNOP_bind_virq, &virq), 0);
	xen_expect("alloc", xen_evtchn(EVTCHNOP_alloc_unbound, &unbound), 0);
	loop.remote_port = unbound.port;
	xen_expect("bind", xen_evtchn(EVTCHNOP_bind_interdomain, &loop), 0);
	xen_expect("alloc", xen_evtchn(EVTCHNOP_alloc_unbound, &ferrys), 0);
	xen_expect("map", xen_call(HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, (uintptr_t)&map, 0), 0);
	pirq.pirq = (uint32_t)map.pirq;
	xen_expect("pirq", xen_evtchn(EVTCHNOP_bind_pirq, &pirq), 0);
	xen_send(loop.local_port);
}

static void use_vcpus(void)
{
	struct xen_vcpu_register_area area = { (uintptr_t)page[3] + 100 };
	struct xen_vcpu_set_periodic_timer period = { 3600ULL * 1000000000 };
	struct xen_vcpu_set_singleshot_timer single = { 1ULL << 60, 0, 0 };
	struct xen_hvm_evtchn_upcall_vector vector = { .vcpu = 0, .vector = 0xf3 };

	xen_expect("register", xen_register_vcpu_info(1, page[2] + 64), 0);
	xen_expect("runstate", xen_call(HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0,
					(uintptr_t)&area), 0);
	area.addr = (uintptr_t)page[3] + 1024;
	xen_expect("time", xen_call(HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_time_memory_area, 0,
				    (uintptr_t)&area), 0);
	xen_expect("periodic", xen_call(HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0,
					(uintptr_t)&period), 0);
	xen_expect("single", xen_call(HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0,
				      (uintptr_t)&single), 0);
	xen_expect("vector", xen_call(HYPERVISOR_hvm_op, HVMOP_set_evtchn_upcall_vector,
				      (uintptr_t)&vector, 0), 0);
	xen_expect("assist", xen_call(HYPERVISOR_vm_assist, 0,
				      XEN_VMASST_TYPE_runstate_update_flag, 0), 0);
}

/* A grant of its own that it has mapped where no memory was. */
static void use_grants(uint32_t version)
{
	const struct xen_grant_entry_v1 v1 = { GTF_permit_access, 1, (uint32_t)gfn(4) };
	const struct xen_grant_entry_v2 v2 = { GTF_permit_access, 1, 0, 0, gfn(4) };
	struct xen_gnttab_map_grant_ref map = { .host_addr = 0xd0000000, .ref = 100, .dom = 1,
						.flags = GNTMAP_host_map };

	if (version == 2)
		((struct xen_grant_entry_v2 *)xen_grant_table())[map.ref] = v2;
	else
		((struct xen_grant_entry_v1 *)xen_grant_table())[map.ref] = v1;
	xen_expect("map", xen_call(HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref,
				   (uintptr_t)&map, 1), 0);
	xen_expect("its status", map.status, GNTST_okay);
}

/* A node, a watch, an open transaction that has written, and the beginning of a request; a grant frame. */
static void use_store(void)
{
	static char answer[256];
	uint32_t len;

	xen_store_init();
	xen_grant_page(page[4], 0);
	xen_expect_text("write", xen_store_write("data/left", "here"), "OK");
	xen_store_ask(XS_WATCH, 0, "data\0token", 11, answer, sizeof(answer), &len);
	xen_store_ask(XS_TRANSACTION_START, 0, "", 1, answer, sizeof(answer), &len);
	xen_store_ask(XS_WRITE, 1, "data/new\0x", 10, answer, sizeof(answer), &len);
	xen_expect_text("inside", answer, "OK");
	xen_store_put("\2\0\0\0\7\0\0", 7);
}

/* Version 2, with a frame that is mapped nowhere. */
static void use_version_2(void)
{
	uint32_t version = 2;
	uint64_t frames[2];
	struct xen_gnttab_setup_table_64 setup = { .dom = XEN_DOMID_SELF, .nr_frames = 2,
						   .frame_list = (uintptr_t)frames };

	xen_expect("version", xen_call(HYPERVISOR_grant_table_op, GNTTABOP_set_version,
				       (uintptr_t)&version, 1), 0);
	xen_expect("setup", xen_call(HYPERVISOR_grant_table_op, GNTTABOP_setup_table,
				     (uintptr_t)&setup, 1), 0);
	xen_expect("its status", setup.status, 0);
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start = info;
	const char *cmdline = (const char *)(uintptr_t)start->cmdline_paddr;
	struct xen_hvm_param param = { .domid = XEN_DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ,
				       .value = 1 };
	struct xen_sched_watchdog watchdog = { 0, 3600 };

	if (!xen_init())
		return;
	if (cmdline_number(cmdline, "map", 1))
		xen_expect("map", xen_map_shared_info(xen_shared), 0);
	if (cmdline_number(cmdline, "fifo", 0)) {
		xen_bind_ipi(1);
		use_fifo();
	}
	use_store();
	if (cmdline_number(cmdline, "fifo", 0))
		use_version_2();
	use_grants(cmdline_number(cmdline, "fifo", 0) ? 2 : 1);
	use_vcpus();
	use_ports();
	xen_expect("callback", xen_call(HYPERVISOR_hvm_op, HVMOP_set_param, (uintptr_t)&param, 0),
		   0);
	xen_expect("watchdog", xen_call(HYPERVISOR_sched_op, SCHEDOP_watchdog,
					(uintptr_t)&watchdog, 0), 1);
	xen_verdict();
	while (cmdline_number(cmdline, "calls", 0))
		xen_call(HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0);
	for (;;)
		cpu_relax();
}
