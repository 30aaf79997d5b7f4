/* SPDX-License-Identifier: Apache-2.0 */
/* x86's share of a VM and of a vCPU. */
#ifndef ARCH_X86_ARCH_TYPES_H
#define ARCH_X86_ARCH_TYPES_H

#include <stdbool.h>
#include <stdint.h>

struct kvm_cpuid2;
struct kvm_msr_list;
struct kvm_pit_state2;
struct vcpu;
struct x86_msr_trap;

/* One moment: guest time in nanoseconds, UTC in nanoseconds, the TSC of vCPU 0. */
struct x86_moment {
	uint64_t ns, realtime, tsc;
	uint64_t zero;
};

/* What counts the host's time between two moments; Intel SDM 3, 18.17. */
static inline uint64_t arch_ticks(void)
{
	return __builtin_ia32_rdtsc();
}

/* Who answers a port's or an exit's hypercalls (traps.h). */
struct x86_trap {
	uint32_t number; /* of the port, or of the exit's reason */
	void (*fn)(void *self, struct vcpu *vcpu);
	void *self;
};

struct arch_vm {
	struct kvm_cpuid2 *supported_cpuid; /* KVM_GET_SUPPORTED_CPUID */
	struct kvm_msr_list *msrs;          /* those of KVM_GET_MSR_INDEX_LIST that can be read */
	bool msrs_checked;
	struct kvm_pit_state2 *held_pit; /* what the PIT was when it was stopped; NULL: it is not */
	uint64_t pit_held_at;		 /* ns of CLOCK_MONOTONIC */
	struct {
		bool freeze; /* enum machine_clock */
		bool held;   /* the moment is when this machine was held */
		bool known;  /* the moment was set: when the guest was held elsewhere */
		struct x86_moment moment;
	} clock;
	bool extended_destination; /* MSIs carry 15 bits of APIC id (KVM_FEATURE_MSI_EXT_DEST_ID) */
	/* traps.h; fixed once the VM has run. KVM's filter has 16 ranges. */
	struct {
		const struct x86_msr_trap *trap;
		void *self;
	} msr_traps[16];
	unsigned msr_trap_count;
	struct x86_trap ports[4], exits[4];
};

struct arch_vcpu {
	struct kvm_cpuid2 *cpuid;
	uint32_t cpuid_capacity;
	bool settled;	/* KVM has nothing more to do to the paused vCPU's registers */
	bool gprs_read; /* the run page holds the general registers: one ioctl reads them all */
	bool tsc_set;	/* by the clock's register of it: IA32_TSC has nothing to add */
};

#endif
