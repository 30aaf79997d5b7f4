/* SPDX-License-Identifier: Apache-2.0 */
/* x86's share of a VM and of a vCPU. */
#ifndef ARCH_X86_ARCH_TYPES_H
#define ARCH_X86_ARCH_TYPES_H

#include <stdbool.h>
#include <stdint.h>

struct kvm_cpuid2;
struct kvm_msr_list;
struct kvm_pit_state2;

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
};

struct arch_vcpu {
	struct kvm_cpuid2 *cpuid;
	uint32_t cpuid_capacity;
	bool settled;	/* KVM has nothing more to do to the paused vCPU's registers */
	bool gprs_read; /* the run page holds the general registers: one ioctl reads them all */
	bool tsc_set;	/* by the clock's register of it: IA32_TSC has nothing to add */
};

#endif
