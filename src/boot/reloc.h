/* SPDX-License-Identifier: Apache-2.0 */
/* Moves a relocatable x86_64 kernel: the table that its build appends to the vmlinux. */
#ifndef BOOT_RELOC_H
#define BOOT_RELOC_H

#include <stdint.h>

#include "boot/image.h"
#include "boot/vmlinux.h"
#include "mem/mem.h"

/*
 * The table (Linux arch/x86/tools/relocs.c, arch/x86/boot/compressed/misc.c) is read from its end:
 * groups of 32-bit words, each closed by a 0: places of 32 bits to add to, places of 32 bits to
 * subtract from (not since Linux 6.15), places of 64 bits to add to. A place is the linked virtual
 * address, cut to 32 bits.
 */
struct reloc_table {
	const uint8_t *data; /* not owned */
	uint64_t words;	     /* 0: the kernel has no table */
};

/*
 * Finds the table behind the ELF file in an image that is in memory, and checks its shape, not its
 * places. -ENOEXEC: something follows the ELF file that is not such a table.
 */
int reloc_find(const struct image *image, const struct vmlinux *vmlinux,
	       struct reloc_table *ret_table);

/*
 * Makes the loaded kernel one that is linked delta higher, virtually and physically, and that lies
 * at its physical addresses plus delta. -ENOEXEC: a place outside the kernel's segments.
 */
int reloc_apply(const struct reloc_table *table, const struct vmlinux *vmlinux, struct mem *mem,
		uint64_t delta);

/*
 * A random multiple of align by which [.., end) may move up and stay below limit and below the 1
 * GiB that a kernel maps of itself (Linux KERNEL_IMAGE_SIZE). 0 where there is no room.
 */
uint64_t reloc_choose_delta(uint64_t end, uint64_t limit, uint64_t align);

#endif
