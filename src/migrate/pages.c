/* SPDX-License-Identifier: Apache-2.0 */
/* Finds out what a page holds, and says it in as few bytes as pays. */
#include "migrate/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include <ferry/error.h>

#include "base/util.h"
#include "mem/data.h"
#include "mem/mem.h"
#include "mem/pager.h"
#include "migrate/state.h"

/* The unpacker's scratch: what was received, and what it expands to. */
#define SCRATCH_HALF (RECORD_PAYLOAD_MAX)

#define PACKED_SIZE ZSTD_COMPRESSBOUND(PAGES_BATCH * GUEST_PAGE_SIZE)

int page_packer_init(struct page_packer *packer, struct stream stream, int compress)
{
	*packer = (struct page_packer){ .stream = stream };
	packer->copies = aligned_alloc(GUEST_PAGE_SIZE, PAGES_BATCH * GUEST_PAGE_SIZE);
	if (compress) {
		packer->zstd = ZSTD_createCCtx();
		packer->packed = malloc(PACKED_SIZE);
		if (packer->zstd)
			ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_compressionLevel, compress);
	}
	if (packer->copies && (!compress || (packer->zstd && packer->packed)))
		return 0;
	page_packer_finish(packer);
	return because(-ENOMEM, "out of memory");
}

void page_packer_finish(struct page_packer *packer)
{
	ZSTD_freeCCtx(packer->zstd);
	free(packer->packed);
	free(packer->copies);
	*packer = (struct page_packer){ 0 };
}

/* Runs that compress well become what they compress to. */
static void compress_runs(struct page_packer *packer)
{
	uint8_t *to = packer->packed;

	for (unsigned i = 0; i < packer->count; i++) {
		struct page_run *run = &packer->runs[i];
		size_t room = PACKED_SIZE - (size_t)(to - packer->packed);
		size_t size;

		if (run->type != RECORD_PAGES)
			continue;
		size = ZSTD_compress2(packer->zstd, to, room, run->data, run->size);
		if (ZSTD_isError(size) || size >= run->size - run->size / 8)
			continue;
		run->type = RECORD_ZSTD;
		run->data = to;
		run->size = (uint32_t)size;
		to += size;
	}
}

static int flush(void *self)
{
	struct page_packer *packer = self;
	unsigned n = 0;
	int err;

	if (!packer->count)
		return 0;
	if (packer->zstd)
		compress_runs(packer);
	for (unsigned i = 0; i < packer->count; i++) {
		struct page_run *run = &packer->runs[i];
		struct record record = {
			.type = run->type,
			.size = run->size,
			.a = run->gpa,
			.b = run->pages,
			.payload_sum = record_sum(run->data, run->size),
		};

		record_encode(packer->headers[i], &record);
		packer->iov[n++] = (struct iovec){ packer->headers[i], RECORD_HEADER_SIZE };
		if (run->size)
			packer->iov[n++] = (struct iovec){ run->data, run->size };
	}
	err = packer->stream.write(packer->stream.self, packer->iov, n);
	packer->count = packer->copied = 0;
	return err;
}

/* Makes the last run longer if the page continues it; else begins one. word tells repeated runs apart. */
static struct page_run *run_for(struct page_packer *packer, uint32_t type, uint64_t gpa,
				uint64_t word)
{
	struct page_run *last = packer->count ? &packer->runs[packer->count - 1] : NULL;

	if (last && last->type == type && last->word == word &&
	    last->gpa + last->pages * GUEST_PAGE_SIZE == gpa)
		return last;
	last = &packer->runs[packer->count++];
	*last = (struct page_run){ .type = type, .gpa = gpa, .word = word };
	return last;
}

static int add_zero(void *self, uint64_t gpa, uint64_t pages)
{
	struct page_packer *packer = self;
	int err = packer->count == PAGES_BATCH ? flush(packer) : 0;

	if (!err)
		run_for(packer, RECORD_ZERO, gpa, 0)->pages += pages;
	return err;
}

/* All its words are the same: it equals itself moved by one. */
static bool is_repeated(const uint8_t *page)
{
	return memcmp(page, page + sizeof(uint64_t), GUEST_PAGE_SIZE - sizeof(uint64_t)) == 0;
}

static int add(void *self, uint64_t gpa, const void *page)
{
	struct page_packer *packer = self;
	uint8_t *copy;
	struct page_run *run;
	uint64_t word;
	int err = 0;

	if (packer->count == PAGES_BATCH || packer->copied == PAGES_BATCH)
		err = flush(packer);
	if (err)
		return err;
	copy = packer->copies + packer->copied * GUEST_PAGE_SIZE;
	memcpy(copy, page, GUEST_PAGE_SIZE);
	memcpy(&word, copy, sizeof(word));
	if (!is_repeated(copy)) {
		run = run_for(packer, RECORD_PAGES, gpa, 0);
		if (!run->pages)
			run->data = copy;
		run->size += GUEST_PAGE_SIZE;
		packer->copied++;
	} else if (!word) {
		run = run_for(packer, RECORD_ZERO, gpa, 0);
	} else {
		run = run_for(packer, RECORD_REPEATED, gpa, word);
		run->data = (uint8_t *)&run->word;
		run->size = sizeof(run->word);
	}
	run->pages++;
	return 0;
}

