/* SPDX-License-Identifier: Apache-2.0 */
/* linux/kvm.h, and what newer kernels define that Debian 12's headers (6.1) do not. */
#ifndef KVM_UAPI_H
#define KVM_UAPI_H

#include <linux/kvm.h>

/* linux/kvm.h of 6.8 */
#ifndef KVM_CAP_GUEST_MEMFD
#define KVM_CAP_GUEST_MEMFD 234
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

#endif
