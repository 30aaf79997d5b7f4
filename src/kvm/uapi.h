/* SPDX-License-Identifier: Apache-2.0 */
/* linux/kvm.h, and what newer kernels define that Debian 12's headers (6.1) do not. */
#ifndef KVM_UAPI_H
#define KVM_UAPI_H

#include <linux/kvm.h>

/* linux/kvm.h of 6.8 */
#ifndef KVM_CAP_GUEST_MEMFD
#define KVM_CAP_GUEST_MEMFD 234
#define KVM_CAP_VM_TYPES    235
#endif

/*
 * As proposed in October 2024 ("KVM: x86: Introduce new ioctl KVM_HYPERV_SET_TLB_FLUSH_INHIBIT"), and
 * never merged; the number of its capability is another's by now. flags must be 0.
 */
#ifndef KVM_HYPERV_SET_TLB_FLUSH_INHIBIT
struct kvm_hyperv_tlb_flush_inhibit {
	__u16 flags;
	__u8 inhibit;
	__u8 reserved[5];
};
#define KVM_HYPERV_SET_TLB_FLUSH_INHIBIT _IOW(KVMIO, 0xd6, struct kvm_hyperv_tlb_flush_inhibit)
#endif

/* arch/arm64/include/uapi/asm/kvm.h of 6.4: groups and attributes of the VM, see devices/vm.rst */
#ifndef KVM_ARM_VM_SMCCC_CTRL
#define KVM_ARM_VM_SMCCC_CTRL	0
#define KVM_ARM_VM_SMCCC_FILTER 0

enum kvm_smccc_filter_action {
	KVM_SMCCC_FILTER_HANDLE = 0,
	KVM_SMCCC_FILTER_DENY,
	KVM_SMCCC_FILTER_FWD_TO_USER,
};

struct kvm_smccc_filter {
	__u32 base;
	__u32 nr_functions;
	__u8 action;
	__u8 pad[15];
};
#endif

/* linux/kvm.h hides these from other architectures; the numbers are the same everywhere. */
#ifndef KVM_CAP_PIT2
#define KVM_CAP_PIT2 33
#endif
#ifndef KVM_CAP_XEN_HVM
#define KVM_CAP_XEN_HVM 38
#endif
#ifndef KVM_CAP_DEBUGREGS
#define KVM_CAP_DEBUGREGS 50
#endif
#ifndef KVM_CAP_XCRS
#define KVM_CAP_XCRS 56
#endif

/* asm/kvm.h of 6.9 (linux/kvm.h before): bits of KVM_CAP_XEN_HVM and attributes of Xen guests. */
#ifndef KVM_XEN_HVM_CONFIG_RUNSTATE_UPDATE_FLAG
#define KVM_XEN_HVM_CONFIG_RUNSTATE_UPDATE_FLAG (1 << 6)
#define KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG	0x5
#endif
#ifndef KVM_XEN_HVM_CONFIG_PVCLOCK_TSC_UNSTABLE
#define KVM_XEN_HVM_CONFIG_PVCLOCK_TSC_UNSTABLE (1 << 7)
#endif
#ifndef KVM_XEN_HVM_CONFIG_SHARED_INFO_HVA
#define KVM_XEN_HVM_CONFIG_SHARED_INFO_HVA (1 << 8)
#define KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA  0x6
#define KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA 0x9
#endif
#ifndef KVM_XEN_INVALID_GFN
#define KVM_XEN_INVALID_GFN (~0ULL)
#define KVM_XEN_INVALID_GPA (~0ULL)
#endif

#endif
