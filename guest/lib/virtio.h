/* SPDX-License-Identifier: Apache-2.0 */
/* A virtio device on PCI, driven by looking: one queue, no interrupts. */
#ifndef GUEST_LIB_VIRTIO_H
#define GUEST_LIB_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#include <abi/virtio.h>

#define VIRTIO_QUEUE_SIZE 32

struct virtio {
	volatile struct virtio_pci_common_cfg *common;
	volatile uint8_t *specific;
	volatile uint16_t *notify; /* of queue 0 */
	uint16_t submitted;	   /* chains that were given to the device, in all */
	struct virtq_desc desc[VIRTIO_QUEUE_SIZE] __attribute__((aligned(4096)));
	uint16_t avail[2 + VIRTIO_QUEUE_SIZE] __attribute__((aligned(4096)));
	volatile uint16_t used[2 + 4 * VIRTIO_QUEUE_SIZE] __attribute__((aligned(4096)));
};

/* The first device of that type (VIRTIO_ID_…), with those features and VERSION_1; false: there is none. */
bool virtio_start(struct virtio *virtio, uint16_t type, uint64_t features);
/* Descriptor N; flags VIRTQ_DESC_F_NEXT: N + 1 follows. */
void virtio_describe(struct virtio *virtio, uint16_t n, const volatile void *at, uint32_t len,
		     uint16_t flags);
/* Gives the device the chain that begins there; it looks when it is kicked. */
void virtio_add(struct virtio *virtio, uint16_t head);
void virtio_kick(struct virtio *virtio);
/* Whether the device has given back all that it was given. */
bool virtio_is_idle(const struct virtio *virtio);

#endif
