/* SPDX-License-Identifier: Apache-2.0 */
/* A disk in memory: what is written is marked, what was never written is a hole, and it can fail. */
#ifndef TESTS_MIGRATE_FAKE_STORE_H
#define TESTS_MIGRATE_FAKE_STORE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/util.h"
#include "io/disk_dirty.h"
#include "migrate/guest.h"

#define BLOCK MIGRATE_STORE_BLOCK

struct fake_store {
	uint8_t *data;
	uint64_t size;
	struct disk_dirty dirty;
	bool holes; /* they are told; else all is data */
	bool fails; /* whatever it is asked */
	unsigned slow_sync_ms;
	unsigned zeroings, syncs;
	bool is_synced;
};

static inline int fake_store_failed(struct fake_store *fake)
{
	return fake->fails ? because(-EIO, "the disk is broken") : 0;
}

static inline bool fake_store_is_zero(const struct fake_store *fake, uint64_t block)
{
	const uint64_t *words = (const uint64_t *)fake->data;
	uint64_t end = min_u64((block + 1) * BLOCK, fake->size) / 8;

	for (uint64_t at = block * BLOCK / 8; at < end; at++)
		if (__atomic_load_n(&words[at], __ATOMIC_RELAXED))
			return false;
	return true;
}

static inline int fake_store_read(void *self, uint64_t offset, void *buf, size_t len)
{
	struct fake_store *fake = self;
	const uint64_t *words = (const uint64_t *)(fake->data + offset);

	/* A guest may write to it at the same time. */
	for (size_t i = 0; i < len / 8 && !fake->fails; i++)
		((uint64_t *)buf)[i] = __atomic_load_n(&words[i], __ATOMIC_RELAXED);
	return fake_store_failed(fake);
}

static inline int fake_store_next_data(void *self, uint64_t *offset, uint64_t *ret_len)
{
	struct fake_store *fake = self;
	uint64_t first = *offset / BLOCK, end;
	uint64_t blocks = (fake->size + BLOCK - 1) / BLOCK;

	while (first < blocks && fake->holes && fake_store_is_zero(fake, first))
		first++;
	for (end = first; end < blocks && !(fake->holes && fake_store_is_zero(fake, end)); end++)
		;
	if (first >= blocks)
		return 0;
	*offset = max_u64(*offset, first * BLOCK);
	*ret_len = min_u64(end * BLOCK, fake->size) - *offset;
	return 1;
}

static inline int fake_store_track(void *self)
{
	struct fake_store *fake = self;

	return fake->fails ? fake_store_failed(fake) : disk_dirty_start(&fake->dirty, fake->size);
}

static inline void fake_store_collect(void *self, uint64_t *bitmap)
{
	disk_dirty_collect(&((struct fake_store *)self)->dirty, bitmap);
}

static inline void fake_store_untrack(void *self)
{
	disk_dirty_stop(&((struct fake_store *)self)->dirty);
}

static inline int fake_store_write(void *self, uint64_t offset, const void *buf, size_t len)
{
	struct fake_store *fake = self;

	fake->is_synced = false;
	if (!fake->fails)
		memcpy(fake->data + offset, buf, len);
	return fake_store_failed(fake);
}

static inline int fake_store_zero(void *self, uint64_t offset, uint64_t len)
{
	struct fake_store *fake = self;

	fake->zeroings++;
	fake->is_synced = false;
	if (!fake->fails)
		memset(fake->data + offset, 0, len);
	return fake_store_failed(fake);
}

static inline int fake_store_sync(void *self)
{
	struct fake_store *fake = self;

	fake->syncs++;
	usleep(fake->slow_sync_ms * 1000);
	fake->is_synced = true;
	return fake_store_failed(fake);
}

static inline struct migrate_store fake_store_init(struct fake_store *fake, const char *id,
						   uint64_t size)
{
	*fake = (struct fake_store){ .data = calloc(1, size), .size = size, .holes = true };
	return (struct migrate_store){
		.id = id,
		.size = size,
		.self = fake,
		.read = fake_store_read,
		.next_data = fake_store_next_data,
		.track = fake_store_track,
		.collect = fake_store_collect,
		.untrack = fake_store_untrack,
		.write = fake_store_write,
		.zero = fake_store_zero,
		.sync = fake_store_sync,
	};
}

static inline void fake_store_finish(struct fake_store *fake)
{
	free(fake->data);
	disk_dirty_finish(&fake->dirty);
}

/* What a guest does. Any thread. */
static inline void fake_store_put(struct fake_store *fake, uint64_t offset, uint8_t byte)
{
	__atomic_store_n(&fake->data[offset], byte, __ATOMIC_RELAXED);
	disk_dirty_mark(&fake->dirty, offset, 1);
}

#endif
