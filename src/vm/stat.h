/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VM's vCPUs did with their time. Three witnesses, which are kept apart:
 *
 * - ferry's run loop (time_ns, exits): all the time since the vCPU's thread started, each moment in
 * one class. Ticks of the CPU are turned into nanoseconds by what CLOCK_MONOTONIC_RAW says of the
 * time since vm_start(); a host that slept meanwhile is not told apart.
 * - KVM (halt_wait_ns, halt_poll_ns): KVM handles HLT itself, so to the run loop a halted vCPU is in
 *   KVM_RUN. Asleep, and awake on a CPU in the hope of a wake-up that comes soon: the statistics
 *   halt_wait_ns, and halt_poll_success_ns + halt_poll_fail_ns. KVM adds the sleep when it is over:
 *   a guest that sleeps for long does not seem to until it wakes.
 * - The host's scheduler (struct vcpu_task): CPU time of the vCPU's thread. user and system are in
 *   steps of 10 ms; what KVM_RUN does for the guest is in them. delay is the time in which the
 *   thread could have run and another had its CPU, in KVM_RUN or out of it: what a guest calls
 *   steal. It is added when the thread gets its CPU.
 *
 * From these follows, without being measured itself: a thread that neither ran nor waited for a CPU
 * slept; but for the time suspended or throttled it did so in KVM_RUN, where nearly all sleep is the
 * guest's HLT. So halted is what the thread slept plus halt_poll_ns; what remains of run is the time
 * in which the guest, or KVM for it, had a CPU or would have had it but for delay.
 */
#ifndef VM_STAT_H
#define VM_STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vm/vcpu_time.h"

struct vm;

/* A thread as the scheduler sees it; ns since it started. */
struct vcpu_task {
	uint64_t user, system; /* /proc/…/stat utime and stime: proc(5) */
	uint64_t guest;	       /* …/stat guest_time, which is part of user */
	uint64_t cpu, delay;   /* …/schedstat: on a CPU, and waiting for one */
};

struct vcpu_stat {
	uint64_t time_ns[VCPU_TIMES];
	uint64_t exits[VCPU_EXIT_REASONS];
	bool has_halts; /* KVM tells */
	uint64_t halt_wait_ns, halt_poll_ns;
	bool has_task; /* there is a thread, and /proc */
	struct vcpu_task task;
};

/* From vm_start(), before the first KVM_RUN. What the host cannot tell is missing later. */
void vm_stat_begin(struct vm *vm);

/* After vm_start(). One thread at a time, any. What of it is not known says so itself. */
void vm_stat_vcpu(struct vm *vm, uint32_t vcpu, struct vcpu_stat *ret_stat);

/* tasks is an open /proc/self/task: a thread of this process. -errno of openat(2): it is gone. */
int vcpu_task_read(int tasks, pid_t tid, struct vcpu_task *ret_task);
/* The VM's own, which it opens in there later; -1: there is no /proc. */
int vm_stat_tasks(const struct vm *vm);

/* One of KVM's statistics; count > 1: a histogram. */
struct vm_kvm_stat {
	const char *name;
	bool is_cumulative;
	const uint64_t *values;
	size_t count;
};

#define VM_STAT_VM UINT32_MAX

/*
 * Calls each() for every statistic that KVM keeps of a vCPU, or (VM_STAT_VM) of the VM. As
 * vm_stat_vcpu(). Those of kvm_stats_read(), with a text; nothing was called then.
 */
int vm_stat_kvm(struct vm *vm, uint32_t vcpu,
		void (*each)(void *self, const struct vm_kvm_stat *stat), void *self);

#endif
