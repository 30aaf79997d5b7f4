/* SPDX-License-Identifier: Apache-2.0 */
/* Xen: hypercalls, errors, shared_info and vcpu_info (xen/include/public/xen.h and arch-x86). */
#ifndef ABI_XEN_H
#define ABI_XEN_H

#include <abi/abi.h>
#include <abi/pvclock.h>

/* public/arch-x86/cpuid.h: leaves from XEN_CPUID_BASE, or 0x100 higher beside another hypervisor's. */
#define XEN_CPUID_BASE	    0x40000000u
#define XEN_CPUID_SIGNATURE_EBX 0x566e6558u /* "XenV" */
#define XEN_CPUID_SIGNATURE_ECX 0x65584d4du /* "MMXe" */
#define XEN_CPUID_SIGNATURE_EDX 0x4d4d566eu /* "nVMM" */
#define XEN_CPUID_LEAVES    5u
#define XEN_HVM_CPUID_IOMMU_MAPPINGS  (1u << 2)
#define XEN_HVM_CPUID_VCPU_ID_PRESENT (1u << 3)
#define XEN_HVM_CPUID_DOMID_PRESENT   (1u << 4)
#define XEN_HVM_CPUID_EXT_DEST_ID     (1u << 5)
#define XEN_HVM_CPUID_UPCALL_VECTOR   (1u << 6)
#define XEN_CPUID_TSC_EMULATED	      (1u << 0)

/* The MSR by which a guest asks for a hypercall page; its number is told by CPUID. */
#define XEN_HYPERCALL_MSR 0x40000000u

#define XEN_PAGE_SIZE 4096u

/* public/xen.h, where they begin with two underscores */
enum xen_hypercall {
	HYPERVISOR_memory_op = 12,
	HYPERVISOR_multicall = 13,
	HYPERVISOR_set_timer_op = 15,
	HYPERVISOR_xen_version = 17,
	HYPERVISOR_console_io = 18,
	HYPERVISOR_grant_table_op = 20,
	HYPERVISOR_vm_assist = 21,
	HYPERVISOR_vcpu_op = 24,
	HYPERVISOR_sched_op = 29,
	HYPERVISOR_event_channel_op = 32,
	HYPERVISOR_physdev_op = 33,
	HYPERVISOR_hvm_op = 34,
	XEN_HYPERCALLS = 64,
};

/* public/errno.h: Linux's numbers, as they are on x86. */
enum xen_errno {
	XEN_EPERM = 1,
	XEN_ENOENT = 2,
	XEN_ESRCH = 3,
	XEN_EINTR = 4,
	XEN_ENXIO = 6,
	XEN_E2BIG = 7,
	XEN_EAGAIN = 11,
	XEN_ENOMEM = 12,
	XEN_EACCES = 13,
	XEN_EFAULT = 14,
	XEN_EBUSY = 16,
	XEN_EEXIST = 17,
	XEN_EINVAL = 22,
	XEN_ENOSPC = 28,
	XEN_ENOSYS = 38,
	XEN_ENODATA = 61,
	XEN_ETIME = 62,
	XEN_EOPNOTSUPP = 95,
};

#define XEN_DOMID_SELF		0x7ff0u
#define XEN_DOMID_FIRST_RESERVED 0x7ff0u

/* Of shared_info's vCPUs, those that have a vcpu_info there. */
#define XEN_LEGACY_MAX_VCPUS 32u

/* Virtual interrupts: those of each vCPU, the others are the domain's and begin on vCPU 0. */
enum xen_virq {
	XEN_VIRQ_TIMER = 0,
	XEN_VIRQ_DEBUG = 1,
	XEN_VIRQ_XENOPROF = 7,
	XEN_VIRQ_XENPMU = 13,
	XEN_NR_VIRQS = 24,
};

/* public/arch-x86/xen.h and public/xen.h; a 32-bit guest's words are of 32 bits. */
struct xen_vcpu_info_64 {
	uint8_t evtchn_upcall_pending;
	uint8_t pad0;
	uint8_t evtchn_upcall_mask;
	uint8_t pad1[5];
	uint64_t evtchn_pending_sel;
	uint64_t cr2;
	uint64_t pad2;
	struct pvclock_vcpu_time_info time;
};
ABI_SIZE(struct xen_vcpu_info_64, 64);
ABI_OFFSET(struct xen_vcpu_info_64, evtchn_pending_sel, 8);
ABI_OFFSET(struct xen_vcpu_info_64, time, 32);

struct xen_vcpu_info_32 {
	uint8_t evtchn_upcall_pending;
	uint8_t evtchn_upcall_mask;
	uint8_t pad0[2];
	uint32_t evtchn_pending_sel;
	uint32_t cr2;
	uint32_t pad1[5];
	struct pvclock_vcpu_time_info time;
};
ABI_SIZE(struct xen_vcpu_info_32, 64);
ABI_OFFSET(struct xen_vcpu_info_32, evtchn_pending_sel, 4);
ABI_OFFSET(struct xen_vcpu_info_32, time, 32);

struct xen_shared_info_64 {
	struct xen_vcpu_info_64 vcpu_info[XEN_LEGACY_MAX_VCPUS];
	uint64_t evtchn_pending[64];
	uint64_t evtchn_mask[64];
	uint32_t wc_version;
	uint32_t wc_sec;
	uint32_t wc_nsec;
	uint32_t wc_sec_hi;
	uint8_t arch[XEN_PAGE_SIZE - 0xc10];
};
ABI_SIZE(struct xen_shared_info_64, 4096);
ABI_OFFSET(struct xen_shared_info_64, evtchn_pending, 0x800);
ABI_OFFSET(struct xen_shared_info_64, evtchn_mask, 0xa00);
ABI_OFFSET(struct xen_shared_info_64, wc_version, 0xc00);
ABI_OFFSET(struct xen_shared_info_64, wc_sec_hi, 0xc0c);

struct xen_shared_info_32 {
	struct xen_vcpu_info_32 vcpu_info[XEN_LEGACY_MAX_VCPUS];
	uint32_t evtchn_pending[32];
	uint32_t evtchn_mask[32];
	uint32_t wc_version;
	uint32_t wc_sec;
	uint32_t wc_nsec;
	uint8_t arch0[0x924 - 0x90c];
	uint32_t wc_sec_hi;
	uint8_t arch1[XEN_PAGE_SIZE - 0x928];
};
ABI_SIZE(struct xen_shared_info_32, 4096);
ABI_OFFSET(struct xen_shared_info_32, evtchn_mask, 0x880);
ABI_OFFSET(struct xen_shared_info_32, wc_version, 0x900);
ABI_OFFSET(struct xen_shared_info_32, wc_sec_hi, 0x924);

/* public/xen.h: one call of a multicall */
struct xen_multicall_entry_64 {
	uint64_t op, result;
	uint64_t args[6];
};
ABI_SIZE(struct xen_multicall_entry_64, 64);

struct xen_multicall_entry_32 {
	uint32_t op, result;
	uint32_t args[6];
};
ABI_SIZE(struct xen_multicall_entry_32, 32);

/* public/xen.h: vm_assist */
#define XEN_VMASST_CMD_enable		    0u
#define XEN_VMASST_CMD_disable		    1u
#define XEN_VMASST_TYPE_runstate_update_flag 5u

#define XEN_CONSOLEIO_write 0u
#define XEN_CONSOLEIO_read  1u

#endif
