/* SPDX-License-Identifier: Apache-2.0 */
/* Xen's hvm_op and xen_version (xen/include/public/{hvm/hvm_op,hvm/params,version,features}.h). */
#ifndef ABI_XEN_HVM_H
#define ABI_XEN_HVM_H

#include <abi/abi.h>

enum xen_hvmop {
	HVMOP_set_param = 0,
	HVMOP_get_param = 1,
	HVMOP_flush_tlbs = 5,
	HVMOP_pagetable_dying = 9,
	HVMOP_get_time = 10,
	HVMOP_get_mem_type = 15,
	HVMOP_set_evtchn_upcall_vector = 23,
};

struct xen_hvm_param {
	uint16_t domid;
	uint16_t pad;
	uint32_t index;
	uint64_t value;
};
ABI_SIZE(struct xen_hvm_param, 16);

enum xen_hvm_params {
	HVM_PARAM_CALLBACK_IRQ = 0,
	HVM_PARAM_STORE_PFN = 1,
	HVM_PARAM_STORE_EVTCHN = 2,
	HVM_PARAM_DM_DOMAIN = 13,
	HVM_PARAM_VM86_TSS = 15,
	HVM_PARAM_CONSOLE_PFN = 17,
	HVM_PARAM_CONSOLE_EVTCHN = 18,
	HVM_PARAM_ACPI_IOPORTS_LOCATION = 19,
	HVM_PARAM_BUFIOREQ_EVTCHN = 26,
	HVM_PARAM_VM_GENERATION_ID_ADDR = 34,
	HVM_PARAM_X87_FIP_WIDTH = 36,
	HVM_PARAM_VM86_TSS_SIZED = 37,
	XEN_HVM_PARAMS = 40,
};
#define XEN_CALLBACK_TYPE_SHIFT	 56
#define XEN_CALLBACK_TYPE_GSI	 0u
#define XEN_CALLBACK_TYPE_PCI_INTX 1u
#define XEN_CALLBACK_TYPE_VECTOR 2u

struct xen_hvm_get_time {
	uint64_t now;
};
ABI_SIZE(struct xen_hvm_get_time, 8);

struct xen_hvm_get_mem_type {
	uint16_t domid;
	uint16_t mem_type;
	uint16_t pad[2];
	uint64_t pfn;
};
ABI_SIZE(struct xen_hvm_get_mem_type, 16);
#define XEN_HVMMEM_ram_rw  0u
#define XEN_HVMMEM_ram_ro  1u
#define XEN_HVMMEM_mmio_dm 2u

struct xen_hvm_evtchn_upcall_vector {
	uint32_t vcpu;
	uint8_t vector;
	uint8_t pad[3];
};
ABI_SIZE(struct xen_hvm_evtchn_upcall_vector, 8);

enum xen_xenver {
	XENVER_version = 0,
	XENVER_extraversion = 1,
	XENVER_compile_info = 2,
	XENVER_capabilities = 3,
	XENVER_changeset = 4,
	XENVER_platform_parameters = 5,
	XENVER_get_features = 6,
	XENVER_pagesize = 7,
	XENVER_guest_handle = 8,
	XENVER_commandline = 9,
	XENVER_build_id = 10,
};

struct xen_compile_info {
	char compiler[64];
	char compile_by[16];
	char compile_domain[32];
	char compile_date[32];
};
ABI_SIZE(struct xen_compile_info, 144);

struct xen_feature_info {
	uint32_t submap_idx;
	uint32_t submap;
};
ABI_SIZE(struct xen_feature_info, 8);

#define XENFEAT_writable_page_tables	  (1u << 0)
#define XENFEAT_auto_translated_physmap	  (1u << 2)
#define XENFEAT_hvm_callback_vector	  (1u << 8)
#define XENFEAT_hvm_safe_pvclock	  (1u << 9)
#define XENFEAT_hvm_pirqs		  (1u << 10)
#define XENFEAT_memory_op_vnode_supported (1u << 13)
#define XENFEAT_not_direct_mapped	  (1u << 16)

#endif
