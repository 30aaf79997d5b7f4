/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing a disk image from a thread that may block: for copying disks. */
#ifndef IO_DISK_ACCESS_H
#define IO_DISK_ACCESS_H

#include <stddef.h>
#include <stdint.h>

struct disk_image;

/*
 * The image's own descriptor is used, which may bypass the page cache: so offset is a multiple of
 * DISK_DIRTY_BLOCK, len too unless the range ends where the disk does, and buf is aligned to
 * DISK_DIRTY_BLOCK. What is read while a guest writes may be old, new or a mixture: the dirty blocks
 * tell. Any thread; other ranges may be used at the same time. -errno with a text; -EIO: the image has
 * become shorter; -EINVAL: not inside the disk, or not aligned.
 */
int disk_image_read(const struct disk_image *image, uint64_t offset, void *buf, size_t len);
/* Marks nothing dirty. */
int disk_image_write(const struct disk_image *image, uint64_t offset, const void *buf, size_t len);
/* The range reads as zeros then: a hole where that can be, and what is one already is left alone. */
int disk_image_zero(const struct disk_image *image, uint64_t offset, uint64_t len);

/*
 * The next run that may hold something else than zeros, from *offset on: 1, and *offset is moved to
 * where it begins and *ret_len is its length; 0: there is no more; -errno. What is not told is zero,
 * unless it is written meanwhile. Where holes cannot be told all is data.
 */
int disk_image_next_data(const struct disk_image *image, uint64_t *offset, uint64_t *ret_len);

/* Brings to stable storage what was written. What fdatasync(2) says. */
int disk_image_sync(const struct disk_image *image);

#endif
