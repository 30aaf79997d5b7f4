/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what may be data, tells the rest as zeros, and waits for the other side now and then. */
#include "migrate/store_copier.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include <ferry/error.h>

#include "base/clock.h"
#include "base/util.h"
#include "io/channel.h"
#include "mem/data.h"
#include "migrate/pace.h"
#include "migrate/stores.h"

#define BLOCK MIGRATE_STORE_BLOCK

/* What is read at a time. */
#define CHUNK_BLOCKS (MIB / BLOCK)

/*
 * So many bytes of data, and of zeros, are under way before the other side has answered that it has
 * them: a disk that takes long does not let the connection look dead, nor have much to do at the end.
 */
#define DATA_AHEAD (64 * MIB)
#define ZERO_AHEAD (4 * GIB)

/* Bytes in a round from which on its speed is one. */
#define ROUND_TELLING (4 * MIB)

struct part {
	const struct migrate_store *store;
	unsigned number;
	bool is_tracked;
	uint64_t blocks;
	uint64_t *bitmap; /* a bit a block: to be copied */
	uint64_t data_from, data_to; /* the run of data found last */
};

struct store_copier {
	const struct migrate_guest *guest;
	struct channel *channel;
	struct stream stream;
	struct part *parts; /* one a store */
	uint8_t *chunk;
	struct pace pace;
	uint64_t data_ahead, zero_ahead; /* bytes that were not answered for */
	uint64_t rate;			 /* bytes a second; 0: not known */
	_Atomic uint64_t pending, copied, loaded;
};

static uint64_t bytes_of(const struct part *part, uint64_t first, uint64_t end)
{
	return min_u64(end * BLOCK, part->store->size) - first * BLOCK;
}

static bool is_set(const struct part *part, uint64_t block)
{
	return part->bitmap[block / 64] >> block % 64 & 1;
}

static uint64_t count_pending(const struct store_copier *copier)
{
	uint64_t pending = 0;

	for (unsigned i = 0; i < copier->guest->store_count; i++) {
		const struct part *part = &copier->parts[i];
		uint64_t set = 0;

		for (uint64_t block = 0; block < part->blocks; block += 64)
			set += (uint64_t)__builtin_popcountll(part->bitmap[block / 64]);
		pending += set * BLOCK;
		if (is_set(part, part->blocks - 1))
			pending -= part->blocks * BLOCK - part->store->size;
	}
	return pending;
}

static int send(struct store_copier *copier, const struct part *part, uint64_t first, uint64_t end,
		const uint8_t *data)
{
	uint64_t len = bytes_of(part, first, end);

	return stream_send(&copier->stream, RECORD_DISK_BLOCKS, first * BLOCK,
			   (uint64_t)part->number << STORE_NUMBER_SHIFT | len, data, data ? len : 0);
}

static int sync(struct store_copier *copier)
{
	struct record record;
	int r;

	if (!copier->data_ahead && !copier->zero_ahead)
		return 0;
	copier->data_ahead = copier->zero_ahead = 0;
	r = stream_send(&copier->stream, RECORD_DISK_SYNC, 0, 0, NULL, 0);
	/* As long as the other side's disk takes; a side that is gone ends the connection. */
	if (r == 0)
		r = channel_wait_readable(copier->channel, -1);
	return r < 0 ? r : stream_expect(&copier->stream, RECORD_DISK_SYNC, &record);
}

static int may_send(struct store_copier *copier, uint64_t bytes)
{
	int err = 0;

	if (copier->data_ahead >= DATA_AHEAD || copier->zero_ahead >= ZERO_AHEAD)
		err = sync(copier);
	if (!err && !pace_wait(&copier->pace, bytes))
		err = because(-ECANCELED, "cancelled");
	return err;
}

static bool is_zero(const uint8_t *data, uint64_t len)
{
	uint64_t at = 0;

	for (; at + GUEST_PAGE_SIZE <= len; at += GUEST_PAGE_SIZE)
		if (!page_is_zero(data + at))
			return false;
	for (; at < len; at++)
		if (data[at])
			return false;
	return true;
}

static int copy_zeros(struct store_copier *copier, const struct part *part, uint64_t first,
		      uint64_t end)
{
	int err = may_send(copier, 0);

	copier->zero_ahead += bytes_of(part, first, end);
	return err ? err : send(copier, part, first, end, NULL);
}

/* Zeros that take up room here take up none there. */
static int copy_data(struct store_copier *copier, const struct part *part, uint64_t first, uint64_t end)
{
	const struct migrate_store *store = part->store;
	uint64_t len = bytes_of(part, first, end);
	int err = may_send(copier, len);

	if (!err)
		err = store->read(store->self, first * BLOCK, copier->chunk, len);
	for (uint64_t from = first, to; from < end && !err; from = to) {
		const uint8_t *data = copier->chunk + (from - first) * BLOCK;
		bool zero = is_zero(data, bytes_of(part, from, from + 1));

		for (to = from + 1; to < end; to++)
			if (is_zero(data + (to - from) * BLOCK, bytes_of(part, to, to + 1)) != zero)
				break;
		err = send(copier, part, from, to, zero ? NULL : data);
	}
	copier->data_ahead += len;
	atomic_fetch_add_explicit(&copier->loaded, len, memory_order_relaxed);
	return err;
}

/*
 * Where data begins at or behind a block that is marked, and where it ends. Only data is remembered: what
 * was a hole in an earlier round may be none any more.
 */
