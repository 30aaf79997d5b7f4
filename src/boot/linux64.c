/* SPDX-License-Identifier: Apache-2.0 */
/* The 64-bit Linux/x86 boot protocol, for kernels that have no PVH entry. */
#include "boot/protocol.h"

#include <errno.h>

#include <ferry/error.h>
#include <abi/bootparams.h>

#include "boot/layout.h"

_Static_assert(LAYOUT_MEMMAP_MAX <= LINUX_E820_MAX, "the zero page holds fewer entries");

/* What a bzImage would have said, for a vmlinux that came without one. */
static const struct linux_setup_header plain_header = {
	.boot_flag = LINUX_BOOT_FLAG,
	.header = LINUX_HEADER_MAGIC,
	.version = 0x020f,
	.loadflags = LINUX_LOADED_HIGH,
	.kernel_alignment = 0x200000,
};

static void fill_header(struct linux_setup_header *header, const struct initrd *initrd,
			const struct kernel *kernel)
{
	*header = kernel->has_header ? kernel->header : plain_header;
	header->type_of_loader = LINUX_LOADER_UNDEFINED;
	header->loadflags &= (uint8_t)~LINUX_KASLR_FLAG;
	/* Otherwise set by the decompressor: the kernel then randomizes its memory areas too. */
	if (kernel->relocated)
		header->loadflags |= LINUX_KASLR_FLAG;
	header->setup_data = 0;
	header->cmd_line_ptr = LAYOUT_CMDLINE;
	header->ramdisk_image = initrd->size ? (uint32_t)initrd->gpa : 0;
	header->ramdisk_size = (uint32_t)initrd->size;
}

int linux64_write(struct mem *mem, const struct boot_options *options, const struct initrd *initrd,
		  const struct kernel *kernel, struct boot_entry *ret_entry)
{
	struct linux_boot_params params = { .acpi_rsdp_addr = options->rsdp };

	if (!kernel->vmlinux.elf64)
		return because(-ENOEXEC,
			       "is a 32-bit kernel without a PVH entry note (CONFIG_PVH)");
	if (!kernel->vmlinux.has_entry)
		return because(-ENOEXEC, "damaged: its entry point lies outside of the kernel");
	fill_header(&params.hdr, initrd, kernel);
	params.e820_entries = (uint8_t)options->range_count;
	for (size_t i = 0; i < options->range_count; i++)
		params.e820_table[i] =
			(struct linux_e820_entry){ options->ranges[i].gpa, options->ranges[i].size,
						   options->ranges[i].type };
	if (mem_write(mem, LAYOUT_BOOT_PARAMS, &params, sizeof(params)) < 0)
		return because(-ENOSPC, "there is no guest memory below 640 KiB");
	*ret_entry = (struct boot_entry){
		.mode = BOOT_LINUX64,
		.pc = kernel->vmlinux.entry + kernel->delta,
		.arg = LAYOUT_BOOT_PARAMS,
		.scratch = LAYOUT_SCRATCH,
	};
	return 0;
}
