/* SPDX-License-Identifier: Apache-2.0 */
/* Deals memory out to threads by the chunk. */
#include "migrate/copier.h"

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "mem/data.h"
#include "mem/dirty.h"
#include "migrate/pace.h"
#include "migrate/record.h"
#include "migrate/state.h"

/* Pages that a thread takes at a time: KVM's dirty log is cleared for as many by one call. */
#define CHUNK_PAGES 512
#define CHUNK_WORDS (CHUNK_PAGES / 64)

struct piece {
	const struct mem_region *region;
	uint64_t *bitmap;
	uint64_t pages;
	uint64_t first_chunk; /* counted over all regions */
};

struct worker {
	struct copier *copier;
	unsigned index;
	pthread_t thread;
	bool has_thread;
	struct page_sink sink;
	const struct piece *data_of; /* the run of data found last */
	uint64_t data_from, data_to;
};

struct copier {
	struct mem *mem;
	unsigned count;
	struct worker *workers;
	const struct mem_map *map; /* as it was at the beginning: it must not change meanwhile */
	struct piece *pieces;	   /* of its regions */
	size_t piece_count;
	bool skip_zero; /* where it goes, memory began as zeros */
	bool is_still;
	atomic_bool interrupted;
	_Atomic uint64_t pending, copied, loaded;
	struct pace pace; /* stopped by a failure, by an interruption and by the end */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Under lock. */
	unsigned round; /* counts up to start one */
	unsigned busy;	/* workers that have not ended it */
	bool ending;
	int err;
	char err_text[ERROR_TEXT_MAX];
};

void copier_stop(struct copier *copier, int err)
{
	pthread_mutex_lock(&copier->lock);
	if (!copier->err) {
		copier->err = err;
		strncpy(copier->err_text, error_text(err), sizeof(copier->err_text) - 1);
	}
	pthread_mutex_unlock(&copier->lock);
	pace_stop(&copier->pace);
}

void copier_set_bandwidth(struct copier *copier, uint64_t bandwidth)
{
	pace_set_bandwidth(&copier->pace, bandwidth);
}

static uint64_t count_bits(const uint64_t *words, uint64_t count)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < count; i++)
		sum += (uint64_t)__builtin_popcountll(words[i]);
	return sum;
}

/*
 * The next run of data that begins in [offset, end), as far as this worker does not know it yet: what was data
 * once may be taken for data later, while a hole must be seen to be one after the chunk was cleared.
 */
static int next_data(struct worker *worker, const struct piece *piece, uint64_t offset,
		     uint64_t end, uint64_t *ret_from, uint64_t *ret_to)
{
	uint64_t len;
	int r = 1;

	if (worker->data_of != piece || offset < worker->data_from || offset >= worker->data_to) {
		r = mem_next_data(worker->copier->mem, piece->region, end, &offset, &len);
		if (r <= 0)
			return r;
		worker->data_of = piece;
		worker->data_from = offset;
		worker->data_to = offset + len;
	}
	*ret_from = max_u64(offset, worker->data_from);
	*ret_to = worker->data_to;
	return r;
}

/* Leaves the bits of pages that hold data. After the chunk was cleared: what comes later is dirty. */
static int keep_data(struct worker *worker, const struct piece *piece, uint64_t first,
		     uint64_t pages, uint64_t *bits)
{
	uint64_t end = (first + pages) * GUEST_PAGE_SIZE, offset = first * GUEST_PAGE_SIZE;
	uint64_t data[CHUNK_WORDS] = { 0 }, to = 0;
	int r;

	while (offset < end && (r = next_data(worker, piece, offset, end, &offset, &to)) != 0) {
		if (r < 0)
			return r;
		for (; offset < to && offset < end; offset += GUEST_PAGE_SIZE) {
			uint64_t page = offset / GUEST_PAGE_SIZE - first;

			data[page / 64] |= 1ULL << page % 64;
		}
	}
	for (unsigned i = 0; i < CHUNK_WORDS; i++)
		bits[i] &= data[i];
	return 0;
}

static int copy_page(struct worker *worker, const struct piece *piece, uint64_t page)
{
	const uint8_t *from = piece->region->hva + page * GUEST_PAGE_SIZE;
	uint64_t gpa = piece->region->gpa + page * GUEST_PAGE_SIZE;

	if (page_is_zero(from))
		return worker->copier->skip_zero ? 0 :
						   worker->sink.add_zero(worker->sink.self, gpa, 1);
	atomic_fetch_add_explicit(&worker->copier->loaded, 1, memory_order_relaxed);
	return worker->sink.add(worker->sink.self, gpa, from);
}

