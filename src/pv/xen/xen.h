/* SPDX-License-Identifier: Apache-2.0 */
/* What a Xen guest sees: a Xen HVM or PVH domain, on KVM's own Xen support or without it. */
#ifndef PV_XEN_XEN_H
#define PV_XEN_XEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;
struct xen;

enum xen_engine {
	XEN_ENGINE_AUTO,     /* the kernel's where it is complete, else the portable one */
	XEN_ENGINE_KERNEL,   /* KVM takes hypercalls and delivers events (KVM_CAP_XEN_HVM) */
	XEN_ENGINE_PORTABLE, /* any KVM with MSR filters: hypercalls leave by a port, events by MSI */
};

/* As in XENVER_version: major << 16 | minor. The first and the one that ferry is by default. */
#define XEN_VERSION_MIN	    0x40005u
#define XEN_VERSION_DEFAULT 0x40011u

/* A line of XENMEM_memory_map. */
struct xen_range {
	uint64_t base, len;
	uint32_t type; /* as of the BIOS's E820 */
};

struct xen_options {
	uint32_t version;
	enum xen_engine engine;
	const struct xen_range *ranges; /* copied */
	size_t range_count;
	bool pirqs; /* XENFEAT_hvm_pirqs: devices' interrupts may be events */
	/* The line of a PCI device's pin INTA (0) to INTD; NULL: there are none. */
	uint32_t (*intx_gsi)(uint8_t slot, uint8_t pin);
	/* What the guest says by console_io and to Xen's debug port; any vCPU's thread. May be NULL. */
	void (*say)(void *self, const char *text, size_t len);
	void *self;
};

/*
 * Makes the VM a Xen domain: leaves of CPUID, hypercalls, shared_info. Before the VM first runs.
 *   -EOPNOTSUPP  this host has not that engine; the text says what is missing
 */
int xen_create(struct vm *vm, const struct xen_options *options, struct xen **ret_xen);
/* The vCPUs have ended. NULL is fine. */
void xen_destroy(struct xen *xen);

/*
 * The banks. The pages that lie where no RAM was shape memory; all others come behind the clock, the
 * LAPICs and the MSRs: runstate times lie in the clock's past, and the portable engine has KVM
 * fill vcpu_info by an MSR.
 */
int xen_pages_bank_add(struct xen *xen);
int xen_banks_add(struct xen *xen);

/*
 * The kernel's inline hypercalls (vmcall, vmmcall), which KVM without Xen support answers itself: finds
 * Linux's two in [gpa, gpa + len) and makes them leave by the port where the engine needs it. Behind
 * the loading of the kernel.
 */
void xen_find_stubs(struct xen *xen, uint64_t gpa, uint64_t len);

/* Around the time in which registers are read or set: what advances by itself stands still. Loop. */
void xen_hold(struct xen *xen);
void xen_go_on(struct xen *xen, bool arrived);

/* "kernel" or "portable". */
const char *xen_engine_name(const struct xen *xen);

#endif
