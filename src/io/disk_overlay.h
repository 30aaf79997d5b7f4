/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk of two files: what was never written is the base's, and the base is never written. The other
 * file is as large as the disk, sparse, and behind the disk's end has a bit for each sector: it was
 * written, and so it is here.
 */
#ifndef IO_DISK_OVERLAY_H
#define IO_DISK_OVERLAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* bits is NULL: the disk is one file. */
struct disk_overlay {
	int base;		/* descriptor; -1: none */
	_Atomic uint64_t *bits; /* mapped from the file; bit n of word n / 64 is sector n's */
	uint64_t size;		/* of the disk */
};

#define DISK_OVERLAY_NONE { .base = -1 }

/*
 * Begins with what fd has, or makes an empty file an overlay of base, which has size bytes. Takes base,
 * also when it fails. -EINVAL with a text that names path: the file is no overlay of such a disk; and
 * what ftruncate(2) and mmap(2) say.
 */
int disk_overlay_init(struct disk_overlay *overlay, int base, uint64_t size, int fd,
		      const char *path);
void disk_overlay_finish(struct disk_overlay *overlay);

/*
 * How many of len bytes from offset on are in the same file: *ret_written, the overlay. offset is a
 * multiple of a sector's bytes, and len at least that. Any thread.
 */
uint64_t disk_overlay_run(const struct disk_overlay *overlay, uint64_t offset, uint64_t len,
			  bool *ret_written);

/* These bytes are the overlay's from here on. AFTER they have been written. Any thread. */
void disk_overlay_mark(const struct disk_overlay *overlay, uint64_t offset, uint64_t len);

#endif
