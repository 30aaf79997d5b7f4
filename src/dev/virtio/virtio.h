/* SPDX-License-Identifier: Apache-2.0 */
/* A virtio 1.2 device as its author sees it: features, configuration, queues. */
#ifndef DEV_VIRTIO_VIRTIO_H
#define DEV_VIRTIO_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "io/iov.h"
#include "reg/reg_file.h"

struct vm;
struct pci_host;
struct virtio_device;
struct virtqueue;

/*
 * What a device type supplies. All of it is called on the loop's thread, except config_read and
 * config_write, which are called on vCPU threads with the device's lock held.
 */
struct virtio_ops {
	const char *name;   /* "virtio-blk" */
	uint16_t type;      /* virtio 1.2 section 5 */
	uint32_t pci_class; /* 24 bits */
	/* DRIVER_OK: the accepted features are in virtio_device_features(). May be NULL. */
	void (*start)(void *self);
	/* The driver notified queue q (or the device was resumed: look at every queue again). */
	void (*notify)(void *self, unsigned q);
	/*
	 * The driver resets the device. Requests under way must be ended or drained, nothing of the
	 * queues may be touched afterwards; virtio_device_reset_done() says when that is so, at once
	 * or later.
	 */
	void (*reset)(void *self);
	/* Device-specific configuration space; offset and len lie inside config_size. */
	void (*config_read)(void *self, uint32_t offset, void *data, unsigned len);
	void (*config_write)(void *self, uint32_t offset, const void *data, unsigned len);
	/*
	 * The VM is about to be saved (pci_host_quiesce()): finish what is under way or make it repeatable, then call
	 * virtio_device_quiesced(). NULL: nothing is ever under way.
	 */
	void (*quiesce)(void *self);
};

struct virtio_options {
	const struct virtio_ops *ops;
	void *self;
	const char *id;       /* "disk0": for messages; copied */
	uint64_t features;    /* offered by the device type; VERSION_1, INDIRECT_DESC, EVENT_IDX, … are added */
	uint16_t queues;      /* up to 254 */
	uint16_t queue_size;  /* maximum; a power of two up to 1024 */
	uint32_t config_size; /* bytes, up to 4096 */
};

/* Makes the device and its PCI function; -errno of its parts. */
int virtio_device_create(struct vm *vm, struct pci_host *host, const struct virtio_options *options,
			 struct virtio_device **ret_device);
/* The VM has stopped and nothing of the device type's is under way. NULL is fine. */
void virtio_device_destroy(struct virtio_device *device);

/* Features that the driver accepted (0 before FEATURES_OK). */
uint64_t virtio_device_features(const struct virtio_device *device);
struct virtqueue *virtio_device_queue(struct virtio_device *device, unsigned q);
void virtio_device_reset_done(struct virtio_device *device);
void virtio_device_quiesced(struct virtio_device *device);
/* Tells the driver that the configuration space changed. Loop thread. */
void virtio_device_config_changed(struct virtio_device *device);
/*
 * The same around the change itself, for configuration of more than one word: between the two the
 * device's lock is held, so the driver sees all of it or none. Loop thread.
 */
void virtio_device_config_begin(struct virtio_device *device);
void virtio_device_config_end(struct virtio_device *device);
/*
 * The guest broke the protocol: sets DEVICE_NEEDS_RESET, logs why once, and stops serving the
 * queues until the driver resets the device. Loop thread.
 */
void virtio_device_broken(struct virtio_device *device, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * A descriptor chain: the device-readable part, then the device-writable part. The iovecs point
 * into guest memory, which the guest may change at any time: copy headers in, then validate.
 */
#define VIRTQ_IOV_MAX 1024

struct virtq_chain {
	uint16_t head;
	struct iovec *out; /* device-readable */
	unsigned out_count;
	uint64_t out_len;
	struct iovec *in; /* device-writable */
	unsigned in_count;
	uint64_t in_len;
};

/*
 * Takes the next available chain; iov has room for VIRTQ_IOV_MAX and is what the chain points into.
 * 1: taken; 0: none is there (the queue is off, or empty: the driver will notify); negative: the guest
 * broke the protocol, virtio_device_broken() has been called. Every chain taken is given back once
 * with virtq_push(), unless the device was reset in between.
 */
int virtq_pop(struct virtqueue *queue, struct iovec *iov, struct virtq_chain *ret_chain);

/* Gives the chain that was just taken back to the queue as if it had not been (no room yet). */
void virtq_unpop(struct virtqueue *queue);

/* Returns a chain with the number of bytes written into its device-writable part. */
void virtq_push(struct virtqueue *queue, uint16_t head, uint32_t written);

/* Raises the queue's interrupt if the driver wants one for what was pushed since the last call. */
void virtq_interrupt(struct virtqueue *queue);

/* Asks the driver not to notify (a busy device), or to do so again; after enabling, look once more
 * whether chains came in between. With EVENT_IDX as well. */
void virtq_set_notify(struct virtqueue *queue, bool on);
bool virtq_has_work(struct virtqueue *queue);

/*
 * Registers of the device type itself, next to the transport's and the queues', which the core
 * keeps. The number is bdf << 16 | 0x8000 | offset in the device's configuration space: the core
 * narrows the bank to this device and to 0x8000 …, so REG_BANK_VIRTIO serves for it as well. They
 * are set before start() is called. virtio_device_bdf() is for making ids and names.
 */
#define VIRTIO_REG_CONFIG 0x8000
int virtio_device_add_bank(struct virtio_device *device, const struct reg_bank *bank, void *self);
uint16_t virtio_device_bdf(const struct virtio_device *device);

#endif
