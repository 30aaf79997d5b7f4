/* SPDX-License-Identifier: Apache-2.0 */
/* Multiboot 0.6.96: the header in a kernel, and what the entered kernel finds in memory. */
#ifndef ABI_MULTIBOOT_H
#define ABI_MULTIBOOT_H

#include <abi/abi.h>

/* 3.1: in the first 8192 bytes of the file, on a boundary of 4 */
#define MULTIBOOT_SEARCH	8192
#define MULTIBOOT_HEADER_MAGIC	0x1badb002u
#define MULTIBOOT_LOADER_MAGIC	0x2badb002u /* 3.2: in EAX */

/* Flags of the header: what the loader must do. The upper half may be ignored. */
#define MULTIBOOT_PAGE_ALIGN  (1u << 0)
#define MULTIBOOT_MEMORY_INFO (1u << 1)
#define MULTIBOOT_MUST	      0xffffu

struct multiboot_header {
	uint32_t magic;
	uint32_t flags;
	uint32_t checksum; /* the three add up to 0 */
};
ABI_SIZE(struct multiboot_header, 12);

/* 3.3: flags of the information: what of it is there */
#define MULTIBOOT_INFO_MEMORY  (1u << 0)
#define MULTIBOOT_INFO_CMDLINE (1u << 2)
#define MULTIBOOT_INFO_MODS    (1u << 3)
#define MULTIBOOT_INFO_MMAP    (1u << 6)

struct multiboot_info {
	uint32_t flags;
	uint32_t mem_lower; /* KiB from 0 */
	uint32_t mem_upper; /* KiB from 1 MiB */
	uint32_t boot_device;
	uint32_t cmdline;
	uint32_t mods_count;
	uint32_t mods_addr;
	uint32_t syms[4];
	uint32_t mmap_length;
	uint32_t mmap_addr;
	uint32_t drives_length;
	uint32_t drives_addr;
	uint32_t config_table;
	uint32_t boot_loader_name;
	uint32_t apm_table;
};
ABI_SIZE(struct multiboot_info, 72);
ABI_OFFSET(struct multiboot_info, mmap_length, 44);

struct multiboot_module {
	uint32_t start;
	uint32_t end;
	uint32_t string;
	uint32_t reserved;
};
ABI_SIZE(struct multiboot_module, 16);

struct multiboot_mmap_entry {
	uint32_t size; /* of what follows */
	uint64_t addr;
	uint64_t len;
	uint32_t type; /* as E820's */
} __attribute__((packed));
ABI_SIZE(struct multiboot_mmap_entry, 24);

#endif
