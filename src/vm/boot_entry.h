/* SPDX-License-Identifier: Apache-2.0 */
/* How the first vCPU enters the guest. */
#ifndef VM_BOOT_ENTRY_H
#define VM_BOOT_ENTRY_H

#include <stdint.h>

enum boot_mode {
	BOOT_NONE,     /* the architecture's reset state */
	BOOT_PVH,      /* 32-bit protected mode, paging off, EBX = arg (xen/include/public/arch-x86/hvm/start_info.h) */
	BOOT_MULTIBOOT, /* the same, EAX = 0x2badb002 (Multiboot 0.6.96, 3.2) */
	BOOT_LINUX64,  /* long mode, identity-mapped, RSI = arg (Linux Documentation/arch/x86/boot.rst, 64-bit) */
	BOOT_LINUX_A64, /* EL1, MMU off, X0 = arg (Linux Documentation/arch/arm64/booting.rst) */
};

struct boot_entry {
	enum boot_mode mode;
	uint64_t pc;  /* guest physical */
	uint64_t arg; /* start_info, boot_params or device tree: guest physical */
	uint64_t scratch; /* BOOT_LINUX64: seven free pages of RAM below 4 GiB for page tables and GDT */
};

#endif
