/* SPDX-License-Identifier: Apache-2.0 */
/* One hypercall under way: its arguments in either width, and copies from and to the guest. */
#ifndef PV_XEN_HYPERCALL_H
#define PV_XEN_HYPERCALL_H

#include "pv/xen/xen_impl.h"

struct xen_call {
	struct xen *xen;
	struct xen_vcpu *v; /* who calls */
	bool longmode; /* words and handles of 64 bits */
	uint64_t op;
	uint64_t args[6];
	bool nested; /* of a multicall */
};

/* A hypercall by registers, at this privilege level: what it returns to the guest. No lock held. */
int64_t xen_hypercall(struct xen_call *call, unsigned cpl);

/* By virtual address, in the caller's address space. 0 or -XEN_EFAULT; a part may be copied then. */
int xen_copy_in(const struct xen_call *call, void *to, uint64_t gva, size_t len);
int xen_copy_out(const struct xen_call *call, uint64_t gva, const void *from, size_t len);
/* The guest physical address. 0 or -XEN_EFAULT. */
int xen_translate(const struct xen_call *call, uint64_t gva, uint64_t *ret_gpa);

/* What KVM or mem said, as Xen says it. */
int xen_error(int r);

int64_t xen_memory_op(struct xen_call *call);
int64_t xen_xen_version(struct xen_call *call);
int64_t xen_hvm_op(struct xen_call *call);
int64_t xen_set_param(struct xen_call *call);
int64_t xen_get_param(struct xen_call *call);
int64_t xen_vcpu_op(struct xen_call *call);
int64_t xen_sched_op(struct xen_call *call);
int64_t xen_set_timer_op(struct xen_call *call);
int64_t xen_vm_assist(struct xen_call *call);
int64_t xen_console_io(struct xen_call *call);
int64_t xen_vcpu_timer_op(struct xen_call *call, struct xen_vcpu *v);
int64_t xen_runstate_op(struct xen_call *call, struct xen_vcpu *v);
int64_t xen_vcpu_initialise(struct xen_call *call, struct xen_vcpu *v);

#endif
