/* SPDX-License-Identifier: Apache-2.0 */
/* Xen's physdev_op, as far as HVM domains have it (xen/include/public/physdev.h). */
#ifndef ABI_XEN_PHYSDEV_H
#define ABI_XEN_PHYSDEV_H

#include <abi/abi.h>

enum xen_physdevop {
	PHYSDEVOP_irq_status_query = 5,
	PHYSDEVOP_eoi = 12,
	PHYSDEVOP_map_pirq = 13,
	PHYSDEVOP_unmap_pirq = 14,
	PHYSDEVOP_get_free_pirq = 23,
};

#define XEN_MAP_PIRQ_TYPE_MSI 0u
#define XEN_MAP_PIRQ_TYPE_GSI 1u

/* What follows is for passed-through devices; its place depends on the width. */
struct xen_physdev_map_pirq {
	uint16_t domid;
	uint16_t pad;
	uint32_t type;
	int32_t index;
	int32_t pirq; /* negative: any; out */
};
ABI_SIZE(struct xen_physdev_map_pirq, 16);

struct xen_physdev_unmap_pirq {
	uint16_t domid;
	uint16_t pad;
	int32_t pirq;
};
ABI_SIZE(struct xen_physdev_unmap_pirq, 8);

struct xen_physdev_get_free_pirq {
	uint32_t type;
	uint32_t pirq; /* out */
};
ABI_SIZE(struct xen_physdev_get_free_pirq, 8);

struct xen_physdev_eoi {
	uint32_t irq;
};
ABI_SIZE(struct xen_physdev_eoi, 4);

struct xen_physdev_irq_status_query {
	uint32_t irq;
	uint32_t flags; /* out */
};
ABI_SIZE(struct xen_physdev_irq_status_query, 8);

#endif
