/* SPDX-License-Identifier: Apache-2.0 */
/* What a Xen guest is told, and what it is told of bad arguments: every hypercall, both widths. */
#include <abi/pvh.h>

#include "lib/xen.h"

#define NOWHERE 0x7ffff0000000ULL /* not mapped */

static void versions(void)
{
	struct xen_feature_info features = { 0 };
	static char text[1024];

	xen_expect("version", xen_call(HYPERVISOR_xen_version, XENVER_version, 0, 0),
		   xen_version());
	xen_expect("version in 32 bits", xen_call_32(HYPERVISOR_xen_version, XENVER_version, 0, 0),
		   xen_version());
	for (uint32_t i = XENVER_extraversion; i <= XENVER_changeset; i++)
		xen_expect("texts", xen_call(HYPERVISOR_xen_version, i, (uintptr_t)text, 0), 0);
	xen_expect("features", xen_call(HYPERVISOR_xen_version, XENVER_get_features,
					(uintptr_t)&features, 0), 0);
	xen_expect("callback vector", !!(features.submap & XENFEAT_hvm_callback_vector), 1);
	features.submap_idx = 1;
	xen_expect("no second submap", xen_call(HYPERVISOR_xen_version, XENVER_get_features,
						(uintptr_t)&features, 0), -XEN_EINVAL);
	xen_expect("pagesize", xen_call(HYPERVISOR_xen_version, XENVER_pagesize, 0, 0), 4096);
	xen_expect("build id", xen_call(HYPERVISOR_xen_version, XENVER_build_id, 0, 0),
		   -XEN_ENODATA);
}

static void bad(void)
{
	struct xen_hvm_param param = { .domid = XEN_DOMID_SELF, .index = 99 };
	struct xen_add_to_physmap_64 add = { .domid = XEN_DOMID_SELF, .space = 99 };

	xen_expect("no such call", xen_call(63, 0, 0, 0), -XEN_ENOSYS);
	xen_expect("no such call, 32", xen_call_32(0, 0, 0, 0), -XEN_ENOSYS);
	xen_expect("no handle", xen_call(HYPERVISOR_xen_version, XENVER_changeset, NOWHERE, 0),
		   -XEN_EFAULT);
	xen_expect("no handle, 32",
		   xen_call_32(HYPERVISOR_memory_op, XENMEM_memory_map, 0xfffffff0, 0), -XEN_EFAULT);
	xen_expect("no param", xen_call(HYPERVISOR_hvm_op, HVMOP_get_param, (uintptr_t)&param, 0),
		   -XEN_EINVAL);
	param.index = 5;
	xen_expect("not a guest's", xen_call(HYPERVISOR_hvm_op, HVMOP_get_param,
					     (uintptr_t)&param, 0), -XEN_EPERM);
	param.domid = 77;
	xen_expect("no domain", xen_call(HYPERVISOR_hvm_op, HVMOP_get_param, (uintptr_t)&param, 0),
		   -XEN_ESRCH);
	xen_expect("no space", xen_call(HYPERVISOR_memory_op, XENMEM_add_to_physmap,
					(uintptr_t)&add, 0), -XEN_EINVAL);
	add.space = XENMAPSPACE_shared_info;
	add.gpfn = ~0ULL;
	xen_expect("no gfn", xen_call(HYPERVISOR_memory_op, XENMEM_add_to_physmap,
				      (uintptr_t)&add, 0), -XEN_EINVAL);
	xen_expect("exchange", xen_call(HYPERVISOR_memory_op, XENMEM_exchange, 0, 0),
		   -XEN_EOPNOTSUPP);
	xen_expect("no vcpu", xen_call(HYPERVISOR_vcpu_op, VCPUOP_is_up, 5000, 0), -XEN_ENOENT);
	xen_expect("is up", xen_call(HYPERVISOR_vcpu_op, VCPUOP_is_up, 0, 0), 1);
	xen_expect("many ports", xen_call(HYPERVISOR_multicall, 0, 1ULL << 40, 0), -XEN_E2BIG);
	xen_expect("assist", xen_call(HYPERVISOR_vm_assist, 0, 99, 0), -XEN_EINVAL);
	xen_expect("physdev", xen_call(HYPERVISOR_physdev_op, 0, 0, 0), -XEN_ENOSYS);
}

