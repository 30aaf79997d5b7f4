/* SPDX-License-Identifier: Apache-2.0 */
/* Virtio 1.2 section 5.15: memory that is plugged in blocks. */
#ifndef ABI_VIRTIO_MEM_H
#define ABI_VIRTIO_MEM_H

#include <stdint.h>

#include <abi/abi.h>

#define VIRTIO_MEM_F_ACPI_PXM               0
#define VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE 1

struct virtio_mem_config {
	uint64_t block_size;
	uint16_t node_id;
	uint8_t padding[6];
	uint64_t addr;
	uint64_t region_size;
	uint64_t usable_region_size;
	uint64_t plugged_size;
	uint64_t requested_size;
};
ABI_SIZE(struct virtio_mem_config, 56);
ABI_OFFSET(struct virtio_mem_config, addr, 16);

#define VIRTIO_MEM_REQ_PLUG       0
#define VIRTIO_MEM_REQ_UNPLUG     1
#define VIRTIO_MEM_REQ_UNPLUG_ALL 2
#define VIRTIO_MEM_REQ_STATE      3

/* addr and nb_blocks are those of all types but UNPLUG_ALL */
struct virtio_mem_req {
	uint16_t type;
	uint16_t padding[3];
	uint64_t addr;
	uint16_t nb_blocks;
	uint16_t padding2[3];
};
ABI_SIZE(struct virtio_mem_req, 24);
ABI_OFFSET(struct virtio_mem_req, addr, 8);

#define VIRTIO_MEM_RESP_ACK   0
#define VIRTIO_MEM_RESP_NACK  1
#define VIRTIO_MEM_RESP_BUSY  2
#define VIRTIO_MEM_RESP_ERROR 3

#define VIRTIO_MEM_STATE_PLUGGED   0
#define VIRTIO_MEM_STATE_UNPLUGGED 1
#define VIRTIO_MEM_STATE_MIXED     2

/* state is STATE's */
struct virtio_mem_resp {
	uint16_t type;
	uint16_t padding[3];
	uint16_t state;
};
ABI_SIZE(struct virtio_mem_resp, 10);
ABI_OFFSET(struct virtio_mem_resp, state, 8);

#endif
