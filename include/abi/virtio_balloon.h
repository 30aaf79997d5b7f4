/* SPDX-License-Identifier: Apache-2.0 */
/* Virtio 1.2 section 5.5: the memory balloon. */
#ifndef ABI_VIRTIO_BALLOON_H
#define ABI_VIRTIO_BALLOON_H

#include <stdint.h>

#include <abi/abi.h>

#define VIRTIO_BALLOON_F_STATS_VQ       1
#define VIRTIO_BALLOON_F_DEFLATE_ON_OOM 2
#define VIRTIO_BALLOON_F_PAGE_REPORTING 5

/* Pages of the balloon are 4096 bytes whatever the guest's are, 5.5.6 */
#define VIRTIO_BALLOON_PFN_SHIFT 12

struct virtio_balloon_config {
	uint32_t num_pages;
	uint32_t actual;
	uint32_t free_page_hint_cmd_id;
	uint32_t poison_val;
};
ABI_SIZE(struct virtio_balloon_config, 16);

struct virtio_balloon_stat {
	uint16_t tag;
	uint64_t val;
} __attribute__((packed));
ABI_SIZE(struct virtio_balloon_stat, 10);

#define VIRTIO_BALLOON_S_SWAP_IN  0
#define VIRTIO_BALLOON_S_SWAP_OUT 1
#define VIRTIO_BALLOON_S_MAJFLT   2
#define VIRTIO_BALLOON_S_MINFLT   3
#define VIRTIO_BALLOON_S_MEMFREE  4
#define VIRTIO_BALLOON_S_MEMTOT   5
#define VIRTIO_BALLOON_S_AVAIL    6
#define VIRTIO_BALLOON_S_CACHES   7
#define VIRTIO_BALLOON_S_HTLB_PGALLOC 8
#define VIRTIO_BALLOON_S_HTLB_PGFAIL  9

#endif
