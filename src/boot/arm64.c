/* SPDX-License-Identifier: Apache-2.0 */
/* Puts an arm64 kernel, its initrds and its device tree into guest memory. */
#include "boot/arm64.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <ferry/error.h>
#include <abi/arm64_image.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "boot/image.h"
#include "boot/initrd.h"
#include "boot/unpack.h"

/*
 * booting.rst: kernel and initrd lie within 32 GiB of each other, and the Image begins text_offset
 * behind a multiple of 2 MiB.
 */
#define REACH	     (32 * GIB)
#define KERNEL_ALIGN (2 * MIB)

/* arch/arm64/include/uapi/asm/setup.h: COMMAND_LINE_SIZE, with its NUL */
#define CMDLINE_MAX 2047

static int check_header(const struct arm64_image_header *header)
{
	if (header->magic != ARM64_IMAGE_MAGIC)
		return because(-ENOEXEC, "is no arm64 kernel (Image)");
	if (header->flags & ARM64_IMAGE_BIG_ENDIAN)
		return because(-ENOEXEC, "is a big-endian kernel");
	return 0;
}

/* Where it goes; *ret_end is the end of all that it takes. */
static int place(const struct arm64_image_header *header, uint64_t file_size, gpa_t base, gpa_t limit,
		 gpa_t *ret_gpa, gpa_t *ret_end)
{
	uint64_t offset = header->image_size ? header->text_offset : ARM64_IMAGE_OLD_OFFSET;
	uint64_t size = max_u64(header->image_size, file_size);

	if (!is_aligned(base, KERNEL_ALIGN))
		return because(-EINVAL, "memory does not begin at a multiple of 2 MiB");
	if (offset > limit - base || size > limit - base - offset)
		return because(-ENOSPC,
			       "needs %llu KiB of memory, and there are %llu"
			       " KiB; give the guest more memory",
			       size / KIB, (limit - base) / KIB);
	*ret_gpa = base + offset;
	*ret_end = *ret_gpa + size;
	return 0;
}

static int load_image(const struct image *image, struct mem *mem, gpa_t base, gpa_t limit,
		      gpa_t *ret_entry, gpa_t *ret_end)
{
	struct arm64_image_header header;
	void *to;
	int err = image_read(image, 0, &header, sizeof(header), "its header");

	if (err == 0)
		err = check_header(&header);
	if (err == 0)
		err = place(&header, image->size, base, limit, ret_entry, ret_end);
	if (err < 0)
		return err;
	to = mem_ptr_rw(mem, *ret_entry, image->size);
	if (!to)
		return because(-ENOSPC, "does not fit into guest memory");
	return image_read(image, 0, to, image->size, "the kernel");
}

/* [offset, offset + size) of the file is compressed, and followed by its size if it is not gzip's. */
static int load_packed(const struct image *image, uint64_t offset, uint64_t size, struct mem *mem,
		       gpa_t base, gpa_t limit, gpa_t *ret_entry, gpa_t *ret_end)
{
	AUTO_SCRATCH struct scratch packed = { 0 };
	AUTO_SCRATCH struct scratch unpacked = { 0 };
	struct payload payload;
	struct image inner;
	int err = scratch_map(&packed, size);

	if (err == 0)
		err = image_read(image, offset, packed.data, size, "the payload");
	if (err == 0)
		err = payload_identify(packed.data, size, &payload);
	if (err == 0)
		err = scratch_map(&unpacked, payload.size);
	if (err == 0)
		err = payload_unpack(&payload, unpacked.data);
	if (err < 0)
		return err;
	image_init_memory(&inner, unpacked.data, unpacked.size);
	return load_image(&inner, mem, base, limit, ret_entry, ret_end);
}

static int load_zboot(const struct image *image, const struct efi_zboot_header *header,
		      struct mem *mem, gpa_t base, gpa_t limit, gpa_t *ret_entry, gpa_t *ret_end)
{
	bool is_gzip = strncmp(header->compression, "gzip", sizeof(header->compression)) == 0;
	uint64_t size = (uint64_t)header->payload_size + (is_gzip ? 0 : sizeof(uint32_t));

