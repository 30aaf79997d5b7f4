/* SPDX-License-Identifier: Apache-2.0 */
/* x86's share of a VM and of a vCPU. */
#ifndef ARCH_X86_ARCH_TYPES_H
#define ARCH_X86_ARCH_TYPES_H

#include <stdbool.h>
#include <stdint.h>

struct kvm_cpuid2;
struct kvm_msr_list;

struct arch_vm {
	struct kvm_cpuid2 *supported_cpuid; /* KVM_GET_SUPPORTED_CPUID */
	struct kvm_msr_list *msrs;          /* those of KVM_GET_MSR_INDEX_LIST that can be read */
	bool msrs_checked;
	bool extended_destination; /* MSIs carry 15 bits of APIC id (KVM_FEATURE_MSI_EXT_DEST_ID) */
};

struct arch_vcpu {
	struct kvm_cpuid2 *cpuid;
	uint32_t cpuid_capacity;
	uint64_t synced; /* KVM_SYNC_X86_*: what the run page holds since the pause */
};

#endif
