/* SPDX-License-Identifier: Apache-2.0 */
/* The PVH boot protocol. */
#include "boot/protocol.h"

#include <errno.h>

#include <ferry/error.h>
#include <abi/pvh.h>

#include "boot/layout.h"

_Static_assert(LAYOUT_START_INFO + sizeof(struct hvm_start_info) <= LAYOUT_MODLIST, "overlap");
_Static_assert(LAYOUT_MEMMAP + LAYOUT_MEMMAP_MAX * sizeof(struct hvm_memmap_table_entry) <=
		       LAYOUT_SCRATCH,
	       "overlap");

static int write_memmap(struct mem *mem, const struct boot_options *options)
{
	struct hvm_memmap_table_entry entries[LAYOUT_MEMMAP_MAX] = { 0 };

	for (size_t i = 0; i < options->range_count; i++) {
		entries[i].addr = options->ranges[i].gpa;
		entries[i].size = options->ranges[i].size;
		entries[i].type = options->ranges[i].type;
	}
	return mem_write(mem, LAYOUT_MEMMAP, entries, options->range_count * sizeof(entries[0]));
}

int pvh_write(struct mem *mem, const struct boot_options *options, const struct initrd *initrd,
	      const struct kernel *kernel, struct boot_entry *ret_entry)
{
	const struct vmlinux *vmlinux = &kernel->vmlinux;
	struct hvm_modlist_entry module = { .paddr = initrd->gpa, .size = initrd->size };
	struct hvm_start_info info = {
		.magic = XEN_HVM_START_MAGIC_VALUE,
		.version = XEN_HVM_START_VERSION,
		.nr_modules = initrd->size ? 1 : 0,
		.modlist_paddr = initrd->size ? LAYOUT_MODLIST : 0,
		.cmdline_paddr = LAYOUT_CMDLINE,
		.rsdp_paddr = options->rsdp,
		.memmap_paddr = options->range_count ? LAYOUT_MEMMAP : 0,
		.memmap_entries = (uint32_t)options->range_count,
	};

	if (mem_write(mem, LAYOUT_START_INFO, &info, sizeof(info)) < 0 ||
	    (initrd->size && mem_write(mem, LAYOUT_MODLIST, &module, sizeof(module)) < 0) ||
	    write_memmap(mem, options) < 0)
		return because(-ENOSPC, "there is no guest memory below 640 KiB");
	*ret_entry = (struct boot_entry){
		.mode = BOOT_PVH,
		.pc = (vmlinux->has_pvh ? vmlinux->pvh_entry : vmlinux->entry) + kernel->delta,
		.arg = LAYOUT_START_INFO,
	};
	return 0;
}
