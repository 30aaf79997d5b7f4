/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of arm64 kernels. */
#ifndef ABI_ARM64_IMAGE_H
#define ABI_ARM64_IMAGE_H

#include <abi/abi.h>

#define ARM64_IMAGE_MAGIC 0x644d5241 /* "ARM\x64" */

#define ARM64_IMAGE_BIG_ENDIAN 0x1 /* flags */

/* Linux Documentation/arch/arm64/booting.rst, 4 */
struct arm64_image_header {
	uint32_t code0, code1;
	uint64_t text_offset; /* from a 2 MiB boundary */
	uint64_t image_size;  /* in memory; 0: an old kernel that does not say */
	uint64_t flags;
	uint64_t res2, res3, res4;
	uint32_t magic;
	uint32_t res5;
};
ABI_SIZE(struct arm64_image_header, 64);
ABI_OFFSET(struct arm64_image_header, magic, 56);

/* text_offset of kernels whose image_size is 0 */
#define ARM64_IMAGE_OLD_OFFSET 0x80000

#define EFI_ZBOOT_MAGIC 0x676d697a /* "zimg" */

/* Linux drivers/firmware/efi/libstub/zboot-header.S */
struct efi_zboot_header {
	uint8_t mz[4];
	uint32_t magic;
	uint32_t payload_offset;
	uint32_t payload_size; /* without the unpacked size that follows, except with gzip */
	uint32_t reserved[2];
	char compression[32]; /* a name, with its NUL */
};
ABI_SIZE(struct efi_zboot_header, 56);
ABI_OFFSET(struct efi_zboot_header, compression, 24);

#endif
