/* SPDX-License-Identifier: Apache-2.0 */
/* What a VM consists of, for the rooms that work on its parts. */
#ifndef VM_VM_H
#define VM_VM_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include <ferry/vm.h>

#include "base/log.h"
#include "io/loop.h"
#include "kvm/caps.h"
#include "kvm/ioctl.h"
#include "kvm/stats.h"
#include "mem/mem.h"
#include "reg/reg_file.h"
#include "vm/arch.h"
#include "vm/bus.h"
#include "vm/irq.h"
#include "vm/vcpu.h"
#include "vm/vcpu_work.h"

/*
 * lock covers the run state below and is taken last: nothing is taken under it. changed is signalled
 * when parked or pauses changes. Everything above it is fixed between vm_create() and vm_destroy(),
 * or has a lock of its own.
 */
struct vm {
	char *name;
	struct log log;
	int kvm_fd;
	int fd;
	int tasks; /* /proc/self/task, for vm_stat_vcpu(); -1: there is none */
	struct kvm_caps caps;
	struct kvm_hook hook; /* for each thread of this VM, when traced */
	bool traced;
	void (*trace_kvm)(void *self, const char *name, long arg, int result);
	void *trace_self;
	int (*begin_thread)(void *self, enum vm_thread thread);
	void *thread_self;
	struct loop *loop;
	struct mem mem;
	struct bus pio;
	struct bus mmio;
	struct irq_routes irqs;
	struct reg_file regs;
	struct arch_vm arch;
	struct kvm_stats kvm_stats; /* opened by vm_start(); then whoever asks by vm/stat.h */
	uint64_t began_ticks, began_ns; /* one moment by arch_ticks() and by CLOCK_MONOTONIC_RAW */
	struct vcpu *vcpus;
	uint32_t vcpu_count;
	unsigned work_count; /* of works: vcpu_work.h; fixed once the VM has run */
	struct {
		void (*fn)(void *self, struct vcpu *vcpu);
		void *self;
	} works[VM_WORKS];

	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t threads; /* started and not ended */
	uint32_t parked;  /* of them, outside KVM_RUN because of a pause */
	uint32_t pauses;  /* vm_pause() minus vm_resume() */
	bool suspended;	  /* one of them is vm_set_suspended()'s */
	bool has_run;     /* vm_start() was called: what is fixed by then is fixed */
	enum vm_end end;
	char *end_text;
	_Atomic uint32_t gate; /* vm_gate_close() minus vm_gate_open(); waited on, see vm/gate.h */

	struct {
		atomic_uint percent;
		_Atomic uint64_t until; /* ns of CLOCK_MONOTONIC: vCPUs sleep so long */
		struct loop_timer period; /* the loop's */
	} throttle;
};

/* The calling thread works for this VM: its ioctls are traced. */
void vm_adopt_thread(struct vm *vm);
/* The same, and it may do from now on what such a thread may: vm_options. */
int vm_begin_thread(struct vm *vm, enum vm_thread thread);

/* The vCPU's thread stays here while the VM is paused, or has not been started yet. */
void vm_park(struct vm *vm);
/* Bank REG_BANK_VM: how the VM is run, as far as that travels with it. */
int vm_bank_add(struct vm *vm);

/* How long the vCPUs shall sleep from now on; false: no longer. */
bool vm_throttle_left(const struct vm *vm, struct timespec *ret_left);

/* The vCPU's thread is about to end. */
void vm_thread_ended(struct vm *vm);

#endif
