/* SPDX-License-Identifier: Apache-2.0 */
/* arm64's share of a VM and of a vCPU. */
#ifndef ARCH_ARM64_ARCH_TYPES_H
#define ARCH_ARM64_ARCH_TYPES_H

#include <stdbool.h>
#include <stdint.h>

struct kvm_reg_list;
struct vcpu;

/* What counts the host's time between two moments; Arm ARM D24.10.26, CNTVCT_EL0. */
static inline uint64_t arch_ticks(void)
{
	uint64_t ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
}

/* One moment: the guest's counters, UTC in nanoseconds; and how often a second the counters count. */
struct arm64_moment {
	uint64_t cntvct, cntpct, realtime, hz;
};

/* traps.h */
struct arm64_trap {
	uint32_t first, count;
	void (*fn)(void *self, struct vcpu *vcpu, uint32_t function);
	void *self;
};

struct arch_vm {
	struct {
		bool has_pmu, has_sve;
		unsigned sve_bits; /* of a vector, at the most; 0: as many as the host has */
	} cpu; /* fixed once there are vCPUs */
	bool has_gic, has_its; /* the descriptors are open */
	bool is_gicv2;	       /* else it is a GICv3 */
	int gic, its;
	uint64_t msi_frame; /* of a GICv2; 0: messages go to the ITS */
	uint64_t gits_ctlr; /* of a guest that comes from elsewhere, until its tables are there */
	bool gits_ctlr_waits;
	struct kvm_reg_list *registers; /* KVM_GET_REG_LIST of any vCPU; NULL: not asked yet */
	struct {
		bool freeze; /* enum machine_clock */
		bool held;   /* the moment is when this machine was held */
		bool known;  /* the moment was set: when the guest was held elsewhere */
		struct arm64_moment moment;
	} clock;
	struct arm64_trap traps[4]; /* fixed once the VM has run */
	unsigned trap_count;
};

struct arch_vcpu {
	uint64_t mpidr;
	uint32_t gicr_ctlr; /* as gits_ctlr */
	bool gicr_ctlr_waits;
};

#endif
