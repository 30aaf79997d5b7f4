/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, writing and giving back guest memory. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include <ferry/error.h>

#include "base/util.h"
#include "mem/data.h"
#include "mem/dirty.h"
#include "mem/mem_impl.h"

/* How often a huge page that somebody looks at just then is tried to be split. */
#define DROP_TRIES 100

/* linux/mman.h of 6.1 and 5.14 */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

const struct mem_region *mem_find_same(const struct mem *mem, const struct mem_region *region)
{
	const struct mem_region *same = mem_map_find(mem_map(mem), region->gpa);

	return same && same->id == region->id ? same : NULL;
}

void *mem_map_ptr(const struct mem_map *map, gpa_t gpa, uint64_t len, bool writable)
{
	const struct mem_region *region = mem_map_find(map, gpa);

	if (!region || !len || (writable && (region->flags & MEM_READONLY)) ||
	    !range_inside(gpa - region->gpa, len, region->size))
		return NULL;
	return region->hva + (gpa - region->gpa);
}

static void *pointer(const struct mem *mem, gpa_t gpa, uint64_t len, bool writable)
{
	unsigned look = mem_look_begin(mem);
	void *hva = mem_map_ptr(mem_map(mem), gpa, len, writable);

	mem_look_end(mem, look);
	return hva;
}

const void *mem_ptr(const struct mem *mem, gpa_t gpa, uint64_t len)
{
	return pointer(mem, gpa, len, false);
}

void *mem_ptr_rw(struct mem *mem, gpa_t gpa, uint64_t len)
{
	return pointer(mem, gpa, len, true);
}

/* Calls fn for each piece of [gpa, gpa + len) after making sure that all of it is memory. */
static int for_each_piece(const struct mem_map *map, gpa_t gpa, uint64_t len,
			  int (*fn)(const struct mem_region *region, uint64_t offset, uint64_t size,
				    void *arg),
			  void *arg)
{
	for (int pass = 0; pass < 2; pass++) {
		for (uint64_t done = 0; done < len;) {
			const struct mem_region *region = mem_map_find(map, gpa + done);
			uint64_t offset, size;
			int r = 0;

			if (!region || gpa + done < gpa)
				return because(-EFAULT, "%#llx is not guest memory",
					       (unsigned long long)(gpa + done));
			offset = gpa + done - region->gpa;
			size = min_u64(len - done, region->size - offset);
			if (pass == 1)
				r = fn(region, offset, size, arg);
			if (r < 0)
				return r;
			done += size;
		}
	}
	return 0;
}

struct write {
	struct mem *mem;
	const uint8_t *from;
};

static int copy_out(const struct mem_region *region, uint64_t offset, uint64_t size, void *arg)
{
	uint8_t **buf = arg;

	memcpy(*buf, region->hva + offset, size);
	*buf += size;
	return 0;
}

static int copy_in(const struct mem_region *region, uint64_t offset, uint64_t size, void *arg)
{
	struct write *write = arg;

	memcpy(region->hva + offset, write->from, size);
	write->from += size;
	if (mem_is_tracked(write->mem))
		mem_mark_region(region, offset, size);
	return 0;
}

int mem_read(const struct mem *mem, gpa_t gpa, void *buf, uint64_t len)
{
	unsigned look = mem_look_begin(mem);
	uint8_t *at = buf;
	int r = for_each_piece(mem_map(mem), gpa, len, copy_out, &at);

	mem_look_end(mem, look);
	return r;
}

int mem_write(struct mem *mem, gpa_t gpa, const void *buf, uint64_t len)
{
	unsigned look = mem_look_begin(mem);
	struct write write = { .mem = mem, .from = buf };
	int r = for_each_piece(mem_map(mem), gpa, len, copy_in, &write);

	mem_look_end(mem, look);
	return r;
}

int mem_punch(const struct mem *mem, const struct mem_region *region, uint64_t offset,
	      uint64_t size)
{
	int r = fallocate(mem->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)(region->offset + offset), (off_t)size);

	return r < 0 ? -errno : 0;
}

int mem_discard_pages(struct mem *mem, const struct mem_region *region, uint64_t offset,
		      uint64_t size)
{
	int r;

	if (region->flags & MEM_PRIVATE)
		r = mem_discard_private(mem, region, offset, size);
	else if (mem->pager && pager_has(mem->pager, region))
		r = pager_discard(mem->pager, region, offset, size);
	else
		r = mem_punch(mem, region, offset, size);
	if (mem_is_tracked(mem))
		mem_mark_region(region, offset, size);
	return r;
}

