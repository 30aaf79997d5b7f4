/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of memory that are plugged, and the chunks of memory that they lie in. */
#include "dev/virtio/mem_blocks_impl.h"

#include <errno.h>
#include <stdlib.h>

#include <ferry/error.h>

#include "base/bits.h"
#include "base/util.h"
#include "mem/txn.h"
#include "mem/window.h"
#include "vm/vm.h"

#define BLOCK_SIZE (2 * MIB)

/* A chunk is a slot of KVM's: few of them, and none so small that it is not worth one. */
#define CHUNK_MIN  (128 * MIB)
#define CHUNKS_MAX 32

#define REG_BYTES_MIN 8

uint64_t vmem_block_size(const struct mem *mem)
{
	return max_u64(BLOCK_SIZE, mem->page_size);
}

gpa_t vmem_blocks_gpa(const struct vmem_blocks *blocks)
{
	return blocks->gpa;
}

uint64_t vmem_blocks_size(const struct vmem_blocks *blocks)
{
	return blocks->size;
}

struct mem *vmem_blocks_mem(const struct vmem_blocks *blocks)
{
	return blocks->mem;
}

uint64_t vmem_blocks_plugged(const struct vmem_blocks *blocks)
{
	return atomic_load(&blocks->plugged_count) * blocks->block;
}

/* lock held. */
uint64_t vmem_count_plugged(const struct vmem_blocks *blocks, uint64_t first, uint64_t end)
{
	uint64_t sum = 0;

	for (uint64_t word = first / 64; word * 64 < end; word++)
		sum += (uint64_t)__builtin_popcountll(blocks->plugged[word] &
						      bits_word_mask(word, first, end));
	return sum;
}

uint64_t vmem_blocks_count(struct vmem_blocks *blocks, uint64_t first, uint64_t count)
{
	uint64_t sum;

	pthread_mutex_lock(&blocks->lock);
	sum = vmem_count_plugged(blocks, first, first + count);
	pthread_mutex_unlock(&blocks->lock);
	return sum;
}

/* lock held, here and in what follows. */
static void mark(struct vmem_blocks *blocks, uint64_t first, uint64_t end, bool plugged)
{
	for (uint64_t word = first / 64; word * 64 < end; word++) {
		uint64_t mask = bits_word_mask(word, first, end);

		if (plugged)
			blocks->plugged[word] |= mask;
		else
			blocks->plugged[word] &= ~mask;
	}
	atomic_store(&blocks->plugged_count, vmem_count_plugged(blocks, 0, blocks->count));
}

static gpa_t chunk_gpa(const struct vmem_blocks *blocks, unsigned chunk)
{
	return blocks->gpa + chunk * blocks->chunk;
}

static uint64_t chunk_size(const struct vmem_blocks *blocks, unsigned chunk)
{
	return min_u64(blocks->chunk, blocks->size - chunk * blocks->chunk);
}

static uint64_t chunk_first(const struct vmem_blocks *blocks, unsigned chunk)
{
	return chunk * (blocks->chunk / blocks->block);
}

static uint64_t chunk_end(const struct vmem_blocks *blocks, unsigned chunk)
{
	return chunk_first(blocks, chunk) + chunk_size(blocks, chunk) / blocks->block;
}

uint32_t vmem_chunks_of(const struct vmem_blocks *blocks, uint64_t first, uint64_t end)
{
	uint64_t each = blocks->chunk / blocks->block;

	return (uint32_t)bits_word_mask(0, first / each, (end - 1) / each + 1);
}

/* It is out of the map even when its pages could not be given back. */
static int drop_chunk(struct vmem_blocks *blocks, unsigned chunk)
{
	int r = mem_unmap(blocks->mem, chunk_gpa(blocks, chunk));

	if (!mem_ptr(blocks->mem, chunk_gpa(blocks, chunk), 1))
		blocks->chunks &= ~(1U << chunk);
	return r;
}

int vmem_add_chunks(struct vmem_blocks *blocks, uint32_t wanted)
{
	struct mem_txn txn;
	int r;

	wanted &= ~blocks->chunks & bits_word_mask(0, 0, blocks->chunk_count);
	if (!wanted)
		return 0;
	mem_txn_begin(&txn, blocks->mem);
	for (uint32_t left = wanted; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		mem_txn_map(&txn, "plugged RAM", chunk_gpa(blocks, i), chunk_size(blocks, i), 0);
	}
	r = mem_txn_commit(&txn);
	/* All of them, or none; or what KVM does not take back. */
	for (uint32_t left = wanted; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);

		if (mem_ptr(blocks->mem, chunk_gpa(blocks, i), 1))
			blocks->chunks |= 1U << i;
	}
	return r;
}

int vmem_remove_chunks(struct vmem_blocks *blocks, uint32_t unwanted)
{
	int r = 0;

	for (unsigned i = 0; i < blocks->chunk_count && r == 0; i++) {
		if (!(unwanted >> i & 1))
			continue;
		mark(blocks, chunk_first(blocks, i), chunk_end(blocks, i), false);
		r = drop_chunk(blocks, i);
	}
	return r;
}

/* Of those chunks the empty ones. One that cannot go stays: it has no pages then. */
static void drop_empty(struct vmem_blocks *blocks, uint32_t among)
{
	for (unsigned i = 0; i < blocks->chunk_count; i++) {
		if (!((among & blocks->chunks & blocks->may_go) >> i & 1) ||
		    vmem_count_plugged(blocks, chunk_first(blocks, i), chunk_end(blocks, i)))
			continue;
		blocks->may_go &= ~(1U << i);
		drop_chunk(blocks, i);
	}
}

