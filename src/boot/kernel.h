/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel on its way from a file into guest memory. */
#ifndef BOOT_KERNEL_H
#define BOOT_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include <abi/bootparams.h>

#include "boot/image.h"
#include "boot/vmlinux.h"
#include "mem/mem.h"

struct kernel {
	bool has_header;
	struct linux_setup_header header; /* of the bzImage it came in */
	struct vmlinux vmlinux;
	bool is_multiboot; /* an ELF32 file with that header and no PVH note */
	bool relocated; /* KASLR took place, whatever delta it chose */
	uint64_t delta; /* to add to every address in vmlinux */
};

struct kernel_room {
	gpa_t limit; /* the kernel ends below it */
	bool kaslr;  /* move it at random, when it can be moved */
};

/*
 * Loads a bzImage or an ELF kernel into fresh (zero) memory between LAYOUT_HIGH and room->limit.
 * Errors as boot_load() has them, without the path in the text.
 */
int kernel_load(const struct image *image, struct mem *mem, const struct kernel_room *room,
		struct kernel *ret_kernel);

#endif