struct page_sink page_packer_sink(struct page_packer *packer)
{
	return (struct page_sink){ .add = add, .add_zero = add_zero, .flush = flush, .self = packer };
}

int page_unpacker_init(struct page_unpacker *unpacker, struct mem *mem, struct pager *pager)
{
	*unpacker = (struct page_unpacker){ .mem = mem, .pager = pager };
	unpacker->zstd = ZSTD_createDCtx();
	unpacker->scratch = aligned_alloc(GUEST_PAGE_SIZE, (size_t)2 * SCRATCH_HALF);
	if (unpacker->zstd && unpacker->scratch)
		return 0;
	page_unpacker_finish(unpacker);
	return because(-ENOMEM, "out of memory");
}

void page_unpacker_finish(struct page_unpacker *unpacker)
{
	ZSTD_freeDCtx(unpacker->zstd);
	free(unpacker->scratch);
	*unpacker = (struct page_unpacker){ 0 };
}

bool page_record(const struct record *record)
{
	return record->type >= RECORD_PAGES && record->type <= RECORD_ZSTD;
}

/* Where the record's pages belong; NULL: not in memory, or not of the size it says. */
static uint8_t *place_of(const struct page_unpacker *unpacker, const struct record *record)
{
	uint64_t bytes = record->b * GUEST_PAGE_SIZE;

	if (!is_aligned(record->a, GUEST_PAGE_SIZE) || !record->b ||
	    record->b > UINT64_MAX / GUEST_PAGE_SIZE)
		return NULL;
	if (record->type == RECORD_PAGES && record->size != bytes)
		return NULL;
	if ((record->type == RECORD_PAGES || record->type == RECORD_ZSTD) && bytes > SCRATCH_HALF)
		return NULL;
	return (uint8_t *)mem_ptr(unpacker->mem, record->a, bytes);
}

static void repeat(uint8_t *to, uint64_t bytes, const uint8_t *word)
{
	for (uint64_t i = 0; i < bytes; i += sizeof(uint64_t))
		memcpy(to + i, word, sizeof(uint64_t));
}

static int expand(struct page_unpacker *unpacker, const struct record *record, uint8_t *to)
{
	uint64_t bytes = record->b * GUEST_PAGE_SIZE;
	size_t size = ZSTD_decompressDCtx(unpacker->zstd, to, bytes, unpacker->scratch,
					  record->size);

	if (ZSTD_isError(size) || size != bytes)
		return because(-EBADMSG, "compressed pages do not expand to what they should");
	return 0;
}

static int receive_in_place(struct page_unpacker *unpacker, const struct stream *stream,
			    const struct record *record, uint8_t *to)
{
	int err;

	if (record->type == RECORD_PAGES) {
		/* One call for all pages, instead of a fault for each while they are received. */
		mem_populate_pages(unpacker->mem, record->a, record->size);
		return stream_receive_payload(stream, record, to);
	}
	err = stream_receive_payload(stream, record, unpacker->scratch);
	if (err)
		return err;
	if (record->type == RECORD_ZSTD)
		return expand(unpacker, record, to);
	if (record->type == RECORD_ZERO)
		return mem_clear(unpacker->mem, record->a, record->b * GUEST_PAGE_SIZE);
	repeat(to, record->b * GUEST_PAGE_SIZE, unpacker->scratch);
	return 0;
}

/* Pages that a guest may wait for appear whole, or not at all. */
static int receive_and_place(struct page_unpacker *unpacker, const struct stream *stream,
			     const struct record *record)
{
	struct pager *pager = unpacker->pager;
	uint8_t *expanded = unpacker->scratch + SCRATCH_HALF;
	int err = stream_receive_payload(stream, record, unpacker->scratch);

	if (err)
		return err;
	if (record->type == RECORD_PAGES)
		return pager_place(pager, record->a, unpacker->scratch, record->b);
	if (record->type == RECORD_ZERO)
		return pager_place_zero(pager, record->a, record->b);
	if (record->type == RECORD_ZSTD) {
		err = expand(unpacker, record, expanded);
		return err ? err : pager_place(pager, record->a, expanded, record->b);
	}
	repeat(expanded, GUEST_PAGE_SIZE, unpacker->scratch);
	for (uint64_t i = 0; i < record->b && !err; i++)
		err = pager_place(pager, record->a + i * GUEST_PAGE_SIZE, expanded, 1);
	return err;
}

int page_unpacker_receive(struct page_unpacker *unpacker, const struct stream *stream,
			  const struct record *record)
{
	uint8_t *to = place_of(unpacker, record);
	int err;

	if (!to)
		return because(-EBADMSG, "%llu pages at %#llx, where this VM has no such memory",
			       (unsigned long long)record->b, (unsigned long long)record->a);
	if (unpacker->pager)
		err = receive_and_place(unpacker, stream, record);
	else
		err = receive_in_place(unpacker, stream, record, to);
	if (err)
		return err;
	unpacker->pages += record->b;
	if (unpacker->arrived)
		*unpacker->arrived += record->b;
	return 0;
}