static int plug(struct vmem_blocks *blocks, uint64_t first, uint64_t end)
{
	gpa_t gpa = blocks->gpa + first * blocks->block;
	uint64_t len = (end - first) * blocks->block;
	uint32_t chunks = vmem_chunks_of(blocks, first, end);
	int r = vmem_add_chunks(blocks, chunks);

	if (r < 0)
		return r;
	r = mem_window_take(blocks->mem, gpa, len);
	if (r == 0) {
		mark(blocks, first, end, true);
	} else {
		mem_discard(blocks->mem, gpa, len);
		drop_empty(blocks, chunks);
	}
	return r;
}

static int unplug(struct vmem_blocks *blocks, uint64_t first, uint64_t end)
{
	int r = mem_discard(blocks->mem, blocks->gpa + first * blocks->block,
			    (end - first) * blocks->block);

	if (r < 0)
		return r;
	mark(blocks, first, end, false);
	drop_empty(blocks, vmem_chunks_of(blocks, first, end));
	return 0;
}

/* By chunks, since between them there may be no memory. */
static int unplug_all(struct vmem_blocks *blocks)
{
	int r = 0;

	for (unsigned i = 0; i < blocks->chunk_count && r == 0; i++)
		if (vmem_count_plugged(blocks, chunk_first(blocks, i), chunk_end(blocks, i)))
			r = unplug(blocks, chunk_first(blocks, i), chunk_end(blocks, i));
	return r;
}

static int change(struct vmem_blocks *blocks, uint64_t first, uint64_t count,
		  int (*fn)(struct vmem_blocks *blocks, uint64_t first, uint64_t end))
{
	int r = mem_change_begin(blocks->mem);

	if (r < 0)
		return r;
	pthread_mutex_lock(&blocks->lock);
	r = fn(blocks, first, first + count);
	pthread_mutex_unlock(&blocks->lock);
	mem_change_end(blocks->mem);
	return r;
}

int vmem_blocks_plug(struct vmem_blocks *blocks, uint64_t first, uint64_t count)
{
	return change(blocks, first, count, plug);
}

int vmem_blocks_unplug(struct vmem_blocks *blocks, uint64_t first, uint64_t count)
{
	return change(blocks, first, count, unplug);
}

static int unplug_every(struct vmem_blocks *blocks, uint64_t first, uint64_t end)
{
	(void)first, (void)end;
	return unplug_all(blocks);
}

int vmem_blocks_unplug_all(struct vmem_blocks *blocks)
{
	return change(blocks, 0, blocks->count, unplug_every);
}

static int trim(struct vmem_blocks *blocks, uint64_t first, uint64_t end)
{
	(void)first, (void)end;
	blocks->may_go = UINT32_MAX;
	drop_empty(blocks, UINT32_MAX);
	return 0;
}

/* While memory is being copied nothing goes; the next request comes. */
void vmem_blocks_trim(struct vmem_blocks *blocks)
{
	change(blocks, 0, blocks->count, trim);
}

/* A power of two, so that a chunk consists of whole huge pages and blocks. */
static uint64_t chunk_for(uint64_t size, uint64_t block)
{
	uint64_t chunk = max_u64(CHUNK_MIN, block);

	while (chunk * CHUNKS_MAX < size)
		chunk *= 2;
	return chunk;
}

static void size_registers(struct vmem_blocks *blocks)
{
	blocks->reg_bytes = REG_BYTES_MIN;
	while (blocks->reg_bytes < REG_SIZE_MAX && blocks->reg_bytes * 8ULL < blocks->count)
		blocks->reg_bytes *= 2;
	blocks->reg_count = (unsigned)((blocks->count + blocks->reg_bytes * 8ULL - 1) /
				       (blocks->reg_bytes * 8ULL));
}

int vmem_blocks_create(struct vm *vm, gpa_t gpa, uint64_t size, struct vmem_blocks **ret_blocks)
{
	uint64_t block = vmem_block_size(vm_mem(vm));
	struct vmem_blocks *blocks;
	int r = -ENOMEM;

	if (!size || !is_aligned(gpa | size, block))
		return because(-EINVAL, "%llu bytes of memory to be plugged are not whole blocks",
			       (unsigned long long)size);
	blocks = calloc(1, sizeof(*blocks));
	if (!blocks)
		return -ENOMEM;
	pthread_mutex_init(&blocks->lock, NULL);
	blocks->vm = vm;
	blocks->mem = vm_mem(vm);
	blocks->gpa = gpa;
	blocks->size = size;
	blocks->block = block;
	blocks->chunk = chunk_for(size, block);
	blocks->count = size / block;
	blocks->chunk_count = (unsigned)((size + blocks->chunk - 1) / blocks->chunk);
	blocks->may_go = UINT32_MAX;
	size_registers(blocks);
	blocks->plugged = calloc(blocks->reg_count, blocks->reg_bytes);
	if (blocks->plugged)
		r = mem_window_reserve(blocks->mem, gpa, size);
	if (r == 0)
		r = vmem_blocks_add_bank(blocks);
	if (r < 0) {
		vmem_blocks_destroy(blocks);
		return r;
	}
	*ret_blocks = blocks;
	return 0;
}

void vmem_blocks_destroy(struct vmem_blocks *blocks)
{
	if (!blocks)
		return;
	pthread_mutex_destroy(&blocks->lock);
	free(blocks->plugged);
	free(blocks);
}
