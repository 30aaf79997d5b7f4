/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes an initial RAM disk into a file in memory: cpio's newc format
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 */
#ifndef SMOKE_CPIO_H
#define SMOKE_CPIO_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* What an entry is. Two with the same number and more than one link are one file with two names. */
struct cpio_entry {
	const char *name;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	uint32_t number; /* cpio_number() */
	uint32_t links;
	uint64_t size;
	dev_t device; /* of a device node */
};

struct cpio {
	FILE *file;
	int fd;
	uint32_t last_number;
	uint64_t size;
};

/* -errno with a text; then cpio_finish() need not be called. */
int cpio_init(struct cpio *cpio);
/*
 * err: what the writing ended with until now. 0: *ret_fd is the archive, above the standard
 * descriptors. Else that error, or that there was no room.
 */
int cpio_finish(struct cpio *cpio, int err, int *ret_fd);

/* One that no entry has. */
uint32_t cpio_number(struct cpio *cpio);
/* The header; its content follows by cpio_put(), and cpio_pad(). */
void cpio_begin(struct cpio *cpio, const struct cpio_entry *entry);
void cpio_put(struct cpio *cpio, const void *data, size_t len);
void cpio_pad(struct cpio *cpio);
/* All of it, root's. */
void cpio_add(struct cpio *cpio, const char *name, mode_t mode, const void *data, size_t size);
/* /dev/console: the kernel opens it before it runs anything. */
void cpio_add_console(struct cpio *cpio);

#endif
