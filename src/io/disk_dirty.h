/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which blocks of a disk were written, for who copies it while a guest goes on using it:
 *
 *   disk_dirty_start(), all bits of its own bitmap set
 *   read the blocks whose bits are set, and clear those; disk_dirty_collect(), and the same again;
 *   in the end once more with the device at rest; disk_dirty_stop()
 *
 * A failure in between loses nothing when the next attempt begins with start and all bits set.
 */
#ifndef IO_DISK_DIRTY_H
#define IO_DISK_DIRTY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define DISK_DIRTY_BLOCK 65536ULL

/* A zeroed one tracks nothing. */
struct disk_dirty {
	atomic_bool tracked;
	/* Made by the first start and kept: a mark may still be on its way after stop. */
	_Atomic uint64_t *bitmap;
	uint64_t blocks;
};

/* Words of a bitmap with a bit for each block, lowest bit first; the last block may be a part of one. */
static inline uint64_t disk_dirty_words(uint64_t size)
{
	return ((size + DISK_DIRTY_BLOCK - 1) / DISK_DIRTY_BLOCK + 63) / 64;
}

/*
 * From here on every write is told by collect. size is the disk's, always the same. -ENOMEM; -EBUSY: it
 * is on already; and those of barrier_everywhere(). One thread at a time, as collect and stop.
 */
int disk_dirty_start(struct disk_dirty *dirty, uint64_t size);
/* Harmless when not started. */
void disk_dirty_stop(struct disk_dirty *dirty);
/* Nobody marks any more. */
void disk_dirty_finish(struct disk_dirty *dirty);

/* ORs into bitmap (disk_dirty_words() words) what was marked since the last collect, or since start. */
void disk_dirty_collect(struct disk_dirty *dirty, uint64_t *bitmap);

void disk_dirty_mark_tracked(struct disk_dirty *dirty, uint64_t offset, uint64_t len);

/*
 * [offset, offset + len) was written, or became zeros; what lies outside the disk does not count. Any
 * thread, AFTER the write has ended (also one that failed: a part may be there): a mark that comes
 * before can be collected, and the block be read, before the data lands. Without tracking it is one
 * relaxed load, which misses nothing: start makes every thread pass a barrier after the flag is set.
 */
static inline void disk_dirty_mark(struct disk_dirty *dirty, uint64_t offset, uint64_t len)
{
	atomic_signal_fence(memory_order_seq_cst);
	if (__builtin_expect(atomic_load_explicit(&dirty->tracked, memory_order_relaxed), 0))
		disk_dirty_mark_tracked(dirty, offset, len);
}

#endif
