/* SPDX-License-Identifier: Apache-2.0 */
/* The PVH boot protocol: the entry note and what the entered kernel finds in memory. */
#ifndef ABI_PVH_H
#define ABI_PVH_H

#include <abi/abi.h>

/* xen/include/public/elfnote.h: note name "Xen", 4 or 8 bytes of physical entry point. */
#define XEN_ELFNOTE_NAME	 "Xen"
#define XEN_ELFNOTE_PHYS32_ENTRY 18

/* xen/include/public/arch-x86/hvm/start_info.h */
#define XEN_HVM_START_MAGIC_VALUE 0x336ec578u
#define XEN_HVM_START_VERSION	  1u

#define XEN_HVM_MEMMAP_TYPE_RAM	     1u
#define XEN_HVM_MEMMAP_TYPE_RESERVED 2u

struct hvm_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist_paddr;
	uint64_t cmdline_paddr;
	uint64_t rsdp_paddr;
	uint64_t memmap_paddr;
	uint32_t memmap_entries;
	uint32_t reserved;
};
ABI_SIZE(struct hvm_start_info, 56);
ABI_OFFSET(struct hvm_start_info, memmap_paddr, 40);

struct hvm_modlist_entry {
	uint64_t paddr;
	uint64_t size;
	uint64_t cmdline_paddr;
	uint64_t reserved;
};
ABI_SIZE(struct hvm_modlist_entry, 32);

struct hvm_memmap_table_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};
ABI_SIZE(struct hvm_memmap_table_entry, 24);

#endif
