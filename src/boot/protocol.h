/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel finds in memory when it is entered: one function for each boot protocol. */
#ifndef BOOT_PROTOCOL_H
#define BOOT_PROTOCOL_H

#include "boot/boot.h"
#include "boot/initrd.h"
#include "boot/kernel.h"

/*
 * Both write their structures at the addresses of layout.h and fill *ret_entry; the command line is
 * there already. The number of ranges is at most LAYOUT_MEMMAP_MAX.
 */

/* hvm_start_info; xen/include/public/arch-x86/hvm/start_info.h. A kernel without the note begins at e_entry. */
int pvh_write(struct mem *mem, const struct boot_options *options, const struct initrd *initrd,
	      const struct kernel *kernel, struct boot_entry *ret_entry);

/* boot_params; Linux Documentation/arch/x86/boot.rst, "64-bit Boot Protocol" */
int linux64_write(struct mem *mem, const struct boot_options *options, const struct initrd *initrd,
		  const struct kernel *kernel, struct boot_entry *ret_entry);

/* Whether the file has the header of Multiboot (0.6.96, 3.1). -ENOEXEC: it wants what is not offered. */
int multiboot_find(const struct image *image, bool *ret_found);
/* multiboot_info; the same, 3.2 and 3.3. The initrds are one module. -ENOEXEC too. */
int multiboot_write(struct mem *mem, const struct boot_options *options,
		    const struct initrd *initrd, const struct kernel *kernel,
		    struct boot_entry *ret_entry);

#endif
