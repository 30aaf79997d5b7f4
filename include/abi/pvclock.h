/* SPDX-License-Identifier: Apache-2.0 */
/* kvmclock: what KVM writes into a guest's memory so that it can tell the time. */
#ifndef ABI_PVCLOCK_H
#define ABI_PVCLOCK_H

#include <abi/abi.h>

/* Documentation/virt/kvm/x86/cpuid.rst */
#define KVM_CPUID_SIGNATURE	 0x40000000u
#define KVM_CPUID_FEATURES	 0x40000001u
#define KVM_FEATURE_CLOCKSOURCE2 3

/* Documentation/virt/kvm/x86/msr.rst */
#define MSR_KVM_WALL_CLOCK_NEW	0x4b564d00u
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01u
#define KVM_SYSTEM_TIME_ENABLE	1u

/* The clocks of all vCPUs are one. */
#define PVCLOCK_TSC_STABLE_BIT (1u << 0)

/* arch/x86/include/asm/pvclock-abi.h; an odd version says that it is being written. */
struct pvclock_vcpu_time_info {
	uint32_t version;
	uint32_t pad0;
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags;
	uint8_t pad[2];
};
ABI_SIZE(struct pvclock_vcpu_time_info, 32);
ABI_OFFSET(struct pvclock_vcpu_time_info, tsc_timestamp, 8);
ABI_OFFSET(struct pvclock_vcpu_time_info, flags, 29);

/* The wall-clock time at which the system time was zero. */
struct pvclock_wall_clock {
	uint32_t version;
	uint32_t sec;
	uint32_t nsec;
};
ABI_SIZE(struct pvclock_wall_clock, 12);

#endif
