/* SPDX-License-Identifier: Apache-2.0 */
/* Boot on arm64: a kernel, its initrds and its device tree in guest memory. */
#ifndef BOOT_ARM64_H
#define BOOT_ARM64_H

#include <stdbool.h>
#include <stddef.h>

#include "boot/fdt.h"
#include "mem/mem.h"
#include "vm/boot_entry.h"

struct arm64_boot_options {
	const char *kernel;	    /* path: Image, also compressed by gzip or in an EFI zboot image */
	const char *const *initrds; /* paths; concatenated, each padded with zeros to 4 bytes */
	size_t initrd_count;
	bool kaslr;
	/* What the tree shall say but for initrd and seeds. ram begins at a multiple of 2 MiB. */
	struct fdt_options fdt;
};

/*
 * Loads it all into mem, which must be fresh, and says how to enter it. The kernel lies at the begin of
 * RAM, tree and initrds at its end, but within the kernel's reach. Errors as boot_load() has them.
 */
int arm64_boot_load(struct mem *mem, const struct arm64_boot_options *options,
		    struct boot_entry *ret_entry);

#endif
