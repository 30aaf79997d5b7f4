/* SPDX-License-Identifier: Apache-2.0 */
/* A bit a block, set by who writes and taken by who copies. */
#include "io/disk_dirty.h"

#include <errno.h>
#include <stdlib.h>

#include <ferry/error.h>

#include "base/barrier.h"
#include "base/bits.h"
#include "base/util.h"

int disk_dirty_start(struct disk_dirty *dirty, uint64_t size)
{
	uint64_t words = disk_dirty_words(size);
	int err;

	if (atomic_load(&dirty->tracked))
		return because(-EBUSY, "the writes to the disk are tracked already");
	if (!dirty->bitmap) {
		dirty->bitmap = calloc(words, sizeof(*dirty->bitmap));
		if (!dirty->bitmap)
			return because(-ENOMEM, "out of memory");
		dirty->blocks = (size + DISK_DIRTY_BLOCK - 1) / DISK_DIRTY_BLOCK;
	}
	for (uint64_t word = 0; word < words; word++)
		atomic_store_explicit(&dirty->bitmap[word], 0, memory_order_relaxed);
	atomic_store(&dirty->tracked, true);
	err = barrier_everywhere();
	if (err)
		disk_dirty_stop(dirty);
	return err;
}

void disk_dirty_stop(struct disk_dirty *dirty)
{
	atomic_store(&dirty->tracked, false);
}

void disk_dirty_finish(struct disk_dirty *dirty)
{
	free((void *)dirty->bitmap);
	*dirty = (struct disk_dirty){ 0 };
}

/* Acquire: who reads the block now sees what was written before the mark. */
void disk_dirty_collect(struct disk_dirty *dirty, uint64_t *bitmap)
{
	for (uint64_t word = 0; word < (dirty->blocks + 63) / 64; word++) {
		if (atomic_load_explicit(&dirty->bitmap[word], memory_order_relaxed))
			bitmap[word] |= atomic_exchange_explicit(&dirty->bitmap[word], 0,
								 memory_order_acquire);
	}
}

void disk_dirty_mark_tracked(struct disk_dirty *dirty, uint64_t offset, uint64_t len)
{
	uint64_t first = offset / DISK_DIRTY_BLOCK, end;

	/* The flag was read without order: what start made is there only for who sees it so. */
	if (!len || !atomic_load_explicit(&dirty->tracked, memory_order_acquire))
		return;
	end = (offset + min_u64(len, UINT64_MAX - offset) - 1) / DISK_DIRTY_BLOCK + 1;
	end = min_u64(end, dirty->blocks);
	/* Always a store: a look whether the bit is set could pass the write that it tells of. */
	for (uint64_t word = first / 64; first < end && word <= (end - 1) / 64; word++)
		atomic_fetch_or_explicit(&dirty->bitmap[word], bits_word_mask(word, first, end),
					 memory_order_release);
}