static int copy_bits(struct worker *worker, const struct piece *piece, uint64_t first,
		     const uint64_t *bits)
{
	int err = 0;

	for (unsigned word = 0; word < CHUNK_WORDS; word++) {
		for (uint64_t left = bits[word]; left && !err; left &= left - 1)
			err = copy_page(worker, piece,
					first + word * 64ULL + (unsigned)__builtin_ctzll(left));
	}
	return err;
}

static int copy_chunk(struct worker *worker, const struct piece *piece, uint64_t chunk)
{
	struct copier *copier = worker->copier;
	uint64_t first = chunk * CHUNK_PAGES;
	uint64_t pages = min_u64(CHUNK_PAGES, piece->pages - first);
	uint64_t words = (pages + 63) / 64;
	uint64_t bits[CHUNK_WORDS] = { 0 };
	uint64_t marked;
	int err;

	memcpy(bits, piece->bitmap + first / 64, words * sizeof(*bits));
	marked = count_bits(bits, words);
	if (!marked)
		return 0;
	err = copier->is_still ? 0 :
				 mem_dirty_clear(copier->mem, piece->region, first, pages,
						 piece->bitmap);
	if (!err && copier->skip_zero)
		err = keep_data(worker, piece, first, pages, bits);
	if (!err && !pace_wait(&copier->pace, count_bits(bits, words) * GUEST_PAGE_SIZE))
		return copier->interrupted ? 0 : -ECANCELED;
	if (!err)
		err = copy_bits(worker, piece, first, bits);
	memset(piece->bitmap + first / 64, 0, words * sizeof(*bits));
	atomic_fetch_sub(&copier->pending, marked);
	atomic_fetch_add(&copier->copied, marked);
	return err;
}

/* Every count-th chunk. Records do not reach from one region into the next. */
static int copy_share(struct worker *worker)
{
	struct copier *copier = worker->copier;
	int err = 0;

	for (size_t i = 0; i < copier->piece_count && !err; i++) {
		const struct piece *piece = &copier->pieces[i];
		uint64_t chunks = (piece->pages + CHUNK_PAGES - 1) / CHUNK_PAGES;

		for (uint64_t chunk = 0; chunk < chunks && !err && !copier->interrupted; chunk++)
			if ((piece->first_chunk + chunk) % copier->count == worker->index)
				err = copy_chunk(worker, piece, chunk);
		if (!err)
			err = worker->sink.flush(worker->sink.self);
	}
	return err;
}

/* Waits for a round later than the one given: its number, or 0 when there will be none. */
static unsigned wait_round(struct copier *copier, unsigned done)
{
	unsigned round;

	pthread_mutex_lock(&copier->lock);
	while (copier->round == done && !copier->ending)
		pthread_cond_wait(&copier->changed, &copier->lock);
	round = copier->ending ? 0 : copier->round;
	pthread_mutex_unlock(&copier->lock);
	return round;
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct copier *copier = worker->copier;
	unsigned round = 0;
	int err;

	while ((round = wait_round(copier, round)) != 0) {
		error_clear();
		err = copy_share(worker);
		if (err)
			copier_stop(copier, err);
		pthread_mutex_lock(&copier->lock);
		copier->busy--;
		pthread_cond_broadcast(&copier->changed);
		pthread_mutex_unlock(&copier->lock);
	}
	return NULL;
}

int copier_round(struct copier *copier)
{
	int err;

	pthread_mutex_lock(&copier->lock);
	if (!copier->err) {
		copier->round++;
		copier->busy = copier->count;
		pthread_cond_broadcast(&copier->changed);
	}
	while (copier->busy)
		pthread_cond_wait(&copier->changed, &copier->lock);
	copier->skip_zero = copier->is_still;
	err = copier->err;
	pthread_mutex_unlock(&copier->lock);
	return err ? because(err, "%s", copier->err_text) : 0;
}

int copier_collect(struct copier *copier)
{
	uint64_t pending = 0;
	int err = 0;

	for (size_t i = 0; i < copier->piece_count && !err; i++) {
		struct piece *piece = &copier->pieces[i];

		err = mem_dirty_collect(copier->mem, piece->region, piece->bitmap);
		pending += count_bits(piece->bitmap, mem_dirty_words(piece->region));
	}
	atomic_store(&copier->pending, pending);
	return err;
}

void copier_interrupt(struct copier *copier)
{
	copier->interrupted = true;
	pace_stop(&copier->pace);
}

void copier_set_still(struct copier *copier)
{
	copier->is_still = true;
	copier->skip_zero = true;
	copier->interrupted = false;
	pace_resume(&copier->pace);
}

int copier_export(const struct copier *copier, struct buffer *bitmaps)
{
	int err = 0;

	for (size_t i = 0; i < copier->piece_count && !err; i++) {
		const struct piece *piece = &copier->pieces[i];

		for (uint64_t word = 0; word < mem_dirty_words(piece->region) && !err; word++) {
			uint64_t bits = htole64(piece->bitmap[word]);

			err = buffer_add(bitmaps, &bits, sizeof(bits));
		}
	}
	return err;
}

