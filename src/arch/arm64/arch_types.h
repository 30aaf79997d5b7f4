/* SPDX-License-Identifier: Apache-2.0 */
/* arm64's share of a VM and of a vCPU. */
#ifndef ARCH_ARM64_ARCH_TYPES_H
#define ARCH_ARM64_ARCH_TYPES_H

#include <stdint.h>

struct arch_vm {
	uint32_t ipa_bits; /* guest physical address width */
};

struct arch_vcpu {
	uint64_t mpidr;
};

#endif
