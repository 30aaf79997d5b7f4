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
	/*
	 * The PV console, on the loop's thread: how many bytes were taken; after a short count it is not
	 * called again until xen_console_output_ready(). input_room: there is room for xen_console_input()
	 * again. Both may be NULL.
	 */
	size_t (*console_output)(void *self, const void *buf, size_t len);
	void (*console_room)(void *self);
	void *self;
	uint64_t pages; /* gpa of two pages where nothing else is: the console's and Xenstore's */
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

/*
 * Devices come to rest, after xen_hold(): done(arg) is called when all have, at once or later. resume: they
 * go on. busy: which one has not come to rest; or NULL. Loop.
 */
void xen_quiesce(struct xen *xen, void (*done)(void *arg), void *arg);
void xen_resume(struct xen *xen);
const char *xen_busy(const struct xen *xen);

/* control/shutdown (public xenstore-paths): false where the guest has not said feature-poweroff. Any thread. */
bool xen_power_off(struct xen *xen);

/* The PV console. input returns how many bytes were taken. Loop. */
size_t xen_console_input(struct xen *xen, const void *buf, size_t len);
void xen_console_output_ready(struct xen *xen);

struct disk;
struct disk_options;

struct xen_blk_options {
	const struct disk_options *disk;
	unsigned number; /* 0: xvda */
	unsigned queues; /* 0: one per vCPU, at most 8 */
	bool persistent; /* feature-persistent is offered */
};

/* A back end for a disk; the disk and it are xen's. What disk_init() says; -ENOMEM. */
int xen_blk_create(struct xen *xen, const struct xen_blk_options *options, struct disk **ret_disk);

struct xen_net_options {
	const char *id; /* "net0": for messages */
	unsigned number;
	const char *tap; /* interface name; NULL: passt */
	uint8_t mac[6];
};

/* A back end for a network, which is xen's. The port's errors (io/net_port.h); -ENOMEM. */
int xen_net_create(struct xen *xen, const struct xen_net_options *options);

/* "kernel" or "portable". */
const char *xen_engine_name(const struct xen *xen);

#endif
