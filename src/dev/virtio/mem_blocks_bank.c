/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which memory is plugged, bank "memory": field 0 has the chunks that are in the map, and field 1
 * the bitmap of blocks, in registers whose numbers are those of the first blocks that they tell of.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "dev/virtio/mem_blocks_impl.h"
#include "mem/window.h"
#include "vm/vm.h"

#define CHUNKS_ID REG_ID(REG_BANK_MEMORY, 0, 2, 0)

static uint64_t bitmap_id(const struct vmem_blocks *blocks, unsigned i)
{
	return REG_ID(REG_BANK_MEMORY, 1, __builtin_ctz(blocks->reg_bytes),
		      (uint64_t)i * blocks->reg_bytes * 8);
}

/* Where the bitmap's register is; NULL: there is none of that id. */
static uint8_t *find(const struct vmem_blocks *blocks, uint64_t id)
{
	for (unsigned i = 0; i < blocks->reg_count; i++)
		if (id == bitmap_id(blocks, i))
			return (uint8_t *)blocks->plugged + (size_t)i * blocks->reg_bytes;
	because(-ENOENT, "no register %#llx of plugged memory", (unsigned long long)id);
	return NULL;
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	struct vmem_blocks *blocks = self;
	int r = reg_list_add(out, vcpu, CHUNKS_ID, 0);

	for (unsigned i = 0; i < blocks->reg_count && r == 0; i++)
		r = reg_list_add(out, vcpu, bitmap_id(blocks, i), 0);
	return r;
}

static int get(void *self, struct reg_key key, void *val)
{
	struct vmem_blocks *blocks = self;
	const uint8_t *at = key.id == CHUNKS_ID ? (uint8_t *)&blocks->chunks :
						  find(blocks, key.id);

	if (!at)
		return -ENOENT;
	pthread_mutex_lock(&blocks->lock);
	memcpy(val, at, reg_size(key.id));
	pthread_mutex_unlock(&blocks->lock);
	return 0;
}

static int set_chunks(struct vmem_blocks *blocks, uint32_t value)
{
	int r;

	if (value & ~vmem_chunks_of(blocks, 0, blocks->count))
		return because(-EINVAL, "chunks %#x of %u", value, blocks->chunk_count);
	r = vmem_remove_chunks(blocks, blocks->chunks & ~value);
	return r < 0 ? r : vmem_add_chunks(blocks, value);
}

static bool has_blocks(const struct vmem_blocks *blocks, uint64_t block)
{
	return block < blocks->count &&
	       blocks->chunks >> block / (blocks->chunk / blocks->block) & 1;
}

static int set_bitmap(struct vmem_blocks *blocks, uint8_t *at, const uint8_t *value, size_t size)
{
	uint64_t first = (uint64_t)(at - (uint8_t *)blocks->plugged) * 8;

	for (uint64_t i = 0; i < size * 8; i++)
		if (value[i / 8] >> i % 8 & 1 && !has_blocks(blocks, first + i))
			return because(-EINVAL, "block %llu has no memory",
				       (unsigned long long)(first + i));
	memcpy(at, value, size);
	atomic_store(&blocks->plugged_count, vmem_count_plugged(blocks, 0, blocks->count));
	return 0;
}

static int set_locked(struct vmem_blocks *blocks, struct reg_key key, uint8_t *at, const void *val)
{
	uint32_t chunks;

	if (blocks->vm->has_run)
		return because(-EBUSY, "only the guest plugs memory once it runs");
	if (at)
		return set_bitmap(blocks, at, val, reg_size(key.id));
	memcpy(&chunks, val, sizeof(chunks));
	return set_chunks(blocks, chunks);
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct vmem_blocks *blocks = self;
	uint8_t *at = key.id == CHUNKS_ID ? NULL : find(blocks, key.id);
	uint8_t *now = at ? at : (uint8_t *)&blocks->chunks;
	bool changes;
	int r;

	if (!at && key.id != CHUNKS_ID)
		return -ENOENT;
	pthread_mutex_lock(&blocks->lock);
	changes = memcmp(now, val, reg_size(key.id)) != 0;
	pthread_mutex_unlock(&blocks->lock);
	if (!changes)
		return 0;
	r = mem_change_begin(blocks->mem);
	if (r < 0)
		return r;
	pthread_mutex_lock(&blocks->lock);
	r = set_locked(blocks, key, at, val);
	pthread_mutex_unlock(&blocks->lock);
	mem_change_end(blocks->mem);
	return r;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	struct vmem_blocks *blocks = self;

	if (key.id == CHUNKS_ID)
		snprintf(name, size, "chunks");
	else if (find(blocks, key.id))
		snprintf(name, size, "plugged%u", REG_ID_NUMBER(key.id));
	else
		return -ENOENT;
	return 0;
}

int vmem_blocks_add_bank(struct vmem_blocks *blocks)
{
	static const struct reg_bank bank = {
		.name = "memory",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_MEMORY),
		.shapes_memory = true,
		.list = list,
		.get = get,
		.set = set,
		.name_of = name_of,
	};

	return reg_file_add(vm_regs(blocks->vm), &bank, 0, 0, blocks);
}
