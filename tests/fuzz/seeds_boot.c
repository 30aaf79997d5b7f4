/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for fuzz_boot.c to begin with: one of each kind. */
#include "fuzz/seeds.h"

#include "boot/images.h"

/* The first byte is flags. */
static void make_boot_seed(const char *dir, const char *name, struct bytes image)
{
	struct bytes seed = bytes_make(image.size + 1);

	seed.data[0] = 1;
	memcpy(seed.data + 1, image.data, image.size);
	write_bytes(dir, "boot", name, seed.data, seed.size);
	free(seed.data);
	free(image.data);
}

void make_boot_seeds(const char *dir)
{
	static const char *const names[PACKINGS] = {
		[PACK_ZSTD] = "zstd", [PACK_LZ4] = "lz4",   [PACK_XZ] = "xz",
		[PACK_LZMA] = "lzma", [PACK_GZIP] = "gzip", [PACK_NONE] = "none",
	};

	make_boot_seed(dir, "vmlinux", make_vmlinux(true));
	make_boot_seed(dir, "vmlinux64", make_vmlinux(false));
	make_boot_seed(dir, "elf32", make_elf32(true));
	for (int packing = 0; packing < PACKINGS; packing++) {
		struct bytes elf = make_vmlinux(true), payload = pack(&elf, (enum packing)packing);

		make_boot_seed(dir, names[packing], make_bzimage(&payload));
		free(elf.data);
		free(payload.data);
	}
}
