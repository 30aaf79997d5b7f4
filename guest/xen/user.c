/* SPDX-License-Identifier: Apache-2.0 */
/* Hypercalls of user mode are refused, whatever they are. */
#include "lib/ram.h"
#include "lib/user.h"
#include "lib/xen.h"

void guest_main(const void *info)
{
	struct xen_evtchn_bind_ipi ipi = { .vcpu = 0 };

	ram_init(info);
	if (!xen_init())
		return;
	xen_expect("map", xen_map_shared_info(xen_shared), 0);
	user_enter(0);
	xen_expect("version", xen_call(HYPERVISOR_xen_version, XENVER_version, 0, 0), -XEN_EPERM);
	xen_expect("bind", xen_evtchn(EVTCHNOP_bind_ipi, &ipi), -XEN_EPERM);
	xen_expect("send", xen_send(1), -XEN_EPERM);
	xen_expect("time", xen_call(HYPERVISOR_set_timer_op, 1, 0, 0), -XEN_EPERM);
	xen_expect("yield", xen_call(HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0), -XEN_EPERM);
	xen_expect("no such call", xen_call(63, 0, 0, 0), -XEN_EPERM);
	xen_verdict();
}
