/* SPDX-License-Identifier: Apache-2.0 */
/* Steal time: what KVM tells a guest of the time in which it could have run and did not. */
#ifndef ABI_STEAL_H
#define ABI_STEAL_H

#include <abi/abi.h>

/* Documentation/virt/kvm/x86/cpuid.rst: a bit of KVM_CPUID_FEATURES (abi/pvclock.h), EAX */
#define KVM_FEATURE_STEAL_TIME 5

/* Documentation/virt/kvm/x86/msr.rst; the address is a multiple of 64 */
#define MSR_KVM_STEAL_TIME    0x4b564d03u
#define KVM_STEAL_TIME_ENABLE 1u
#define KVM_STEAL_TIME_ALIGN  64

/* An odd version says that it is being written. */
struct kvm_steal_time {
	uint64_t steal; /* ns */
	uint32_t version;
	uint32_t flags;
	uint8_t preempted;
	uint8_t u8_pad[3];
	uint32_t pad[11];
};
ABI_SIZE(struct kvm_steal_time, 64);
ABI_OFFSET(struct kvm_steal_time, version, 8);
ABI_OFFSET(struct kvm_steal_time, preempted, 16);

/* DEN0057A, Paravirtualized Time for Arm-based Systems: functions (3.2) and the structure (3.3) */
#define PV_TIME_FEATURES 0xc5000020u
#define PV_TIME_ST	 0xc5000021u
#define PV_TIME_ALIGN	 64

struct pv_time_stolen {
	uint32_t revision;   /* 0 */
	uint32_t attributes; /* 0 */
	uint64_t stolen;     /* ns */
};
ABI_SIZE(struct pv_time_stolen, 16);

#endif
