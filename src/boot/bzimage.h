/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a bzImage: where its payload lies and what the kernel says about itself. */
#ifndef BOOT_BZIMAGE_H
#define BOOT_BZIMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <abi/bootparams.h>

#include "boot/image.h"

struct bzimage {
	struct linux_setup_header
		header;		 /* what a newer kernel's header holds beyond it is left out */
	uint64_t payload_offset; /* in the file */
	uint64_t payload_size;
};

/* Whether the image says that it is one; nothing else of it is checked. */
bool bzimage_is(const struct image *image);

/*
 * Linux Documentation/arch/x86/boot.rst. -ENOEXEC: truncated, older than protocol 2.08 (which has
 * no payload fields), a zImage, or a payload outside the file.
 */
int bzimage_parse(const struct image *image, struct bzimage *ret_bzimage);

#endif
