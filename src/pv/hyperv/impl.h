/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this personality share. */
#ifndef PV_HYPERV_IMPL_H
#define PV_HYPERV_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "pv/hyperv/hcall.h"
#include "pv/hyperv/hyperv.h"

struct vcpu;

/* The port behind the hypercall page. Nothing on a PC has it, and KVM has no quirk for it. */
#define HYPERV_PORT 0xb8

#define HYPERV_NOBODY UINT32_MAX

/* What is left to be done about a hypercall when KVM is done with its OUT. */
enum hyperv_after {
	HYPERV_AFTER_NOTHING,
	HYPERV_AFTER_REISSUE, /* the OUT is to be executed again */
	HYPERV_AFTER_UD,      /* it is to be an invalid opcode instead */
};

struct hyperv_vp {
	/* hv->lock */
	bool is_inhibited;
	uint32_t flights; /* flushes under way that target it */
	uint32_t waits_on; /* a VP, or HYPERV_NOBODY */

	atomic_bool flush; /* its TLB is flushed before it enters the guest again */

	/* The vCPU's thread's; others' while it is paused. */
	enum hyperv_after after;
	uint64_t assist;  /* HV_MSR_VP_ASSIST_PAGE */
	uint64_t runtime; /* 100 ns, before its thread was started */
};

/*
 * lock: inhibits, and who waits. msr_lock: the MSRs that VPs have in common, and the pages that they
 * name; guest memory is written under it. Nothing is taken under either.
 */
struct hyperv {
	struct vm *vm;
	enum hyperv_engine engine;
	struct hyperv_promise promise; /* fixed once the VM has run */
	struct hcall_rights rights;    /* likewise; what of it concerns hypercalls */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* flights, flush; CLOCK_MONOTONIC */
	struct hyperv_vp *vps;	/* one for each vCPU */

	pthread_mutex_t msr_lock;
	uint64_t os_id, hypercall, reference_tsc, crash[5];
	bool is_anchored;   /* the next two are known */
	bool is_tsc_stable; /* the reference time can be told by the TSC */
	uint64_t scale;	    /* the reference time is (TSC * scale >> 64) + offset */
	int64_t offset;
	bool is_arriving; /* the pages may be of another engine */
};

static inline struct hyperv_vp *hyperv_vp(struct hyperv *hv, uint32_t vp)
{
	return &hv->vps[vp];
}

/* hyperv.c */
/* What was promised has changed. */
void hyperv_take_rights(struct hyperv *hv);

/* call.c */
int hyperv_call_init(struct hyperv *hv);
/* Writes the code of hypercalls to the page that the MSR names. msr_lock. -EFAULT. */
int hyperv_call_write_page(struct hyperv *hv);

/* flush.c */
/* False: the caller waits, and nothing was flushed. On the caller's thread, in an exit. */
bool hyperv_flush(struct hyperv *hv, struct vcpu *caller, const struct hcall_targets *targets);
/* The share of flushes and waiting in a vCPU's work. */
void hyperv_flush_work(struct hyperv *hv, struct vcpu *vcpu);
/* The VP waits for that other, as its registers say; the VM is paused or has not run. */
void hyperv_wait(struct hyperv *hv, uint32_t vp, uint32_t whom);
void hyperv_stop_waiting(struct hyperv *hv, uint32_t vp);

/* msr.c */
int hyperv_msr_init(struct hyperv *hv);
/* The share of pages in a vCPU's work. */
void hyperv_msr_work(struct hyperv *hv, struct vcpu *vcpu);

/* clock.c */
/* Makes the reference time known. On the vCPU's thread; msr_lock. -errno of KVM. */
int hyperv_clock_anchor(struct hyperv *hv, struct vcpu *vcpu);
int hyperv_clock_read(struct hyperv *hv, struct vcpu *vcpu, uint64_t *ret_time);
/* Writes the page that the MSR names. msr_lock, anchored. -EFAULT. */
int hyperv_clock_write_page(struct hyperv *hv);
uint64_t hyperv_clock_tsc_hz(const struct hyperv *hv);

#endif
