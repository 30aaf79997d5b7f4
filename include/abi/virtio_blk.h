/* SPDX-License-Identifier: Apache-2.0 */
/* Virtio 1.2, 5.2: the block device. */
#ifndef ABI_VIRTIO_BLK_H
#define ABI_VIRTIO_BLK_H

#include <stdint.h>

#include <abi/abi.h>

/* Feature bits, 5.2.3 */
#define VIRTIO_BLK_F_SEG_MAX	  2
#define VIRTIO_BLK_F_RO		  5
#define VIRTIO_BLK_F_BLK_SIZE	  6
#define VIRTIO_BLK_F_FLUSH	  9
#define VIRTIO_BLK_F_TOPOLOGY	  10
#define VIRTIO_BLK_F_CONFIG_WCE	  11
#define VIRTIO_BLK_F_MQ		  12
#define VIRTIO_BLK_F_DISCARD	  13
#define VIRTIO_BLK_F_WRITE_ZEROES 14

#define VIRTIO_BLK_SECTOR 512

/* 5.2.4 */
struct virtio_blk_config {
	uint64_t capacity; /* sectors */
	uint32_t size_max;
	uint32_t seg_max;
	struct {
		uint16_t cylinders;
		uint8_t heads;
		uint8_t sectors;
	} geometry;
	uint32_t blk_size;
	struct {
		uint8_t physical_block_exp;
		uint8_t alignment_offset;
		uint16_t min_io_size;
		uint32_t opt_io_size;
	} topology;
	uint8_t writeback;
	uint8_t unused0;
	uint16_t num_queues;
	uint32_t max_discard_sectors;
	uint32_t max_discard_seg;
	uint32_t discard_sector_alignment;
	uint32_t max_write_zeroes_sectors;
	uint32_t max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap;
	uint8_t unused1[3];
	uint32_t max_secure_erase_sectors;
	uint32_t max_secure_erase_seg;
	uint32_t secure_erase_sector_alignment;
	uint32_t padding; /* not the specification's: ours, to a multiple of the alignment */
};
ABI_SIZE(struct virtio_blk_config, 80);
ABI_OFFSET(struct virtio_blk_config, topology, 24);
ABI_OFFSET(struct virtio_blk_config, writeback, 32);
ABI_OFFSET(struct virtio_blk_config, num_queues, 34);
ABI_OFFSET(struct virtio_blk_config, max_secure_erase_sectors, 60);

/* Up to max_secure_erase_sectors, which is not offered. */
#define VIRTIO_BLK_CONFIG_LEN 60

/* Requests, 5.2.6 */
#define VIRTIO_BLK_T_IN		  0
#define VIRTIO_BLK_T_OUT	  1
#define VIRTIO_BLK_T_FLUSH	  4
#define VIRTIO_BLK_T_GET_ID	  8
#define VIRTIO_BLK_T_DISCARD	  11
#define VIRTIO_BLK_T_WRITE_ZEROES 13

#define VIRTIO_BLK_S_OK	    0
#define VIRTIO_BLK_S_IOERR  1
#define VIRTIO_BLK_S_UNSUPP 2

#define VIRTIO_BLK_ID_LEN 20

struct virtio_blk_req {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
};
ABI_SIZE(struct virtio_blk_req, 16);

#define VIRTIO_BLK_WRITE_ZEROES_UNMAP 1

struct virtio_blk_discard_write_zeroes {
	uint64_t sector;
	uint32_t num_sectors;
	uint32_t flags;
};
ABI_SIZE(struct virtio_blk_discard_write_zeroes, 16);

#endif
