/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads kernels. A bzImage's kernel is unpacked where it will run, where that is possible: the
 * first segment, most of it, then is in place, and neither pages nor time go into a second copy.
 */
#include "boot/kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "boot/bzimage.h"
#include "boot/layout.h"
#include "boot/protocol.h"
#include "boot/reloc.h"
#include "boot/unpack.h"

/* Large pages map the kernel: Linux MIN_KERNEL_ALIGN. */
#define KERNEL_ALIGN_MIN (2 * MIB)

/* The program headers of a vmlinux follow its ELF header. */
#define HEAD_SIZE GUEST_PAGE_SIZE

/* Where a payload is unpacked in guest memory. */
struct spot {
	gpa_t gpa;     /* moved by delta already */
	uint64_t size; /* of the payload */
	uint64_t room; /* of the kernel in memory, and of the payload */
	uint8_t *hva;
};

static int check_room(const struct vmlinux *vmlinux, uint64_t delta, gpa_t limit)
{
	if (vmlinux->start < LAYOUT_HIGH)
		return because(-ENOSPC, "loads at %#" PRIx64 ", below 1 MiB, which is not free",
			       vmlinux->start);
	if (vmlinux->end > limit || delta > limit - vmlinux->end)
		return because(-ENOSPC,
			       "needs memory up to %#" PRIx64 ", but only memory below %#" PRIx64
			       " is free; give the guest more memory",
			       vmlinux->end + delta, limit);
	return 0;
}

static uint64_t kernel_align(const struct kernel *kernel)
{
	uint64_t align = kernel->header.kernel_alignment;

	if (align < KERNEL_ALIGN_MIN || !is_aligned(align, align & -align))
		return KERNEL_ALIGN_MIN;
	return align;
}

static bool may_move(const struct kernel *kernel, const struct kernel_room *room)
{
	return room->kaslr && kernel->header.relocatable_kernel && kernel->vmlinux.elf64;
}

/* After the segments, so that the table, which lies behind them, is read before it is cleared. */
static int relocate(const struct reloc_table *table, struct kernel *kernel, struct mem *mem)
{
	kernel->relocated = table->words > 0;
	if (!kernel->relocated || kernel->delta == 0)
		return 0;
	return reloc_apply(table, &kernel->vmlinux, mem, kernel->delta);
}

/* Whether the payload can be unpacked in place; the spot then is inside guest memory. */
static bool find_spot(const struct payload *payload, struct mem *mem,
		      const struct kernel_room *room, struct kernel *kernel, struct spot *ret_spot)
{
	const struct vmlinux_segment *first = kernel->vmlinux.segments;
	uint8_t head[HEAD_SIZE] = { 0 };
	struct image image;
	uint64_t base, end;

	image_init_memory(&image, head, sizeof(head));
	if (payload->size < sizeof(head) || payload_peek(payload, head, sizeof(head)) < 0 ||
	    vmlinux_parse(&image, payload->size, &kernel->vmlinux) < 0 ||
	    !vmlinux_sinks(&kernel->vmlinux) || first->paddr < first->offset + LAYOUT_HIGH)
		return false;
	base = first->paddr - first->offset;
	end = max_u64(kernel->vmlinux.end, base + payload->size);
	if (end > room->limit)
		return false;
	kernel->delta = may_move(kernel, room)
				? reloc_choose_delta(end, room->limit, kernel_align(kernel))
				: 0;
	*ret_spot = (struct spot){
		.gpa = base + kernel->delta,
		.size = payload->size,
		.room = end - base,
	};
	ret_spot->hva = mem_ptr_rw(mem, ret_spot->gpa, ret_spot->room);
	return ret_spot->hva;
}

/* What of the unpacked image is not part of a segment must be zero again: .bss may lie there. */
static void clear_rest(const struct spot *spot, const struct kernel *kernel)
{
	uint64_t at = 0, from, to;

	/* Segments rise in memory, since they sink. */
	for (size_t i = 0; i < kernel->vmlinux.segment_count; i++) {
		const struct vmlinux_segment *s = &kernel->vmlinux.segments[i];

		from = s->paddr + kernel->delta;
		to = from + s->file_size;
		if (to <= spot->gpa)
			continue;
		from = from > spot->gpa ? min_u64(from - spot->gpa, spot->size) : 0;
		if (from > at)
			memset(spot->hva + at, 0, from - at);
		at = max_u64(at, min_u64(to - spot->gpa, spot->size));
	}
	memset(spot->hva + at, 0, spot->size - at);
}

static int load_in_place(const struct payload *payload, const struct spot *spot, struct mem *mem,
			 const struct kernel_room *room, struct kernel *kernel)
{
	struct reloc_table table = { 0 };
	struct image image;
	int err;

	mem_populate(mem, spot->gpa, spot->room);
	err = payload_unpack(payload, spot->hva);
	if (err < 0)
		return err;
	image_init_memory(&image, spot->hva, spot->size);
	err = vmlinux_find_pvh(&image, &kernel->vmlinux);
	if (err == 0 && may_move(kernel, room))
		err = reloc_find(&image, &kernel->vmlinux, &table);
	/* A kernel that came without a table stays where it was linked, below where it was
	 * unpacked. */
	if (table.words == 0)
		kernel->delta = 0;
	if (err == 0)
		err = check_room(&kernel->vmlinux, kernel->delta, room->limit);
	if (err == 0)
		err = vmlinux_load(&image, &kernel->vmlinux, mem, kernel->delta);
	if (err == 0)
		err = relocate(&table, kernel, mem);
	if (err == 0)
		clear_rest(spot, kernel);
	return err;
}

