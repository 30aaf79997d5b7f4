/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hyper-V for a guest: made with the machine, before the VM first runs. Virtual processors (VPs)
 * are the VM's vCPUs, and their indices too.
 */
#ifndef PV_HYPERV_HYPERV_H
#define PV_HYPERV_HYPERV_H

#include <stdbool.h>
#include <stdint.h>

#include "pv/hyperv/features.h"

struct hv_message;
struct hyperv;
struct vm;

struct hyperv_options {
	const char *features; /* as hyperv_features_parse() takes them */
	enum hyperv_engine engine;
};

/*
 * Puts Hyper-V's leaves in the place of KVM's, and takes over its MSRs and hypercalls. Before the
 * VM first runs. -EINVAL, -EOPNOTSUPP: what is asked for cannot be had, with the reason.
 */
int hyperv_create(struct vm *vm, const struct hyperv_options *options, struct hyperv **ret_hv);
/* vCPUs have been stopped. NULL is fine. */
void hyperv_destroy(struct hyperv *hv);

enum hyperv_engine hyperv_engine_of(const struct hyperv *hv);

/*
 * The register banks: what was promised, before CPUID; then VPs' state, behind all other registers
 * of vCPUs.
 */
int hyperv_add_bank(struct hyperv *hv);
int hyperv_add_vp_bank(struct hyperv *hv);

/*
 * TLFS 15.5.1.3. While a VP is inhibited, another that asks to flush its TLB waits: it leaves the
 * guest, uses no CPU time, and makes its hypercall again from the start when nobody it asks for is
 * inhibited.
 *  - When this returns with on, no flush that targets the VP is under way, and none happens before it
 *    is called without. What VPs do to their own TLB is not kept from them.
 *  - An NMI or INIT that comes for a VP that waits is taken within a tenth of a second, and an
 *    interrupt when it is released; in each case before it makes its hypercall again.
 *  - VPs that wait for each other in a circle are the guest's own affair, see hyperv_waits_on().
 * Any thread but a vCPU's; it may be paused. -ENOENT: there is no such VP.
 */
int hyperv_tlb_flush_inhibit(struct hyperv *hv, uint32_t vp, bool on);

/*
 * TLFS 11.7: what a connection of the guest's leads to. Functions are called on a vCPU's thread,
 * with no lock held, and must not block; hyperv_post() and hyperv_signal() they may call. NULL: it
 * takes none of that.
 */
struct hyperv_port {
	uint32_t connection; /* 24 bits */
	void *self;
	/* HvCallPostMessage, HvCallSignalEvent: the result is their status, HV_STATUS_*. */
	uint32_t (*post)(void *self, const struct hv_message *message);
	uint32_t (*signal)(void *self, uint16_t flag);
	/* The VP has emptied a slot that somebody waited for: who was refused may try again. */
	void (*emptied)(void *self, uint32_t vp);
};

/*
 * Any thread. A call may still be under way when its port has been removed, unless the VM is
 * paused. What a port has to remember is its owner's to save. -EOPNOTSUPP: the guest has no SynIC;
 * -EEXIST; -EINVAL; -ENOENT.
 */
int hyperv_port_add(struct hyperv *hv, const struct hyperv_port *port);
int hyperv_port_remove(struct hyperv *hv, uint32_t connection);

/*
 * TLFS 11.5, 11.6: puts a message into the slot of a SINT, or sets a flag of it (0 to 2047), and
 * interrupts the VP, unless the flag is set already. While the VM is paused it changes its memory.
 * Any thread. -EAGAIN: there is a message in the slot, and emptied() will be called; -ENOENT: the
 * guest has not switched it on; -EFAULT: what it named is no memory; -EINVAL.
 */
int hyperv_post(struct hyperv *hv, uint32_t vp, unsigned sint, const struct hv_message *message);
int hyperv_signal(struct hyperv *hv, uint32_t vp, unsigned sint, uint32_t flag);

/* What an operator wants to know. Any thread. */
bool hyperv_is_inhibited(struct hyperv *hv, uint32_t vp);
/* Whom the VP waits for; false: for nobody. */
bool hyperv_waits_on(struct hyperv *hv, uint32_t vp, uint32_t *ret_vp);

#endif