int copier_import(struct copier *copier, const struct buffer *bitmaps)
{
	uint64_t words = 0, at = 0, pending = 0;

	for (size_t i = 0; i < copier->piece_count; i++)
		words += mem_dirty_words(copier->pieces[i].region);
	if (bitmaps->size != words * sizeof(uint64_t))
		return because(-EBADMSG, "a bitmap of %zu bytes for %llu words", bitmaps->size,
			       (unsigned long long)words);
	for (size_t i = 0; i < copier->piece_count; i++) {
		struct piece *piece = &copier->pieces[i];

		for (uint64_t page = 0; page < piece->pages; page += 64, at += sizeof(uint64_t)) {
			uint64_t bits = get_u64(bitmaps->data + at);

			if (piece->pages - page < 64)
				bits &= (1ULL << (piece->pages - page)) - 1;
			piece->bitmap[page / 64] = bits;
			pending += (uint64_t)__builtin_popcountll(bits);
		}
	}
	atomic_store(&copier->pending, pending);
	return 0;
}

uint64_t copier_pending(const struct copier *copier)
{
	return atomic_load(&copier->pending);
}

uint64_t copier_copied(const struct copier *copier)
{
	return atomic_load(&copier->copied);
}

uint64_t copier_loaded(const struct copier *copier)
{
	return atomic_load(&copier->loaded);
}

/* One piece a region, all of whose pages are to be copied. */
static int make_pieces(struct copier *copier)
{
	const struct mem_map *map = copier->map;
	uint64_t chunks = 0;

	copier->pieces = calloc(map->count + 1, sizeof(*copier->pieces));
	if (!copier->pieces)
		return -ENOMEM;
	for (size_t i = 0; i < map->count; i++) {
		const struct mem_region *region = mem_map_at(map, i);
		struct piece *piece = &copier->pieces[i];

		piece->region = region;
		piece->pages = region->size / GUEST_PAGE_SIZE;
		piece->first_chunk = chunks;
		piece->bitmap = calloc(mem_dirty_words(region), sizeof(*piece->bitmap));
		if (!piece->bitmap)
			return -ENOMEM;
		copier->piece_count++;
		for (uint64_t page = 0; page < piece->pages; page += 64)
			piece->bitmap[page / 64] = piece->pages - page >= 64 ?
							   ~0ULL :
							   (1ULL << (piece->pages - page)) - 1;
		chunks += (piece->pages + CHUNK_PAGES - 1) / CHUNK_PAGES;
		atomic_fetch_add(&copier->pending, piece->pages);
	}
	return 0;
}

static int start_worker(struct copier *copier, const struct copier_options *options, unsigned i)
{
	struct worker *worker = &copier->workers[i];
	int err;

	worker->copier = copier;
	worker->index = i;
	worker->sink = options->sinks[i];
	err = -pthread_create(&worker->thread, NULL, worker_main, worker);
	worker->has_thread = !err;
	return err ? because(err, "cannot start a thread: %s", strerror(-err)) : 0;
}

int copier_create(const struct copier_options *options, struct copier **ret_copier)
{
	struct copier *copier = calloc(1, sizeof(*copier));
	int err;

	if (!copier)
		return because(-ENOMEM, "out of memory");
	copier->mem = options->mem;
	copier->map = mem_map_get(options->mem);
	copier->count = options->count;
	pace_init(&copier->pace, options->bandwidth);
	copier->skip_zero = true;
	pthread_mutex_init(&copier->lock, NULL);
	pthread_cond_init(&copier->changed, NULL);
	copier->workers = calloc(options->count, sizeof(*copier->workers));
	err = copier->workers ? make_pieces(copier) : -ENOMEM;
	for (unsigned i = 0; i < options->count && !err; i++)
		err = start_worker(copier, options, i);
	if (err) {
		copier_destroy(copier);
		return err;
	}
	*ret_copier = copier;
	return 0;
}

void copier_destroy(struct copier *copier)
{
	if (!copier)
		return;
	pthread_mutex_lock(&copier->lock);
	copier->ending = true;
	pthread_cond_broadcast(&copier->changed);
	pthread_mutex_unlock(&copier->lock);
	pace_stop(&copier->pace);
	for (unsigned i = 0; i < copier->count && copier->workers; i++)
		if (copier->workers[i].has_thread)
			pthread_join(copier->workers[i].thread, NULL);
	for (size_t i = 0; i < copier->piece_count; i++)
		free(copier->pieces[i].bitmap);
	free(copier->pieces);
	mem_map_put(copier->map);
	free(copier->workers);
	pace_finish(&copier->pace);
	pthread_cond_destroy(&copier->changed);
	pthread_mutex_destroy(&copier->lock);
	free(copier);
}
