/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blocks of memory that a guest plugs: which of them it has, and the memory behind them. They
 * are a bank of their own, before those of everything that may have its rings or pages there.
 */
#ifndef DEV_VIRTIO_MEM_BLOCKS_H
#define DEV_VIRTIO_MEM_BLOCKS_H

#include "mem/mem.h"

struct vm;
struct vmem_blocks;

/*
 * Memory for the guest in [gpa, gpa + size), a multiple of the block; none of it is there yet. It
 * comes in chunks of many blocks, each with the first of its blocks, and a chunk without any goes
 * again. -ENOMEM, -EINVAL, and those of mem_window_reserve().
 */
int vmem_blocks_create(struct vm *vm, gpa_t gpa, uint64_t size, struct vmem_blocks **ret_blocks);
/* After the VM's guest has ended, before the VM. NULL is fine. */
void vmem_blocks_destroy(struct vmem_blocks *blocks);

/* Bytes of a block: 2 MiB, or the huge page of the backing if that is larger. */
uint64_t vmem_block_size(const struct mem *mem);

gpa_t vmem_blocks_gpa(const struct vmem_blocks *blocks);
uint64_t vmem_blocks_size(const struct vmem_blocks *blocks);
struct mem *vmem_blocks_mem(const struct vmem_blocks *blocks);
/* Bytes that are plugged. Any thread. */
uint64_t vmem_blocks_plugged(const struct vmem_blocks *blocks);

/* The number of plugged ones among [first, first + count). Any thread. */
uint64_t vmem_blocks_count(struct vmem_blocks *blocks, uint64_t first, uint64_t count);

/*
 * Loop thread. [first, first + count), which exists, is wholly unplugged (plug) or plugged
 * (unplug). All of it or, after a failure, nothing. A new block is zero, or has what a driver that
 * still writes to what it unplugged has put there.
 *   -EBUSY  memory is being copied (mem_pin())
 * and what the host has against more memory, or against taking it back, with a text.
 */
int vmem_blocks_plug(struct vmem_blocks *blocks, uint64_t first, uint64_t count);
int vmem_blocks_unplug(struct vmem_blocks *blocks, uint64_t first, uint64_t count);
int vmem_blocks_unplug_all(struct vmem_blocks *blocks);

/*
 * Lets each chunk that is or becomes empty go, once: a picture of the map stays allocated for every
 * change, so it is the operator's requests that are counted, not the guest's. Loop thread.
 */
void vmem_blocks_trim(struct vmem_blocks *blocks);

#endif
