/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-blk (virtio 1.2, 5.2) on a file or a block device. */
#ifndef DEV_VIRTIO_BLK_H
#define DEV_VIRTIO_BLK_H

#include <stdbool.h>

struct vm;
struct pci_host;
struct virtio_device;
struct blk;
struct disk_image;

#define BLK_QUEUES_MAX 16

struct blk_options {
	const char *id; /* "disk0": for messages */
	const char *path;
	const char *overlay; /* where writes go; NULL: into the image */
	bool readonly;
	bool direct;	    /* past the host's page cache */
	unsigned queues;    /* 0: one per vCPU, at most BLK_QUEUES_MAX */
	const char *serial; /* at most 20 bytes; NULL: none */
	bool unlocked;	    /* a writable image: until blk_lock() */
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

/* The image, for who copies it while the guest goes on; the blk's. Every write is marked dirty. */
struct disk_image *blk_image(struct blk *blk);

/*
 * The lock of a writable image, for handing the disk over to another process and back; a read-only
 * one keeps its own. -EBUSY: another process has it. Any thread.
 */
int blk_lock(struct blk *blk);
void blk_unlock(struct blk *blk);

/*
 * Brings what was written to stable storage: calls done(arg, id, res) then, id as in the options, res
 * 0 or -errno of fdatasync(2); at once for a read-only image. One at a time. Loop thread.
 */
void blk_flush(struct blk *blk, void (*done)(void *arg, const char *id, int res), void *arg);

#endif
