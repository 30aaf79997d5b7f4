/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-blk (virtio 1.2, 5.2) on a file or a block device. */
#ifndef DEV_VIRTIO_BLK_H
#define DEV_VIRTIO_BLK_H

#include <stdbool.h>

struct vm;
struct pci_host;
struct virtio_device;
struct blk;
struct disk;

#define BLK_QUEUES_MAX 16

struct blk_options {
	const char *id; /* "disk0": for messages */
	const char *path;
	const char *overlay; /* where writes go; NULL: into the image */
	bool readonly;
	bool direct;	    /* past the host's page cache */
	unsigned queues;    /* 0: one per vCPU, at most BLK_QUEUES_MAX */
	const char *serial; /* at most 20 bytes; NULL: none */
	bool unlocked;	    /* a writable image: until disk_lock() */
};

/*
 * Opens the image and makes the device. -EINVAL: too many queues, too long a serial, and the
 * image's errors (io/disk_image.h); -errno of virtio_device_create().
 */
int blk_create(struct vm *vm, struct pci_host *host, const struct blk_options *options,
	       struct blk **ret_blk);
/* On the loop's thread (or when it does not run), the vCPUs stopped. NULL is fine. */
void blk_destroy(struct blk *blk);

/* For quiesce and resume. */
struct virtio_device *blk_device(struct blk *blk);

/* What it serves the guest from; the blk's. Every write is marked dirty in its image. */
struct disk *blk_disk(struct blk *blk);

#endif
