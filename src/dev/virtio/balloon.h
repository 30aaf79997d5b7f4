/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-balloon (virtio 1.2, 5.5): memory that the guest lends back to the host. */
#ifndef DEV_VIRTIO_BALLOON_H
#define DEV_VIRTIO_BALLOON_H

#include <stdint.h>

struct vm;
struct pci_host;
struct balloon;

/* Without any call the guest keeps its memory, and reports pages that are free to the host. */
int balloon_create(struct vm *vm, struct pci_host *host, struct balloon **ret_balloon);
/* Before the PCI host. NULL is fine. */
void balloon_destroy(struct balloon *balloon);

/*
 * Asks the guest to keep that many bytes, rounded up to pages; its driver comes near to it in its
 * own time. -ERANGE: more than it has, with a text. Loop thread.
 */
int balloon_set_target(struct balloon *balloon, uint64_t bytes);

/* The driver's statistics by their tags, VIRTIO_BALLOON_S_*. */
#define BALLOON_STATS 16

struct balloon_state {
	uint64_t target; /* bytes that the guest was asked to keep */
	uint64_t actual; /* bytes that it has kept so far */
	uint32_t known;	 /* bit n: stats[n] was reported */
	uint64_t stats[BALLOON_STATS];
};

/* Loop thread. */
void balloon_get(const struct balloon *balloon, struct balloon_state *ret_state);
/* Asks the driver for new statistics; balloon_get() shows them when they have come. Loop thread. */
void balloon_refresh(struct balloon *balloon);

#endif
