/* SPDX-License-Identifier: Apache-2.0 */
/* The Linux/x86 boot protocol: the header of a bzImage and the zero page. */
#ifndef ABI_BOOTPARAMS_H
#define ABI_BOOTPARAMS_H

#include <abi/abi.h>

/* Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"; at 0x1f1 of the file. */
#define LINUX_SETUP_HEADER_OFFSET 0x1f1
#define LINUX_BOOT_FLAG		  0xaa55
#define LINUX_HEADER_MAGIC	  0x53726448u /* "HdrS" */
#define LINUX_LOADER_UNDEFINED	  0xff

#define LINUX_LOADED_HIGH (1 << 0)
#define LINUX_KASLR_FLAG  (1 << 1)

struct linux_setup_header {
	uint8_t setup_sects;
	uint16_t root_flags;
	uint32_t syssize;
	uint16_t ram_size;
	uint16_t vid_mode;
	uint16_t root_dev;
	uint16_t boot_flag;
	uint16_t jump; /* its second byte says where the header ends, counted from 0x202 */
	uint32_t header;
	uint16_t version;
	uint32_t realmode_swtch;
	uint16_t start_sys_seg;
	uint16_t kernel_version;
	uint8_t type_of_loader;
	uint8_t loadflags;
	uint16_t setup_move_size;
	uint32_t code32_start;
	uint32_t ramdisk_image;
	uint32_t ramdisk_size;
	uint32_t bootsect_kludge;
	uint16_t heap_end_ptr;
	uint8_t ext_loader_ver;
	uint8_t ext_loader_type;
	uint32_t cmd_line_ptr;
	uint32_t initrd_addr_max;
	uint32_t kernel_alignment;
	uint8_t relocatable_kernel;
	uint8_t min_alignment;
	uint16_t xloadflags;
	uint32_t cmdline_size;
	uint32_t hardware_subarch;
	uint64_t hardware_subarch_data;
	uint32_t payload_offset;
	uint32_t payload_length;
	uint64_t setup_data;
	uint64_t pref_address;
	uint32_t init_size;
	uint32_t handover_offset;
	uint32_t kernel_info_offset;
} __attribute__((packed));
ABI_SIZE(struct linux_setup_header, 0x26c - LINUX_SETUP_HEADER_OFFSET);
ABI_OFFSET(struct linux_setup_header, header, 0x202 - LINUX_SETUP_HEADER_OFFSET);
ABI_OFFSET(struct linux_setup_header, payload_offset, 0x248 - LINUX_SETUP_HEADER_OFFSET);

/* INT 15h AX=E820h, as the zero page holds it. */
struct linux_e820_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
} __attribute__((packed));
ABI_SIZE(struct linux_e820_entry, 20);

#define LINUX_E820_MAX 128

/* Linux Documentation/arch/x86/zero-page.rst */
struct linux_boot_params {
	uint8_t pad_000[0x70];
	uint64_t acpi_rsdp_addr;
	uint8_t pad_078[0x1e8 - 0x78];
	uint8_t e820_entries;
	uint8_t pad_1e9[LINUX_SETUP_HEADER_OFFSET - 0x1e9];
	struct linux_setup_header hdr;
	uint8_t pad_26c[0x2d0 - 0x26c];
	struct linux_e820_entry e820_table[LINUX_E820_MAX];
	uint8_t pad_cd0[0x1000 - 0xcd0];
} __attribute__((packed));
ABI_SIZE(struct linux_boot_params, 0x1000);
ABI_OFFSET(struct linux_boot_params, hdr, LINUX_SETUP_HEADER_OFFSET);
ABI_OFFSET(struct linux_boot_params, e820_table, 0x2d0);

#endif
