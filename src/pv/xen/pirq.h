/* SPDX-License-Identifier: Apache-2.0 */
/* PIRQs: interrupts of devices that the guest takes as events instead of by its LAPICs. */
#ifndef PV_XEN_PIRQ_H
#define PV_XEN_PIRQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct xen;
struct xen_call;

#define XEN_PIRQS 256u

enum xen_pirq_kind {
	XEN_PIRQ_FREE,
	XEN_PIRQ_ALLOCATED, /* by get_free_pirq: for messages */
	XEN_PIRQ_GSI,
	XEN_PIRQ_KINDS,
};

/* All under xen.lock, but for lines. */
struct xen_pirqs {
	bool offered; /* XENFEAT_hvm_pirqs; fixed */
	struct {
		uint8_t kind, gsi;
		uint32_t port; /* that is bound to it; 0: none */
	} pirq[XEN_PIRQS];
	atomic_uint lines; /* a bit a GSI that is an event now */
};

int64_t xen_physdev_op(struct xen_call *call);

/* Before the VM runs: the VM's interrupts come here first, if they are offered. */
void xen_pirqs_init(struct xen *xen);

/* lock held. */
void xen_pirq_bind(struct xen *xen, uint32_t pirq, uint32_t port); /* port 0: it is not bound any more */
void xen_pirqs_reset(struct xen *xen);
/* The register of one: kind | gsi << 8. set: -EINVAL. */
uint64_t xen_pirq_get(const struct xen *xen, uint32_t pirq);
int xen_pirq_set(struct xen *xen, uint32_t pirq, uint64_t value);

#endif