static int load_by_copy(const struct payload *payload, struct mem *mem,
			const struct kernel_room *room, struct kernel *kernel)
{
	AUTO_SCRATCH struct scratch unpacked = { 0 };
	struct reloc_table table = { 0 };
	struct image image;
	int err;

	err = scratch_map(&unpacked, payload->size);
	if (err == 0)
		err = payload_unpack(payload, unpacked.data);
	if (err < 0)
		return err;
	image_init_memory(&image, unpacked.data, unpacked.size);
	err = vmlinux_parse(&image, image.size, &kernel->vmlinux);
	if (err == 0)
		err = vmlinux_find_pvh(&image, &kernel->vmlinux);
	if (err == 0 && may_move(kernel, room))
		err = reloc_find(&image, &kernel->vmlinux, &table);
	kernel->delta = table.words == 0 ? 0
					 : reloc_choose_delta(kernel->vmlinux.end, room->limit,
							      kernel_align(kernel));
	if (err == 0)
		err = check_room(&kernel->vmlinux, kernel->delta, room->limit);
	if (err == 0)
		err = vmlinux_load(&image, &kernel->vmlinux, mem, kernel->delta);
	return err < 0 ? err : relocate(&table, kernel, mem);
}

static int load_bzimage(const struct image *image, struct mem *mem, const struct kernel_room *room,
			struct kernel *kernel)
{
	AUTO_SCRATCH struct scratch packed = { 0 };
	struct bzimage bzimage;
	struct payload payload = { 0 };
	struct spot spot;
	int err;

	err = bzimage_parse(image, &bzimage);
	if (err < 0)
		return err;
	kernel->has_header = true;
	kernel->header = bzimage.header;
	err = scratch_map(&packed, bzimage.payload_size);
	if (err == 0)
		err = image_read(image, bzimage.payload_offset, packed.data, packed.size,
				 "the payload");
	if (err == 0)
		err = payload_identify(packed.data, packed.size, &payload);
	if (err < 0)
		return err;
	if (find_spot(&payload, mem, room, kernel, &spot))
		return load_in_place(&payload, &spot, mem, room, kernel);
	return load_by_copy(&payload, mem, room, kernel);
}

static int load_elf(const struct image *image, struct mem *mem, const struct kernel_room *room,
		    struct kernel *kernel)
{
	int err;

	err = vmlinux_parse(image, image->size, &kernel->vmlinux);
	if (err == 0)
		err = vmlinux_find_pvh(image, &kernel->vmlinux);
	if (err == 0 && !kernel->vmlinux.elf64 && !kernel->vmlinux.has_pvh)
		err = multiboot_find(image, &kernel->is_multiboot);
	if (err == 0)
		err = check_room(&kernel->vmlinux, 0, room->limit);
	return err < 0 ? err : vmlinux_load(image, &kernel->vmlinux, mem, 0);
}

/* Files that people give by mistake, by their first bytes. */
static const struct {
	uint16_t offset;
	uint8_t size;
	const char *magic;
	const char *what;
} foreign[] = {
	{ 0x38, 4, "ARM\x64", "is an arm64 kernel (Image); this machine is x86_64" },
	{ 4, 4, "zimg", "is an EFI-compressed kernel for another machine" },
	{ 0, 6, "070701", "is a cpio archive: an initrd, not a kernel" },
	{ 0, 2, "\x1f\x8b",
	  "is gzip-compressed: an initrd, or a kernel to unpack with gunzip first" },
	{ 0, 4, "\x28\xb5\x2f\xfd", "is zstd-compressed: an initrd, or a kernel to unpack first" },
	{ 0, 6,
	  "\xfd"
	  "7zXZ\0",
	  "is xz-compressed: an initrd, or a kernel to unpack first" },
	{ 0, 4, "\x02\x21\x4c\x18", "is lz4-compressed: an initrd, or a kernel to unpack first" },
	{ 0, 4, "\x27\x05\x19\x56", "is a U-Boot image, not a kernel for x86_64" },
	{ 0, 4, "\xd0\x0d\xfe\xed", "is a device tree, not a kernel" },
	{ 0, 4, "QFI\xfb", "is a qcow2 disk image, not a kernel" },
	{ 0, 2, "MZ", "is an EFI program without a Linux header, or a bzImage cut short" },
};

static int load_foreign(const struct image *image)
{
	uint8_t head[64] = { 0 };
	int err;

	err = image_read(image, 0, head, min_u64(sizeof(head), image->size), "the file");
	if (err < 0)
		return err;
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		if (memcmp(head + foreign[i].offset, foreign[i].magic, foreign[i].size) == 0)
			return because(-ENOEXEC, "%s", foreign[i].what);
	return because(-ENOEXEC, "is not a kernel: neither a bzImage nor an ELF file");
}

int kernel_load(const struct image *image, struct mem *mem, const struct kernel_room *room,
		struct kernel *ret_kernel)
{
	struct kernel kernel = { 0 };
	int err;

	if (bzimage_is(image))
		err = load_bzimage(image, mem, room, &kernel);
	else if (vmlinux_is(image))
		err = load_elf(image, mem, room, &kernel);
	else
		err = load_foreign(image);
	if (err == 0)
		*ret_kernel = kernel;
	return err;
}