static int discard(const struct mem_region *region, uint64_t offset, uint64_t size, void *arg)
{
	struct mem *mem = arg;
	uint64_t first = align_up(offset, mem->page_size);
	uint64_t end = align_down(offset + size, mem->page_size);

	return first < end ? mem_discard_pages(mem, region, first, end - first) : 0;
}

int mem_discard(struct mem *mem, gpa_t gpa, uint64_t len)
{
	int r;

	pthread_mutex_lock(&mem->lock);
	r = for_each_piece(mem_map(mem), gpa, len, discard, mem);
	pthread_mutex_unlock(&mem->lock);
	return r;
}

/* A huge page is split for it; where that does not come about, its part is only zero. */
static int drop_pages(struct mem *mem, const struct mem_region *region, uint64_t offset,
		      uint64_t size)
{
	for (int i = 0; i < DROP_TRIES; i++) {
		uint64_t at = offset, len;
		int r = mem_punch(mem, region, offset, size);

		if (r == 0)
			r = mem_next_data(mem, region, offset + size, &at, &len);
		if (r < 0)
			return because(r, "cannot drop memory %s: %s", region->name, strerror(-r));
		if (r == 0)
			return 0;
		sched_yield();
	}
	return because(-EBUSY, "memory %s: a huge page cannot be dropped in part", region->name);
}

static int drop_locked(struct mem *mem, gpa_t gpa, uint64_t len)
{
	const struct mem_region *region = mem_map_find(mem_map(mem), gpa);

	if (!region || !is_aligned(gpa | len, GUEST_PAGE_SIZE) ||
	    !range_inside(gpa - region->gpa, len, region->size))
		return because(-EFAULT, "no %llu bytes of memory at %#llx to be dropped",
			       (unsigned long long)len, (unsigned long long)gpa);
	if (mem->page_size != GUEST_PAGE_SIZE || (region->flags & MEM_PRIVATE))
		return because(-EOPNOTSUPP, "memory %s has no pages that could be missing",
			       region->name);
	return len ? drop_pages(mem, region, gpa - region->gpa, len) : 0;
}

int mem_drop(struct mem *mem, gpa_t gpa, uint64_t len)
{
	int r;

	pthread_mutex_lock(&mem->lock);
	r = drop_locked(mem, gpa, len);
	pthread_mutex_unlock(&mem->lock);
	return r;
}

/*
 * A piece of the file without any page is not collapsed: there must be one in each. The guest may
 * be writing, so touching must not change what it finds.
 */
static bool collapse(uint8_t *from, const uint8_t *to)
{
	for (uint8_t *at = from; at < to; at += HUGE_PAGE_SIZE)
		__atomic_fetch_or(at, 0, __ATOMIC_RELAXED);
	return madvise(from, (size_t)(to - from), MADV_COLLAPSE) == 0;
}

static void populate_pages(const struct mem_region *region, gpa_t gpa, uint64_t len)
{
	gpa_t first = align_down(gpa, GUEST_PAGE_SIZE);
	gpa_t end = gpa + min_u64(len, region->gpa + region->size - gpa);

	madvise(region->hva + (first - region->gpa), end - first, MADV_POPULATE_WRITE);
}

static void populate(const struct mem_region *region, gpa_t gpa, uint64_t len)
{
	gpa_t end = gpa + min_u64(len, region->gpa + region->size - gpa);
	gpa_t first = max_u64(align_down(gpa, HUGE_PAGE_SIZE), region->gpa);

	if (!(region->flags & MEM_PRIVATE) &&
	    is_aligned(region->gpa | region->size, HUGE_PAGE_SIZE) &&
	    collapse(region->hva + (first - region->gpa),
		     region->hva + (align_up(end, HUGE_PAGE_SIZE) - region->gpa)))
		return;
	populate_pages(region, gpa, len);
}

static void populate_with(struct mem *mem, gpa_t gpa, uint64_t len,
			  void (*fn)(const struct mem_region *region, gpa_t gpa, uint64_t len))
{
	unsigned look = mem_look_begin(mem);
	const struct mem_region *region = mem_map_find(mem_map(mem), gpa);

	if (region && len && mem->page_size == GUEST_PAGE_SIZE)
		fn(region, gpa, len);
	mem_look_end(mem, look);
}

void mem_populate_pages(struct mem *mem, gpa_t gpa, uint64_t len)
{
	populate_with(mem, gpa, len, populate_pages);
}

void mem_populate(struct mem *mem, gpa_t gpa, uint64_t len)
{
	populate_with(mem, gpa, len, populate);
}
