/* SPDX-License-Identifier: Apache-2.0 */
/* arm64's share of a VM and of a vCPU. */
#ifndef ARCH_ARM64_ARCH_TYPES_H
#define ARCH_ARM64_ARCH_TYPES_H

#include <stdint.h>

/* What counts the host's time between two moments; Arm ARM D24.10.26, CNTVCT_EL0. */
static inline uint64_t arch_ticks(void)
{
	uint64_t ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
}

struct arch_vm {
	uint32_t ipa_bits; /* guest physical address width */
};

struct arch_vcpu {
	uint64_t mpidr;
};

#endif
