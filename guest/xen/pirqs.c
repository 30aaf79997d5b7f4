/* SPDX-License-Identifier: Apache-2.0 */
/* Devices' interrupts as events: the serial port's line, and a message that somebody outside sends. */
#include <abi/xen_physdev.h>

#include "lib/xen.h"

#define SERIAL_GSI 4
#define LIMIT	   200000000U

static int64_t physdev(uint32_t op, void *arg)
{
	return xen_call(HYPERVISOR_physdev_op, op, (uintptr_t)arg, 0);
}

static void wait_for(const char *what, uint32_t port)
{
	uint32_t looks = 0;

	while (!(__atomic_load_n(&xen_info_64()->evtchn_pending[0], __ATOMIC_SEQ_CST) >> port & 1) &&
	       looks++ < LIMIT)
		cpu_relax();
	xen_expect(what, looks < LIMIT, 1);
	__atomic_fetch_and(&xen_info_64()->evtchn_pending[0], ~(1ULL << port), __ATOMIC_SEQ_CST);
}

static uint32_t bind(uint32_t pirq)
{
	struct xen_evtchn_bind_pirq op = { .pirq = pirq };

	xen_expect("bind", xen_evtchn(EVTCHNOP_bind_pirq, &op), 0);
	xen_expect("once", xen_evtchn(EVTCHNOP_bind_pirq, &op), -XEN_EEXIST);
	return op.port;
}

static void errors(void)
{
	struct xen_physdev_map_pirq map = { .domid = XEN_DOMID_SELF, .type = XEN_MAP_PIRQ_TYPE_GSI,
					    .index = 24, .pirq = -1 };
	struct xen_physdev_unmap_pirq unmap = { .domid = XEN_DOMID_SELF, .pirq = 100 };
	struct xen_physdev_eoi eoi = { 256 };
	struct xen_evtchn_bind_pirq bind_op = { .pirq = 256 };

	xen_expect("no such line", physdev(PHYSDEVOP_map_pirq, &map), -XEN_EINVAL);
	map.type = 7;
	map.index = 3;
	xen_expect("no such kind", physdev(PHYSDEVOP_map_pirq, &map), -XEN_EINVAL);
	xen_expect("not mapped", physdev(PHYSDEVOP_unmap_pirq, &unmap), -XEN_EINVAL);
	xen_expect("no such pirq", physdev(PHYSDEVOP_eoi, &eoi), -XEN_EINVAL);
	xen_expect("nor to bind", xen_evtchn(EVTCHNOP_bind_pirq, &bind_op), -XEN_EINVAL);
	xen_expect("no handle", physdev(PHYSDEVOP_map_pirq, (void *)0x7ffff0000000), -XEN_EFAULT);
	xen_expect("no such call", physdev(77, &eoi), -XEN_ENOSYS);
}

static void by_line(void)
{
	struct xen_physdev_map_pirq map = { .domid = XEN_DOMID_SELF, .type = XEN_MAP_PIRQ_TYPE_GSI,
					    .index = SERIAL_GSI, .pirq = -1 };
	struct xen_physdev_irq_status_query query = { 0 };
	struct xen_physdev_unmap_pirq unmap = { .domid = XEN_DOMID_SELF };
	uint32_t port;

	xen_expect("map", physdev(PHYSDEVOP_map_pirq, &map), 0);
	xen_expect("above ISA's", map.pirq, 16);
	map.pirq = -1;
	xen_expect("map again", physdev(PHYSDEVOP_map_pirq, &map), 0);
	xen_expect("the same", map.pirq, 16);
	query.irq = (uint32_t)map.pirq;
	query.flags = 7;
	xen_expect("query", physdev(PHYSDEVOP_irq_status_query, &query), 0);
	xen_expect("needs no EOI", query.flags, 0);
	port = bind((uint32_t)map.pirq);
	outb(0x3f9, 2); /* the transmitter is empty: an interrupt */
	wait_for("an interrupt", port);
	xen_expect("eoi", physdev(PHYSDEVOP_eoi, &query), 0);
	outb(0x3f9, 0);
	unmap.pirq = map.pirq;
	xen_expect("unmap", physdev(PHYSDEVOP_unmap_pirq, &unmap), 0);
	outb(0x3f9, 2);
	xen_expect("none any more", (int64_t)(xen_info_64()->evtchn_pending[0] >> port & 1), 0);
	outb(0x3f9, 0);
}

static void by_message(void)
{
	struct xen_physdev_get_free_pirq op = { .type = XEN_MAP_PIRQ_TYPE_MSI };
	struct xen_hvm_param param = { .domid = XEN_DOMID_SELF,
				       .index = HVM_PARAM_VM_GENERATION_ID_ADDR };
	uint32_t port;

	xen_expect("get", physdev(PHYSDEVOP_get_free_pirq, &op), 0);
	xen_expect("the last", op.pirq, 255);
	port = bind(op.pirq);
	param.value = op.pirq;
	xen_expect("tell", xen_call(HYPERVISOR_hvm_op, HVMOP_set_param, (uintptr_t)&param, 0), 0);
	wait_for("a message", port);
}

void guest_main(const void *info)
{
	struct xen_feature_info features = { 0 };

	(void)info;
	if (!xen_init())
		return;
	xen_expect("map", xen_map_shared_info(xen_shared), 0);
	xen_expect("features", xen_call(HYPERVISOR_xen_version, XENVER_get_features,
					(uintptr_t)&features, 0), 0);
	xen_expect("pirqs", !!(features.submap & XENFEAT_hvm_pirqs), 1);
	errors();
	by_line();
	by_message();
	xen_verdict();
}
