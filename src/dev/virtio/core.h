/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a virtio device: what the transport, the queues and the registers share. */
#ifndef DEV_VIRTIO_CORE_H
#define DEV_VIRTIO_CORE_H

#include <pthread.h>
#include <stdatomic.h>

#include <abi/pci.h>
#include <abi/virtio.h>

#include "dev/pci/pci.h"
#include "dev/virtio/virtio.h"
#include "io/loop.h"
#include "mem/mem.h"
#include "vm/irq.h"
#include "vm/vm.h"

/* A register's field has 8 bits, 0 is the device and 1 + q its queue q. */
#define VIRTIO_QUEUES_MAX     254
#define VIRTIO_QUEUE_SIZE_MAX 1024

/* Where the kick of a queue is not an ioeventfd. */
#define VIRTIO_KICK_NOWHERE UINT64_MAX

/* What the driver wrote. Under virtio_device.lock. */
struct virtq_setup {
	uint16_t size;
	bool enabled;
	gpa_t desc, driver, device;
};

/* What keeps the addresses of chains good that the device has. Two tables in one. */
struct virtq_taken {
	const struct mem_map *map; /* by head: the picture that the chain's addresses are from */
	uint16_t head;		   /* by place in the available ring: what was there */
};

/*
 * The state that outlives a pause is atomic only because registers are read by another thread than
 * the loop's; nothing is ordered by it.
 */
struct virtqueue {
	struct virtio_device *device;
	uint16_t index;
	struct virtq_setup setup;
	_Atomic uint16_t vector;
	_Atomic uint16_t last_avail; /* the next index to take from the available ring */
	_Atomic uint16_t used_idx;   /* as published in the used ring */
	_Atomic uint16_t signalled;  /* used_idx when virtq_interrupt() last looked */
	_Atomic bool notify_on;	     /* the driver shall notify */

	/* Under device->lock: read by a vCPU whose notification came as an exit. */
	int kick_fd;
	/* Under device->kick_lock: the ioeventfd's address. */
	uint64_t kick_addr;

	/* The loop's, from here on. */
	bool live;
	bool event_idx;
	struct virtq_setup ring;   /* as it was when the queue was started */
	const struct mem_map *map; /* the picture for which the next three are right; kept */
	const struct virtq_desc *desc;
	const struct virtq_avail *avail;
	struct virtq_used *used;
	bool armed; /* avail_event is armed_at, and a fence was behind it */
	uint16_t armed_at;
	bool dispatching, starved; /* starved: budget ended before the work did */
	unsigned budget;
	struct virtq_taken *taken; /* device->queue_size of them */
	struct loop_watch watch;
};

/*
 * lock: what the driver sees in the common configuration; taken under the bus's lock (ops), and
 * only PCI's own lock is taken under it. kick_lock: the ioeventfds; taken with no lock held, and
 * PCI's own lock and lock are taken under it.
 */
struct virtio_device {
	struct vm *vm;
	struct mem *mem;
	struct loop *loop;
	struct pci_device *pci;
	const struct virtio_ops *ops;
	void *self;
	char *id;
	uint64_t can_offer; /* features, fixed */
	uint16_t queue_count, queue_size;
	uint32_t config_size;
	int pci_cfg; /* offset of the capability VIRTIO_PCI_CAP_PCI_CFG */

	pthread_mutex_t lock;
	uint64_t device_features; /* offered */
	uint64_t driver_features; /* as written; accepted ones are in features */
	uint32_t device_feature_select, driver_feature_select;
	uint16_t config_vector;
	uint16_t queue_select;
	uint8_t status;
	uint8_t generation;
	uint8_t isr;
	bool started;	     /* DRIVER_OK was seen: the loop serves the queues, or will */
	bool resetting;	     /* 0 was written to the status, and the loop is not done yet */
	unsigned complaints; /* about the guest, logged */
	unsigned calls;	     /* messages that the loop has still to run */

	_Atomic uint64_t features; /* 0 before FEATURES_OK */

	pthread_mutex_t kick_lock;

	/* The loop's. */
	bool running, broken, dying;
	bool held; /* between quiesce and resume */
	void (*quiesce_done)(void *arg);
	void *quiesce_arg;

	struct virtqueue queues[];
};

/* device.c. lock held, on any thread. */
void virtio_write_status(struct virtio_device *device, uint8_t value);
/* 0, or what is wrong, as -EINVAL with a text. */
int virtio_check_features(const struct virtio_device *device);
int virtio_check_queue(const struct virtio_device *device, const struct virtq_setup *setup);
void virtio_needs_reset(struct virtio_device *device, const char *why);

/*
 * Stops serving the queues and calls done(arg), at once or later, when nothing is under way. Resume
 * goes on after that, or begins after DRIVER_OK was restored through the registers; when the guest
 * has arrived from elsewhere, it interrupts the driver once for each queue and for the configuration.
 * A done() that has not been called by then is not called any more. Loop's thread.
 */
void virtio_device_quiesce(struct virtio_device *device, void (*done)(void *arg), void *arg);
void virtio_device_resume(struct virtio_device *device, bool arrived);

/* virtqueue.c. -ENOMEM; finish: nothing of the device's is under way. */
int virtq_init(struct virtqueue *queue);
void virtq_finish(struct virtqueue *queue);
/* Loop's thread from here on. */
void virtq_clear(struct virtqueue *queue);
/* false: the rings are not in memory. */
bool virtq_start(struct virtqueue *queue);
void virtq_dispatch(struct virtqueue *queue);
/* Interrupts the driver, whether or not it wants to be. */
void virtq_raise(struct virtqueue *queue);

/* chain.c: the chain that begins at chain->head, as virtq_pop() returns it. -EPROTO: broken. */
int virtq_walk(struct virtqueue *queue, struct iovec *iov, struct virtq_chain *chain);
/* Marks what of the chain at head the device may have written; it has not been given back yet. */
void virtq_mark_chain(struct virtqueue *queue, uint16_t head);

/* kick.c */
int virtio_kicks_open(struct virtio_device *device);
void virtio_kicks_close(struct virtio_device *device);
/* Puts the ioeventfds where the BAR is now. Any thread; arg: the device. */
void virtio_kicks_place(void *arg);
/* A notification that arrived as an exit. lock held. */
void virtio_kick(struct virtio_device *device, unsigned q);

/* pci.c */
#define VIRTIO_BAR               0
#define VIRTIO_BAR_NOTIFY        0x3000
#define VIRTIO_NOTIFY_MULTIPLIER 4
int virtio_pci_init(struct virtio_device *device, struct pci_host *host, uint16_t subsystem);

/* regs.c */
int virtio_regs_add(struct virtio_device *device);

#endif
