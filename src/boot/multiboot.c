/* SPDX-License-Identifier: Apache-2.0 */
/* The Multiboot protocol: for ELF32 programs such as kvm-unit-tests. */
#include <errno.h>
#include <string.h>

#include <ferry/error.h>
#include <abi/multiboot.h>

#include "base/util.h"
#include "boot/layout.h"
#include "boot/protocol.h"

#define LOWER_END 0xa0000

_Static_assert(sizeof(struct multiboot_info) <= LAYOUT_MODLIST - LAYOUT_START_INFO, "overlap");
_Static_assert(sizeof(struct multiboot_mmap_entry) * LAYOUT_MEMMAP_MAX <=
		       LAYOUT_SCRATCH - LAYOUT_MEMMAP,
	       "overlap");

int multiboot_find(const struct image *image, bool *ret_found)
{
	uint8_t head[MULTIBOOT_SEARCH];
	size_t size = (size_t)min_u64(sizeof(head), image->size);
	int err = image_read(image, 0, head, size, "the Multiboot header");

	if (err < 0)
		return err;
	for (size_t at = 0; at + sizeof(struct multiboot_header) <= size; at += 4) {
		struct multiboot_header header;

		memcpy(&header, head + at, sizeof(header));
		if (header.magic != MULTIBOOT_HEADER_MAGIC ||
		    header.checksum != 0 - header.magic - header.flags)
			continue;
		if (header.flags & MULTIBOOT_MUST & ~(MULTIBOOT_PAGE_ALIGN | MULTIBOOT_MEMORY_INFO))
			return because(-ENOEXEC,
				       "its Multiboot header wants flags %#x, of which ferry has 0x3",
				       header.flags);
		*ret_found = true;
		return 0;
	}
	*ret_found = false;
	return 0;
}

static int write_memmap(struct mem *mem, const struct boot_options *options)
{
	struct multiboot_mmap_entry entries[LAYOUT_MEMMAP_MAX] = { 0 };

	for (size_t i = 0; i < options->range_count; i++) {
		entries[i].size = sizeof(entries[i]) - sizeof(entries[i].size);
		entries[i].addr = options->ranges[i].gpa;
		entries[i].len = options->ranges[i].size;
		entries[i].type = options->ranges[i].type;
	}
	return mem_write(mem, LAYOUT_MEMMAP, entries, options->range_count * sizeof(entries[0]));
}

int multiboot_write(struct mem *mem, const struct boot_options *options,
		    const struct initrd *initrd, const struct kernel *kernel,
		    struct boot_entry *ret_entry)
{
	struct multiboot_module module = {
		.start = (uint32_t)initrd->gpa,
		.end = (uint32_t)(initrd->gpa + initrd->size),
		.string = LAYOUT_CMDLINE,
	};
	struct multiboot_info info = {
		.flags = MULTIBOOT_INFO_MEMORY | MULTIBOOT_INFO_CMDLINE | MULTIBOOT_INFO_MMAP |
			 (initrd->size ? MULTIBOOT_INFO_MODS : 0),
		.mem_lower = LOWER_END / KIB,
		.mem_upper = (uint32_t)((options->low_end - LAYOUT_HIGH) / KIB),
		.cmdline = LAYOUT_CMDLINE,
		.mods_count = initrd->size ? 1 : 0,
		.mods_addr = initrd->size ? LAYOUT_MODLIST : 0,
		.mmap_length = (uint32_t)(options->range_count * sizeof(struct multiboot_mmap_entry)),
		.mmap_addr = LAYOUT_MEMMAP,
	};

	if (!kernel->vmlinux.has_entry)
		return because(-ENOEXEC, "damaged: its entry lies outside of it");
	if (mem_write(mem, LAYOUT_START_INFO, &info, sizeof(info)) < 0 ||
	    (initrd->size && mem_write(mem, LAYOUT_MODLIST, &module, sizeof(module)) < 0) ||
	    write_memmap(mem, options) < 0)
		return because(-ENOSPC, "there is no guest memory below 640 KiB");
	*ret_entry = (struct boot_entry){
		.mode = BOOT_MULTIBOOT,
		.pc = kernel->vmlinux.entry,
		.arg = LAYOUT_START_INFO,
	};
	return 0;
}
