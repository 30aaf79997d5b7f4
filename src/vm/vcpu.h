/* SPDX-License-Identifier: Apache-2.0 */
/* One virtual CPU: its thread and its run loop. */
#ifndef VM_VCPU_H
#define VM_VCPU_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "kvm/kvm.h"
#include "kvm/stats.h"
#include "vm/arch.h"
#include "vm/vcpu_time.h"

struct vcpu_call;
struct vm;

enum vcpu_request {
	VCPU_REQUEST_PAUSE = 1 << 0, /* park while the VM is paused */
	VCPU_REQUEST_STOP = 1 << 1,  /* leave the run loop for good */
	VCPU_REQUEST_THROTTLE = 1 << 2, /* sleep until vm->throttle.until */
	VCPU_REQUEST_WORK = 1 << 3, /* vcpu_work.h */
	VCPU_REQUEST_BLOCK = 1 << 4, /* look whether it is still blocked (vcpu_work.h) */
	VCPU_REQUEST_CALL = 1 << 5, /* do what others have asked for (vcpu_call.h) */
};

struct vcpu {
	struct vm *vm;
	uint32_t index; /* also KVM's id of it, and the APIC id */
	int fd;
	struct kvm_run *run; /* shared with the kernel; the vCPU's thread's while it runs */
	size_t run_size;
	pthread_t thread;
	atomic_bool has_thread; /* thread is valid */
	atomic_uint requests; /* enum vcpu_request; set by any thread, cleared by the vCPU's */
	/* 1: in KVM_RUN or about to be, see vm/gate.h; set by the vCPU's thread, and waited on. */
	_Atomic uint32_t inside;
	atomic_bool blocked; /* vcpu_work.h: it does not enter the guest */
	struct vcpu_call *calls; /* vcpu_call.h; vm->lock */
	unsigned claims;	 /* likewise: others act for it, it stays parked */
	bool is_parked;		 /* vm->lock: not started, paused, or its thread has ended */
	atomic_int tid; /* the thread's, as /proc has it; 0: there is none */
	struct arch_vcpu arch;
	struct vcpu_time time;
	struct kvm_stats kvm_stats; /* opened by vm_start(); then whoever asks by vm/stat.h */
};

/* Makes the vCPU in its reset state, without a thread. */
int vcpu_init(struct vcpu *vcpu, struct vm *vm, uint32_t index);
/* Its thread has ended. */
void vcpu_finish(struct vcpu *vcpu);

/* The thread parks at once; from vm_start() on it runs the guest, until VCPU_REQUEST_STOP. */
int vcpu_make_thread(struct vcpu *vcpu);

/* Sets the request and makes the vCPU look at it soon, wherever it is. Any thread. */
void vcpu_request(struct vcpu *vcpu, enum vcpu_request request);
/* Gets it out of KVM_RUN, or makes the next one return at once. Any thread. */
void vcpu_kick(struct vcpu *vcpu);

/* The vCPU whose thread this is; NULL on all others. */
struct vcpu *vcpu_current(void);

/*
 * On the vCPU's thread: sleeps until a request, or for *ret_left, once goes_on() has said that there is
 * a reason to; no request is lost between that look and the sleep. It may wake for no reason.
 */
void vcpu_sleep(struct vcpu *vcpu, bool (*goes_on)(struct vcpu *vcpu, struct timespec *ret_left));

#endif
