/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this personality share. */
#ifndef PV_HYPERV_IMPL_H
#define PV_HYPERV_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "arch/x86/traps.h"
#include "io/loop.h"
#include "pv/hyperv/hcall.h"
#include "pv/hyperv/hyperv.h"

struct vcpu;

/* The port behind the hypercall page. Nothing on a PC has it, and KVM has no quirk for it. */
#define HYPERV_PORT 0xb8

#define HYPERV_NOBODY UINT32_MAX

/* More MSRs than can be registers. */
#define HYPERV_REGISTERS 64

/* What is left to be done about a hypercall when KVM is done with its OUT. */
enum hyperv_after {
	HYPERV_AFTER_NOTHING,
	HYPERV_AFTER_REISSUE, /* the OUT is to be executed again */
	HYPERV_AFTER_UD,      /* it is to be an invalid opcode instead */
};

struct hyperv_synic {
	uint64_t control, siefp, simp, sint[HV_SYNIC_SINTS];
};

struct hyperv_stimer {
	uint64_t config, count;
	uint64_t expires; /* by the reference time; UINT64_MAX: never */
	bool is_stuck;	  /* it has, and nobody could be told */
	bool is_new;	  /* what it is comes from a register: it has to be started */
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

	/* hv->synic_lock; of the portable engine */
	struct hyperv_synic synic;
	struct hyperv_stimer stimers[HV_STIMERS];
	_Atomic uint64_t due; /* when the first expires, by CLOCK_MONOTONIC; UINT64_MAX: none */
	atomic_bool is_due;   /* its work looks at them */
};

/*
 * lock: inhibits, and who waits. msr_lock: the MSRs that VPs have in common, and the pages that
 * they name. synic_lock: SynICs and timers. Guest memory is written under the last two. port_lock:
 * which ports there are. Nothing is taken under any of them. takeover_lock is taken before the VM is
 * paused, and before all of them: one inhibit of KVM's Hyper-V at a time.
 */
struct hyperv {
	struct vm *vm;
	enum hyperv_engine engine;
	struct hyperv_promise offer;   /* what it could promise on this host */
	struct hyperv_promise promise; /* fixed once the VM has run */
	struct hcall_rights rights;    /* likewise; what of it concerns hypercalls */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* flights, flush; CLOCK_MONOTONIC */
	struct hyperv_vp *vps;	/* one for each vCPU */

	struct x86_msr_trap traps[4];
	uint32_t registers[HYPERV_REGISTERS]; /* MSRs that are; fixed */
	pthread_mutex_t msr_lock;
	uint64_t os_id, hypercall, reference_tsc, crash[5];
	uint64_t reenlightenment[3]; /* from HV_MSR_REENLIGHTENMENT_CONTROL on */
	bool is_anchored;   /* the next two are known */
	bool is_tsc_stable; /* the reference time can be told by the TSC */
	uint64_t scale;	    /* the reference time is (TSC * scale >> 64) + offset */
	int64_t offset;
	bool is_arriving; /* the pages may be of another engine */
	bool has_taken;	  /* hypercalls of KVM's Hyper-V are ferry's for the time being */

	pthread_mutex_t synic_lock;
	struct loop_timer timer; /* the loop's: for the first VP of all that is due */
	atomic_bool is_arming;	 /* the loop has been told to look at all of them */

	pthread_mutex_t port_lock;
	struct hyperv_port *ports;
	size_t port_count;

	pthread_mutex_t takeover_lock;
	bool has_ioctl; /* KVM knows inhibits; fixed */
};

static inline struct hyperv_vp *hyperv_vp(struct hyperv *hv, uint32_t vp)
{
	return &hv->vps[vp];
}

/* hyperv.c */
/* What was promised has changed. */
void hyperv_take_rights(struct hyperv *hv);

/* kernel.c */
/* What this KVM's Hyper-V could promise; -EOPNOTSUPP: it has none. */
int hyperv_kernel_offer(const struct vm *vm, struct hyperv_promise *ret_offer);
int hyperv_kernel_init(struct hyperv *hv);
/* Tells KVM what the MSRs are that let hypercalls through. By any vCPU; msr_lock. */
int hyperv_kernel_push(struct hyperv *hv, struct vcpu *vcpu);
int hyperv_kernel_inhibit(struct hyperv *hv, uint32_t vp, bool on);
bool hyperv_is_any_inhibited(struct hyperv *hv);

/* call.c */
int hyperv_call_init(struct hyperv *hv);
/* Writes the code of hypercalls to the page that the MSR names. msr_lock. -EFAULT. */
int hyperv_call_write_page(struct hyperv *hv);
/* Puts what KVM has just written there to where ferry's code would be. msr_lock. -EFAULT. */
int hyperv_call_move_code(struct hyperv *hv);

