/* SPDX-License-Identifier: Apache-2.0 */
/* Initial RAM disks made of what is at hand: a directory, a tarball, a command to run. */
#ifndef SMOKE_OVERLAY_H
#define SMOKE_OVERLAY_H

#include <stdbool.h>

/* A root file system. fd: an archive (smoke/cpio.h) in memory that ends with the descriptor. */
struct smoke_root {
	int fd;
	bool has_init; /* /init, which the kernel runs if it is not told otherwise */
};

/* All return -errno with a text. */

/* All of a directory, as root's. Sockets are left out. */
int smoke_overlay_directory(const char *path, struct smoke_root *ret_root);
/*
 * All of a tarball, compressed or not, such as `docker export` writes: owners and links are kept,
 * whiteouts are left out. -EINVAL: it is no tarball, or an image of layers; -ENOENT: libarchive is
 * missing.
 */
int smoke_overlay_tarball(const char *path, struct smoke_root *ret_root);
/* /ferry/init, for rdinit=, which runs command; NULL: what it is told on the console (init.h). */
int smoke_overlay_command(const char *command, int *ret_fd);

#endif
