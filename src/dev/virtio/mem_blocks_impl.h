/* SPDX-License-Identifier: Apache-2.0 */
/* What the blocks and their registers share. */
#ifndef DEV_VIRTIO_MEM_BLOCKS_IMPL_H
#define DEV_VIRTIO_MEM_BLOCKS_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "dev/virtio/mem_blocks.h"

/* lock: what follows it; the VM's memory may be changed under it. */
struct vmem_blocks {
	struct vm *vm;
	struct mem *mem;
	gpa_t gpa;
	uint64_t size, block, chunk;
	uint64_t count;	     /* blocks */
	unsigned chunk_count;
	uint32_t reg_bytes;  /* of each register of the bitmap, a power of two */
	unsigned reg_count;

	pthread_mutex_t lock;
	uint64_t *plugged; /* a bit a block; reg_count * reg_bytes of them */
	uint32_t chunks;   /* those that are in the map */
	uint32_t may_go;   /* those that may leave it when they are empty */
	_Atomic uint64_t plugged_count;
};

/* mem_blocks.c. lock held in all of these. */
uint64_t vmem_count_plugged(const struct vmem_blocks *blocks, uint64_t first, uint64_t end);
/* The chunks that the blocks [first, end) lie in. */
uint32_t vmem_chunks_of(const struct vmem_blocks *blocks, uint64_t first, uint64_t end);
/* All of those chunks that are not there yet, or none. */
int vmem_add_chunks(struct vmem_blocks *blocks, uint32_t wanted);
/* Chunks that are there, whatever is plugged in them. */
int vmem_remove_chunks(struct vmem_blocks *blocks, uint32_t unwanted);

/* mem_blocks_bank.c */
int vmem_blocks_add_bank(struct vmem_blocks *blocks);

#endif