/* flush.c */
/* False: the caller waits, and nothing was flushed. On the caller's thread, in an exit. */
bool hyperv_flush(struct hyperv *hv, struct vcpu *caller, const struct hcall_targets *targets);
/* The share of flushes and waiting in a vCPU's work. */
void hyperv_flush_work(struct hyperv *hv, struct vcpu *vcpu);
/* The inhibit of flushes that ferry carries out. */
void hyperv_set_inhibited(struct hyperv *hv, uint32_t vp, bool on);
/* The VP waits for that other, as its registers say; the VM is paused or has not run. */
void hyperv_wait(struct hyperv *hv, uint32_t vp, uint32_t whom);
void hyperv_stop_waiting(struct hyperv *hv, uint32_t vp);

/* msr.c */
int hyperv_msr_init(struct hyperv *hv);
/* Lets hypercalls through as the MSRs say, or does not. By any vCPU; msr_lock. -EFAULT, -EINVAL. */
int hyperv_publish(struct hyperv *hv, struct vcpu *vcpu);
/* The VM has not run yet: before it does, its pages are looked after. */
void hyperv_msr_arrive(struct hyperv *hv);
/* The share of pages in a vCPU's work. */
void hyperv_msr_work(struct hyperv *hv, struct vcpu *vcpu);

/* synic.c */
void hyperv_synic_init(struct hyperv_synic *synic);
/* Whether the MSR is a SynIC's. */
bool hyperv_synic_has(uint32_t index);
/* The guest's write, on its thread; -errno: #GP. */
int hyperv_synic_write(struct hyperv *hv, struct vcpu *vcpu, uint32_t index, uint64_t value);
/* As a register: no memory is touched. */
uint64_t hyperv_synic_get(struct hyperv *hv, uint32_t vp, uint32_t index);
int hyperv_synic_set(struct hyperv *hv, uint32_t vp, uint32_t index, uint64_t value);
/*
 * Puts a message into the slot of that SINT, and interrupts. By the VP's SynIC, ferry's under
 * synic_lock. -EAGAIN: there is one, and the guest has been asked to say when there is not; -ENOENT:
 * the guest wants none; -EFAULT.
 */
int hyperv_synic_post(struct hyperv *hv, const struct hyperv_synic *synic, uint32_t vp,
		      unsigned sint, const struct hv_message *message);
/* Likewise: sets one of the SINT's event flags, and interrupts unless it was. -ENOENT, -EFAULT. */
int hyperv_synic_signal(struct hyperv *hv, const struct hyperv_synic *synic, uint32_t vp,
			unsigned sint, uint32_t flag);
/* An interrupt of the VP's LAPIC. */
void hyperv_interrupt(const struct hyperv *hv, uint32_t vp, uint32_t vector);

/* port.c */
/* HCALL_POST, HCALL_SIGNAL: the status. On the caller's thread. */
uint32_t hyperv_port_call(struct hyperv *hv, const struct hcall *call);
/* The VP has written EOM. On its thread. */
void hyperv_port_emptied(struct hyperv *hv, uint32_t vp);

/* stimer.c */
/* Whether the MSR is a timer's. */
bool hyperv_stimer_has(uint32_t index);
int hyperv_stimer_write(struct hyperv *hv, struct vcpu *vcpu, uint32_t index, uint64_t value);
uint64_t hyperv_stimer_get(struct hyperv *hv, uint32_t vp, uint32_t index);
void hyperv_stimer_set(struct hyperv *hv, uint32_t vp, uint32_t index, uint64_t value);
/* The share of timers in a vCPU's work. */
void hyperv_stimer_work(struct hyperv *hv, struct vcpu *vcpu);
/* Something has changed about the VP's SynIC: who could not be told may be now. On its thread. */
void hyperv_stimer_retry(struct hyperv *hv, struct vcpu *vcpu);
/* The loop does not run any more. */
void hyperv_stimer_finish(struct hyperv *hv);

/* clock.c */
/* Makes the reference time known. On the vCPU's thread; msr_lock. -errno of KVM. */
int hyperv_clock_anchor(struct hyperv *hv, struct vcpu *vcpu);
int hyperv_clock_read(struct hyperv *hv, struct vcpu *vcpu, uint64_t *ret_time);
/* Writes the page that the MSR names. msr_lock, anchored. -EFAULT. */
int hyperv_clock_write_page(struct hyperv *hv);
uint64_t hyperv_clock_tsc_hz(const struct vcpu *vcpu);

#endif