static int next_data(struct part *part, uint64_t first, uint64_t *ret_from, uint64_t *ret_to)
{
	uint64_t offset = first * BLOCK, len;
	int r = 1;

	if (offset < part->data_from || offset >= part->data_to) {
		r = part->store->next_data(part->store->self, &offset, &len);
		if (r <= 0)
			return r;
		part->data_from = align_down(offset, BLOCK);
		part->data_to = align_up(offset + len, BLOCK);
	}
	*ret_from = max_u64(part->data_from / BLOCK, first);
	*ret_to = part->data_to / BLOCK;
	return r;
}

/* Of the blocks from first to end, which all are to be copied, those that go at once. */
static int copy_some(struct store_copier *copier, struct part *part, uint64_t first, uint64_t end,
		     uint64_t *ret_end)
{
	uint64_t from = end, to = end;
	int r = next_data(part, first, &from, &to);

	if (r < 0)
		return r;
	if (from > first) {
		*ret_end = min_u64(min_u64(from, end), first + ZERO_AHEAD / BLOCK);
		return copy_zeros(copier, part, first, *ret_end);
	}
	*ret_end = min_u64(min_u64(to, end), first + CHUNK_BLOCKS);
	return copy_data(copier, part, first, *ret_end);
}

static void set_done(struct store_copier *copier, struct part *part, uint64_t first, uint64_t end)
{
	uint64_t bytes = bytes_of(part, first, end);

	for (uint64_t block = first; block < end; block++)
		part->bitmap[block / 64] &= ~(1ULL << block % 64);
	atomic_fetch_sub(&copier->pending, bytes);
	atomic_fetch_add(&copier->copied, bytes);
}

static int copy_part(struct store_copier *copier, struct part *part)
{
	uint64_t first = 0, end, done = 0;
	int err = 0;

	while (first < part->blocks && !err) {
		if (first % 64 == 0 && !part->bitmap[first / 64]) {
			first += 64;
			continue;
		}
		for (end = first; end < part->blocks && is_set(part, end); end++)
			;
		for (; first < end && !err; first = done) {
			err = copy_some(copier, part, first, end, &done);
			if (!err)
				set_done(copier, part, first, done);
		}
		first = end + 1;
	}
	return err;
}

int store_copier_round(struct store_copier *copier)
{
	uint64_t begun = clock_now(), loaded = copier->loaded;
	int err = 0;

	for (unsigned i = 0; i < copier->guest->store_count && !err; i++)
		err = copy_part(copier, &copier->parts[i]);
	if (!err)
		err = sync(copier);
	loaded = copier->loaded - loaded;
	if (loaded >= ROUND_TELLING || (loaded && !copier->rate))
		copier->rate = (uint64_t)((double)loaded * 1e9 /
					  (double)max_u64(clock_now() - begun, 1000));
	return err;
}

void store_copier_collect(struct store_copier *copier)
{
	for (unsigned i = 0; i < copier->guest->store_count; i++) {
		const struct part *part = &copier->parts[i];

		part->store->collect(part->store->self, part->bitmap);
	}
	atomic_store(&copier->pending, count_pending(copier));
}

void store_copier_stop(struct store_copier *copier)
{
	pace_stop(&copier->pace);
}

uint64_t store_copier_pending(const struct store_copier *copier)
{
	return atomic_load(&copier->pending);
}

uint64_t store_copier_copied(const struct store_copier *copier)
{
	return atomic_load(&copier->copied);
}

uint64_t store_copier_loaded(const struct store_copier *copier)
{
	return atomic_load(&copier->loaded);
}

uint64_t store_copier_expected_ns(const struct store_copier *copier)
{
	return (uint64_t)((double)store_copier_pending(copier) * 1e9 /
			  (double)max_u64(copier->rate, 1));
}

static int begin_part(struct part *part, const struct migrate_store *store, unsigned number)
{
	int err;

	*part = (struct part){ .store = store, .number = number };
	part->blocks = (store->size + BLOCK - 1) / BLOCK;
	part->bitmap = calloc((part->blocks + 63) / 64, sizeof(*part->bitmap));
	if (!part->bitmap)
		return because(-ENOMEM, "out of memory");
	for (uint64_t block = 0; block < part->blocks; block++)
		part->bitmap[block / 64] |= 1ULL << block % 64;
	err = store->track(store->self);
	part->is_tracked = !err;
	return err;
}

int store_copier_create(const struct migrate_guest *guest, struct channel *channel, uint64_t bandwidth,
			struct store_copier **ret_copier)
{
	struct store_copier *copier = calloc(1, sizeof(*copier));
	int err = 0;

	if (!copier)
		return because(-ENOMEM, "out of memory");
	copier->guest = guest;
	copier->channel = channel;
	copier->stream = stream_of_channel(channel);
	pace_init(&copier->pace, bandwidth);
	copier->parts = calloc(guest->store_count + 1, sizeof(*copier->parts));
	copier->chunk = aligned_alloc(BLOCK, CHUNK_BLOCKS * BLOCK);
	if (!copier->parts || !copier->chunk)
		err = because(-ENOMEM, "out of memory");
	for (unsigned i = 0; i < guest->store_count && !err; i++)
		err = begin_part(&copier->parts[i], &guest->stores[i], i);
	if (err) {
		store_copier_destroy(copier);
		return err;
	}
	copier->pending = stores_total(guest);
	*ret_copier = copier;
	return 0;
}

void store_copier_destroy(struct store_copier *copier)
{
	if (!copier)
		return;
	for (unsigned i = 0; i < copier->guest->store_count && copier->parts; i++) {
		const struct part *part = &copier->parts[i];

		if (part->is_tracked)
			part->store->untrack(part->store->self);
		free(part->bitmap);
	}
	free(copier->parts);
	free(copier->chunk);
	pace_finish(&copier->pace);
	free(copier);
}
