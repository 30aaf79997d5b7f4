/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a kernel, its initrds and its command line into guest memory. */
#include "boot/boot.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "boot/image.h"
#include "boot/initrd.h"
#include "boot/kernel.h"
#include "boot/layout.h"
#include "boot/protocol.h"

/* boot_params and the module list hold 32-bit addresses of initrds. */
#define LOW_MAX (4 * GIB)

#define E820_RAM 1

#define LINUX_STRUCT_PAGE 64
#define LINUX_CPU_AREAS   (4 * MIB)

/* The end of the RAM that begins at or below 1 MiB: kernel and initrd lie below. */
static gpa_t low_top(const struct boot_options *options)
{
	gpa_t top = min_u64(options->low_end, LOW_MAX);

	for (size_t i = 0; i < options->range_count; i++) {
		const struct boot_range *range = &options->ranges[i];

		if (range->type == E820_RAM && range->gpa <= LAYOUT_HIGH &&
		    range->size > LAYOUT_HIGH - range->gpa)
			top = min_u64(top, range->gpa + range->size);
	}
	return top;
}

/* The decompressor, which does not run here, would obey it. */
static bool asks_nokaslr(const char *cmdline)
{
	static const char word[] = "nokaslr";
	const char *at = cmdline;

	while ((at = strstr(at, word))) {
		char after = at[sizeof(word) - 1];

		if ((at == cmdline || at[-1] == ' ') && (after == ' ' || after == '\0'))
			return true;
		at += sizeof(word) - 1;
	}
	return false;
}

static int write_cmdline(struct mem *mem, const char *cmdline, const struct kernel *kernel)
{
	uint64_t len = strlen(cmdline), max = LAYOUT_CMDLINE_SIZE - 1;

	if (kernel->has_header && kernel->header.cmdline_size)
		max = min_u64(max, kernel->header.cmdline_size);
	if (len > max)
		return because(-E2BIG,
			       "the command line has %" PRIu64 " bytes; this kernel takes %" PRIu64,
			       len, max);
	if (mem_write(mem, LAYOUT_CMDLINE, cmdline, len + 1) < 0)
		return because(-ENOSPC, "there is no guest memory below 640 KiB");
	return 0;
}

static bool enters_by_pvh(const struct boot_options *options, const struct kernel *kernel)
{
	if (options->flat && !kernel->vmlinux.elf64 && kernel->vmlinux.has_entry)
		return true;
	return kernel->vmlinux.has_pvh && !(options->no_pvh && kernel->has_header);
}

static int load_kernel(struct mem *mem, const struct boot_options *options,
		       const struct initrd *initrd, gpa_t top, struct boot_entry *ret_entry,
		       bool *ret_is_linux)
{
	struct kernel_room room = {
		.limit = initrd->size ? initrd->gpa : top,
		.kaslr = options->kaslr && !asks_nokaslr(options->cmdline),
	};
	struct kernel kernel;
	struct image image;
	int err;

	err = image_open(&image, options->kernel);
	if (err < 0)
		return err;
	err = kernel_load(&image, mem, &room, &kernel);
	image_finish(&image);
	if (err == 0)
		err = write_cmdline(mem, options->cmdline, &kernel);
	if (err < 0)
		return err;
	*ret_is_linux = kernel.has_header;
	if (kernel.is_multiboot)
		return multiboot_write(mem, options, initrd, &kernel, ret_entry);
	return enters_by_pvh(options, &kernel)
		       ? pvh_write(mem, options, initrd, &kernel, ret_entry)
		       : linux64_write(mem, options, initrd, &kernel, ret_entry);
}

/*
 * At boot Linux writes 64 bytes for every page of memory (struct page), and the areas of its CPUs,
 * as high in memory as there is room: below the initrd, or at the end of the memory above 4 GiB.
 */
static void populate_for_linux(struct mem *mem, const struct boot_options *options, gpa_t top,
			       const struct initrd *initrd)
{
	gpa_t end = initrd->size ? initrd->gpa : top;
	uint64_t total = 0, size;

	for (size_t i = 0; i < options->range_count; i++) {
		const struct boot_range *range = &options->ranges[i];

		if (range->type != E820_RAM)
			continue;
		total += range->size;
		if (range->gpa > top)
			end = range->gpa + range->size;
	}
	size = total / (GUEST_PAGE_SIZE / LINUX_STRUCT_PAGE) + LINUX_CPU_AREAS;
	if (size < end - LAYOUT_HIGH)
		mem_populate(mem, end - size, size);
}

int boot_load(struct mem *mem, const struct boot_options *options, struct boot_entry *ret_entry)
{
	gpa_t top = low_top(options);
	struct initrd initrd;
	bool is_linux = false;
	int err;

	error_clear();
	if (options->range_count > LAYOUT_MEMMAP_MAX)
		return because(-EINVAL, "a memory map of %zu lines; the protocols take %lu",
			       options->range_count, LAYOUT_MEMMAP_MAX);
	err = initrd_init(&initrd, options->initrds, options->initrd_count);
	if (err < 0)
		return err;
	err = initrd_place(&initrd, LAYOUT_HIGH, top);
	if (err == 0) {
		err = load_kernel(mem, options, &initrd, top, ret_entry, &is_linux);
		if (err < 0)
			because_of(err, "kernel %s", options->kernel);
	}
	if (err == 0)
		err = initrd_load(&initrd, mem);
	if (err == 0 && is_linux)
		populate_for_linux(mem, options, top, &initrd);
	initrd_finish(&initrd);
	return err;
}
