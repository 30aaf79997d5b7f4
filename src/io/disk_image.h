/* SPDX-License-Identifier: Apache-2.0 */
/* A disk image: a file or a block device, opened, measured and locked. */
#ifndef IO_DISK_IMAGE_H
#define IO_DISK_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "io/disk_dirty.h"
#include "io/disk_overlay.h"

struct disk_image {
	int fd;
	uint64_t size; /* bytes, a multiple of 512 */
	uint32_t
		block_size; /* smallest unit that can be asked for: 512, more for some direct I/O */
	uint32_t physical_size; /* unit that the host writes well */
	uint32_t buffer_align;	/* of addresses and lengths of buffers; 1 without direct I/O */
	struct disk_dirty dirty; /* who writes to fd marks */
	struct disk_overlay overlay; /* fd is the overlay's, and locks are, where there is one */
};

#define DISK_IMAGE_SECTOR 512

/*
 * Opens path; it is not locked.
 *   -EINVAL  not a file or a block device; empty; not a multiple of 512 bytes long; or direct I/O
 *            is not to be had for it
 * and what open(2) says; each with a text that names the file and what can be done. On failure the
 * image is as disk_image_finish() leaves it.
 */
int disk_image_init(struct disk_image *image, const char *path, bool readonly, bool direct);
/*
 * A disk that begins as path, which is locked against writers and never written; what is written goes
 * to the file overlay, which is made if there is none, and is not for anything but this. The same
 * errors; -EINVAL: overlay is one of another disk.
 */
int disk_image_init_overlay(struct disk_image *image, const char *path, const char *overlay);
void disk_image_finish(struct disk_image *image);

/*
 * Locks a writable image against everybody, a read-only one against writers (fcntl(2), open file
 * description locks); file systems without locks are trusted. -EBUSY, with a text that names path:
 * another process uses it. Repeating either of the two changes nothing. Any thread.
 */
int disk_image_lock(const struct disk_image *image, const char *path, bool readonly);
void disk_image_unlock(const struct disk_image *image);

#endif