static void multicalls(void)
{
	struct xen_multicall_entry_64 wide[2] = { { .op = HYPERVISOR_xen_version }, { .op = 62 } };
	struct xen_multicall_entry_32 narrow[2] = { { .op = HYPERVISOR_xen_version }, { .op = 62 } };

	xen_expect("multicall", xen_call(HYPERVISOR_multicall, (uintptr_t)wide, 2, 0), 0);
	xen_expect("its first", (int64_t)wide[0].result, xen_version());
	xen_expect("its second", (int64_t)wide[1].result, -XEN_ENOSYS);
	xen_expect("multicall, 32",
		   xen_call_32(HYPERVISOR_multicall, (uint32_t)(uintptr_t)narrow, 2, 0), 0);
	xen_expect("its first, 32", narrow[0].result, xen_version());
	xen_expect("its second, 32", (int32_t)narrow[1].result, -XEN_ENOSYS);
}

static void ports(void)
{
	struct xen_evtchn_status status = { .dom = XEN_DOMID_SELF };
	struct xen_evtchn_bind_virq virq = { .virq = 0, .vcpu = 0 };
	struct xen_evtchn_bind_vcpu vcpu = { 0 };
	struct xen_evtchn_set_priority priority = { 0 };
	struct xen_evtchn_bind_ipi ipi = { .vcpu = 99 };
	struct xen_evtchn_port port = { 0 };
	struct xen_evtchn_alloc_unbound unbound = { XEN_DOMID_SELF, XEN_DOMID_SELF, 0 };
	struct xen_evtchn_bind_interdomain loop = { .remote_dom = XEN_DOMID_SELF };
	int64_t r;

	xen_expect("ipi to nobody", xen_evtchn(EVTCHNOP_bind_ipi, &ipi), -XEN_ENOENT);
	xen_expect("virq", xen_evtchn(EVTCHNOP_bind_virq, &virq), 0);
	xen_expect("virq again", xen_evtchn(EVTCHNOP_bind_virq, &virq), -XEN_EEXIST);
	vcpu.port = virq.port;
	xen_expect("a vcpu's virq stays", xen_evtchn(EVTCHNOP_bind_vcpu, &vcpu), -XEN_EINVAL);
	virq.virq = 24;
	xen_expect("no virq", xen_evtchn(EVTCHNOP_bind_virq, &virq), -XEN_EINVAL);
	xen_expect("port 0", xen_send(0), -XEN_EINVAL);
	xen_expect("port 4096", xen_send(4096), -XEN_EINVAL);
	xen_expect("alloc", xen_evtchn(EVTCHNOP_alloc_unbound, &unbound), 0);
	xen_expect("send to nobody", xen_send(unbound.port), 0);
	loop.remote_port = unbound.port;
	xen_expect("bind", xen_evtchn(EVTCHNOP_bind_interdomain, &loop), 0);
	xen_expect("bind again", xen_evtchn(EVTCHNOP_bind_interdomain, &loop), -XEN_EINVAL);
	status.port = loop.local_port;
	xen_expect("status", xen_evtchn(EVTCHNOP_status, &status), 0);
	xen_expect("interdomain", status.status, EVTCHNSTAT_interdomain);
	xen_expect("with", status.u.remote.port, unbound.port);
	priority.port = loop.local_port;
	xen_expect("no priorities", xen_evtchn(EVTCHNOP_set_priority, &priority), -XEN_ENOSYS);
	port.port = unbound.port;
	xen_expect("close", xen_evtchn(EVTCHNOP_close, &port), 0);
	xen_expect("close again", xen_evtchn(EVTCHNOP_close, &port), -XEN_EINVAL);
	xen_expect("status", xen_evtchn(EVTCHNOP_status, &status), 0);
	xen_expect("unbound", status.status, EVTCHNSTAT_unbound);
	do
		r = xen_evtchn(EVTCHNOP_alloc_unbound, &unbound);
	while (r == 0);
	xen_expect("ports end", r, -XEN_ENOSPC);
	xen_expect("at the last", unbound.port, 4095);
}

void guest_main(const void *info)
{
	(void)info;
	if (!xen_init())
		return;
	versions();
	bad();
	multicalls();
	ports();
	xen_verdict();
}
