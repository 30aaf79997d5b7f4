/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of guest memory as records, and back: STREAM.md, section 6. */
#ifndef MIGRATE_PAGES_H
#define MIGRATE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "migrate/copier.h"
#include "migrate/stream.h"

struct mem;
struct pager;
struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

#define PAGES_BATCH 128 /* pages and records that are written at once */

/*
 * Packs pages into records and sends them by the batch. A page is copied before its checksum is taken:
 * the guest may be writing to it.
 */
struct page_packer {
	struct stream stream;
	struct ZSTD_CCtx_s *zstd; /* NULL: not compressed */
	uint8_t *copies;	  /* PAGES_BATCH pages */
	uint8_t *packed;	  /* their compressed forms */
	unsigned copied, count;
	struct page_run {
		uint32_t type;
		uint64_t gpa, pages, word;
		uint8_t *data;
		uint32_t size;
	} runs[PAGES_BATCH];
	uint8_t headers[PAGES_BATCH][RECORD_HEADER_SIZE];
	struct iovec iov[2 * PAGES_BATCH];
};

/* compress: zstd level, 0 for none. -ENOMEM. */
int page_packer_init(struct page_packer *packer, struct stream stream, int compress);
void page_packer_finish(struct page_packer *packer);

/*
 * The packer as a sink. A page's bytes are read once, when it is added; what is ready is written when
 * there is a batch of it.
 */
struct page_sink page_packer_sink(struct page_packer *packer);

/* Puts pages where they belong. */
struct page_unpacker {
	struct mem *mem;
	struct pager *pager; /* NULL: no page is being waited for */
	struct ZSTD_DCtx_s *zstd;
	uint8_t *scratch; /* for what cannot be received in its place */
	uint64_t pages;	  /* how many arrived */
	_Atomic uint64_t *arrived; /* of several unpackers together; NULL: nobody asks */
};

/* -ENOMEM. pager may be NULL. */
int page_unpacker_init(struct page_unpacker *unpacker, struct mem *mem, struct pager *pager);
void page_unpacker_finish(struct page_unpacker *unpacker);

/*
 * Receives the payload of a record of pages and puts it into memory. What a damaged record wrote is
 * undefined: the memory must not be used after a failure.
 *   -EBADMSG  not pages of this memory, or damaged; and those of the stream
 */
int page_unpacker_receive(struct page_unpacker *unpacker, const struct stream *stream,
			  const struct record *record);
/* Whether a record is one of pages. */
bool page_record(const struct record *record);

#endif
