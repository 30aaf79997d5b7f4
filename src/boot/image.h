/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a kernel image, in a file or in memory, read with bounds checks. */
#ifndef BOOT_IMAGE_H
#define BOOT_IMAGE_H

#include <stddef.h>
#include <stdint.h>

struct image {
	int fd;		     /* -1: the bytes are at data */
	const uint8_t *data; /* not owned */
	uint64_t size;
};

/*
 * Opens a regular, non-empty file. -EISDIR, -EINVAL (neither file nor directory), -ENOEXEC (empty),
 * or what open(2) says; the text says which, without the path.
 */
int image_open(struct image *image, const char *path);
void image_init_memory(struct image *image, const void *data, uint64_t size);
/* A zeroed image is not a closed one: image_init_memory() or image_open() came first. */
void image_finish(struct image *image);

/*
 * Copies [offset, offset + len) to buf, which may be where the bytes already are, or overlap it.
 * what names the part for the message. -ENOEXEC: the image ends before; -EIO and others by read(2).
 */
int image_read(const struct image *image, uint64_t offset, void *buf, uint64_t len,
	       const char *what);

/* Large memory for a moment, given back to the host at once. A zeroed scratch is an empty one. */
struct scratch {
	uint8_t *data;
	size_t size;
};

/* -ENOMEM */
int scratch_map(struct scratch *scratch, uint64_t size);
void scratch_unmap(struct scratch *scratch);

#define AUTO_SCRATCH __attribute__((cleanup(scratch_unmap)))

/* Reads exactly len bytes at offset. 0 at once when len is; -ENODATA when the file ends before. */
int read_exactly(int fd, uint64_t offset, void *buf, uint64_t len);

#endif