	if (!range_inside(header->payload_offset, size, image->size) || size > PAYLOAD_SIZE_MAX)
		return because(-ENOEXEC, "damaged: its payload lies outside of the file");
	return load_packed(image, header->payload_offset, size, mem, base, limit, ret_entry, ret_end);
}

static int load_any(const struct image *image, struct mem *mem, gpa_t base, gpa_t limit,
		    gpa_t *ret_entry, gpa_t *ret_end)
{
	struct efi_zboot_header header;
	int err = image_read(image, 0, &header, sizeof(header), "its header");

	if (err < 0)
		return err;
	if (header.magic == EFI_ZBOOT_MAGIC)
		return load_zboot(image, &header, mem, base, limit, ret_entry, ret_end);
	if (header.mz[0] == 0x1f && header.mz[1] == 0x8b && image->size <= PAYLOAD_SIZE_MAX)
		return load_packed(image, 0, image->size, mem, base, limit, ret_entry, ret_end);
	return load_image(image, mem, base, limit, ret_entry, ret_end);
}

static int load_kernel(struct mem *mem, const struct arm64_boot_options *options, gpa_t limit,
		       gpa_t *ret_entry, gpa_t *ret_end)
{
	struct image image;
	int err = image_open(&image, options->kernel);

	if (err == 0) {
		err = load_any(&image, mem, options->fdt.ram.base, limit, ret_entry, ret_end);
		image_finish(&image);
	}
	return err < 0 ? because_of(err, "kernel %s", options->kernel) : 0;
}

static void seed(struct fdt_options *fdt, bool kaslr)
{
	(void)!getrandom(fdt->rng_seed, sizeof(fdt->rng_seed), 0);
	if (kaslr)
		(void)!getrandom(&fdt->kaslr_seed, sizeof(fdt->kaslr_seed), 0);
}

/* The tree's size does not depend on where the initrd will be. */
static int write_tree(struct mem *mem, const struct arm64_boot_options *options,
		      struct initrd *initrd, gpa_t bottom, gpa_t top, gpa_t *ret_fdt)
{
	struct fdt_options fdt = options->fdt;
	AUTO_FREE void *blob = NULL;
	size_t size = 0;
	int err;

	seed(&fdt, options->kaslr);
	fdt.initrd = (struct fdt_window){ fdt.ram.base, initrd->size };
	err = fdt_build(&fdt, &blob, &size);
	if (err < 0)
		return err;
	if (top - bottom < size)
		return because(-ENOSPC, "there is no guest memory left for the device tree");
	*ret_fdt = align_down(top - size, GUEST_PAGE_SIZE);
	err = initrd_place(initrd, bottom, *ret_fdt);
	if (err < 0)
		return err;
	fdt.initrd.base = initrd->gpa;
	free(blob);
	blob = NULL;
	err = fdt_build(&fdt, &blob, &size);
	return err < 0 ? err : mem_write(mem, *ret_fdt, blob, size);
}

int arm64_boot_load(struct mem *mem, const struct arm64_boot_options *options,
		    struct boot_entry *ret_entry)
{
	gpa_t base = options->fdt.ram.base, entry = 0, fdt = 0, end = 0;
	gpa_t top = base + min_u64(options->fdt.ram.size, REACH - base % GIB);
	struct initrd initrd;
	int err;

	error_clear();
	if (strlen(options->fdt.cmdline) > CMDLINE_MAX)
		return because(-E2BIG, "the command line has %zu bytes; kernels take %u",
			       strlen(options->fdt.cmdline), CMDLINE_MAX);
	err = initrd_init(&initrd, options->initrds, options->initrd_count);
	if (err < 0)
		return err;
	err = load_kernel(mem, options, top, &entry, &end);
	if (err == 0)
		err = write_tree(mem, options, &initrd, end, top, &fdt);
	if (err == 0)
		err = initrd_load(&initrd, mem);
	initrd_finish(&initrd);
	if (err == 0)
		*ret_entry = (struct boot_entry){ .mode = BOOT_LINUX_A64, .pc = entry, .arg = fdt };
	return err;
}
