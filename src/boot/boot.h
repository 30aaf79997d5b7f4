/* SPDX-License-Identifier: Apache-2.0 */
/* Boot: what lies in guest memory, and where the first vCPU begins, when a VM starts. */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem/mem.h"
#include "vm/boot_entry.h"

/* One line of the memory map that the guest is told (E820 types: 1 RAM, 2 reserved). */
struct boot_range {
	gpa_t gpa;
	uint64_t size;
	uint32_t type;
};

struct boot_options {
	const char *kernel;	    /* path */
	const char *const *initrds; /* paths; concatenated, each padded with zeros to 4 bytes */
	size_t initrd_count;
	const char *cmdline; /* may be "" */
	bool kaslr;	     /* move a relocatable kernel at random */
	bool no_pvh;	     /* a bzImage by Linux's 64-bit protocol, though it has a PVH entry */
	bool flat;	     /* ELF32 without any note is entered at its e_entry, otherwise as by PVH */
	gpa_t rsdp;	     /* ACPI's root pointer, 0 for none */
	const struct boot_range *ranges;
	size_t range_count;
	gpa_t low_end; /* memory below this is RAM from 0 on, with the usual hole at 640 KiB–1 MiB
			*/
};

/*
 * Loads a kernel of any format that the machine knows, initrds and command line into mem, and says
 * how to enter it. Memory must be fresh: what reads as zero is taken to be zero and not written.
 * "nokaslr" on the command line counts like kaslr = false. layout.h says which low addresses are
 * taken; the tables behind rsdp must lie elsewhere. What is wrong with which file is in the error
 * text; memory then holds whatever had been loaded:
 *   -ENOEXEC  not a kernel, a damaged one, or one for another machine
 *   -ENOSPC   does not fit into guest memory
 *   -EINVAL   a FIFO or device instead of a file; more than 128 ranges
 *   -E2BIG    the command line is longer than the kernel takes
 *   and what open(2) and read(2) say.
 */
int boot_load(struct mem *mem, const struct boot_options *options, struct boot_entry *ret_entry);

#endif
