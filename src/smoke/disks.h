/* SPDX-License-Identifier: Apache-2.0 */
/* The disks of tests: what a guest writes is its own, and is gone with it. */
#ifndef SMOKE_DISKS_H
#define SMOKE_DISKS_H

#include <stdbool.h>
#include <stddef.h>

#include "smoke/words.h"

struct smoke_disk {
	char *value; /* of --disk */
	bool is_overlaid;
};

struct smoke_disks {
	struct smoke_disk *all;
	size_t count;
};

/* -ENOMEM. */
int smoke_disks_add(struct smoke_disks *disks, const char *value, bool is_overlaid);
void smoke_disks_finish(struct smoke_disks *disks);

/* What one guest writes: a file without a name for each of its disks; -1: the disk needs none. */
struct smoke_overlays {
	int *fds;
	size_t count;
};

/* Empty ones, or copies of from's (NULL: none). In $TMPDIR, else in /var/tmp. -errno with a text. */
int smoke_overlays_make(struct smoke_overlays *overlays, const struct smoke_disks *disks,
			const struct smoke_overlays *from);
void smoke_overlays_finish(struct smoke_overlays *overlays);
/* --disk for each, of a `ferry run` that this process starts. */
void smoke_overlays_words(const struct smoke_overlays *overlays, const struct smoke_disks *disks,
			  struct smoke_words *words);

/* Whether the file is a qcow2 image. What cannot be read is none. */
bool smoke_disk_is_qcow2(const char *path);
/*
 * Has qemu-img read it into a raw file without a name. -ENOENT: qemu-img is missing, and the text
 * says where it is from; -EIO: it failed, and has said why; and other -errno with a text.
 */
int smoke_disk_convert(const char *path, int *ret_fd);

#endif
