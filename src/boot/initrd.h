/* SPDX-License-Identifier: Apache-2.0 */
/* Initial RAM disks: several files, one after the other, at the top of low memory. */
#ifndef BOOT_INITRD_H
#define BOOT_INITRD_H

#include <stddef.h>
#include <stdint.h>

#include "boot/image.h"
#include "mem/mem.h"

/* The files stay open from the look at their sizes to the reading, so that both are of one file. */
struct initrd {
	struct image *images;
	const char *const *paths; /* not owned */
	size_t count;
	gpa_t gpa;
	uint64_t size; /* 0: there is none */
};

/* Opens the files and sums up their sizes. Error texts begin with the path. */
int initrd_init(struct initrd *initrd, const char *const *paths, size_t count);
void initrd_finish(struct initrd *initrd);

/* Chooses the highest page below top, and not below bottom. -ENOSPC. */
int initrd_place(struct initrd *initrd, gpa_t bottom, gpa_t top);

/* Reads them to where they were placed; the padding is zero already, as fresh memory is. */
int initrd_load(const struct initrd *initrd, struct mem *mem);

#endif
