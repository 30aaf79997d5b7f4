/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery: how hypercalls come out of the guest, how upcalls get in, who writes the clocks. All that
 * the kernel's engine and the portable one do not have in common stands behind these functions.
 */
#ifndef PV_XEN_ENGINE_H
#define PV_XEN_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

struct xen;
struct xen_call;
struct xen_vcpu;

/*
 * lock is held in all but init. Those of a vCPU are called while it is outside KVM_RUN: they make
 * ioctls on it. They return 0 or the host's -errno.
 */
struct xen_engine_ops {
	const char *name;
	/* What KVM must have: -EOPNOTSUPP with a text. Then traps are registered. */
	int (*init)(struct xen *xen);
	/* The bytes of one hypercall: 3 of them, as they stand in the page and in inline calls. */
	void (*call_code)(const struct xen *xen, uint8_t code[3]);
	/* xen.longmode, .shared, .callback_vector, .runstate_flag changed. */
	int (*set_longmode)(struct xen *xen);
	int (*set_shared_info)(struct xen *xen);
	int (*set_callback)(struct xen *xen);
	int (*set_runstate_flag)(struct xen *xen);
	/* v's .info_gpa, .time_gpa, .runstate_gpa, .vector, .timer and its port changed. */
	int (*set_vcpu_info)(struct xen_vcpu *v);
	int (*set_time_info)(struct xen_vcpu *v);
	int (*set_runstate)(struct xen_vcpu *v);
	int (*set_vector)(struct xen_vcpu *v);
	int (*set_timer)(struct xen_vcpu *v);
	/* Reads back .timer.single where KVM has it. */
	void (*get_timer)(struct xen_vcpu *v);
	/*
	 * The same, and KVM has it no more until set_timer(): one that ran out later would be told in memory
	 * that has been copied. True: it had it.
	 */
	bool (*take_timer)(struct xen_vcpu *v);
	/* .timer.single comes from a register: KVM's own is not read back. */
	void (*restore_timer)(struct xen_vcpu *v);
	/* A port's binding has changed: KVM may answer EVTCHNOP_send of it. */
	void (*port_changed)(struct xen *xen, uint32_t port);
	/* kernel_delivers may have to change. */
	void (*choose_delivery)(struct xen *xen);
	/* 2-level: sets the bits and makes the upcall. False: ferry does it. */
	bool (*send)(struct xen_vcpu *v, uint32_t port);
	/* evtchn_upcall_pending was set: the interrupt. */
	void (*upcall)(struct xen_vcpu *v);
	/* v, which calls, may have been through an INIT: what KVM has forgotten by it is told again. */
	void (*after_init)(struct xen_vcpu *v);
};

extern const struct xen_engine_ops xen_engine_kernel;
extern const struct xen_engine_ops xen_engine_portable;

/* Both engines: hypercalls by the port and the MSR of the page; an interrupt by MSI. */
int xen_traps_add(struct xen *xen);
/* False: its LAPIC does not take it. */
bool xen_send_msi(struct xen_vcpu *v, uint32_t data);

#endif
