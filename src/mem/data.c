/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where memory has data: what its file has pages for, and for a private mapping also what was
 * copied on a write since (Documentation/admin-guide/mm/pagemap.rst).
 */
#include "mem/data.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "mem/mem_impl.h"

#define PAGEMAP_FILE	(1ULL << 61) /* the page is the file's, not a copy */
#define PAGEMAP_SWAPPED (1ULL << 62)
#define PAGEMAP_PRESENT (1ULL << 63)

/* What the compiler cuts into the widest registers that it may use. */
typedef uint64_t vector __attribute__((vector_size(64)));

/* Most pages that are not zero show it in the first line; the others are not read further than the
 * block that shows it. */
bool page_is_zero(const void *page)
{
	const vector *at = page;
	const vector *end = at + GUEST_PAGE_SIZE / sizeof(*at);

	for (; at < end; at += 4) {
		vector sum = at[0] | at[1] | at[2] | at[3];

		if ((sum[0] | sum[1] | sum[2] | sum[3] | sum[4] | sum[5] | sum[6] | sum[7]) != 0)
			return false;
	}
	return true;
}

/* The end of a run is looked for last: the kernel finds it page by page. */
int mem_next_in_file(int fd, uint64_t from, uint64_t before, uint64_t end, uint64_t *ret_from,
		     uint64_t *ret_to)
{
	off_t data = lseek(fd, (off_t)from, SEEK_DATA);
	off_t hole;

	if (data < 0)
		return errno == ENXIO ? 0 : -errno;
	if ((uint64_t)data >= before)
		return 0;
	hole = lseek(fd, data, SEEK_HOLE);
	if (hole < 0)
		return -errno;
	*ret_from = align_down((uint64_t)data, GUEST_PAGE_SIZE);
	*ret_to = min_u64(align_up((uint64_t)hole, GUEST_PAGE_SIZE), end);
	return 1;
}

static bool is_copied(uint64_t entry)
{
	return (entry & PAGEMAP_SWAPPED) ||
	       (entry & (PAGEMAP_PRESENT | PAGEMAP_FILE)) == PAGEMAP_PRESENT;
}

/* The next run of pages in [from, end) that are the mapping's own. */
static int next_copied(int pagemap, const uint8_t *from, const uint8_t *end,
		       const uint8_t **ret_from, const uint8_t **ret_to)
{
	uint64_t entries[512];
	const uint8_t *first = NULL;

	while (from < end) {
		uint64_t pages =
			min_u64((uint64_t)(end - from) / GUEST_PAGE_SIZE, ARRAY_SIZE(entries));
		ssize_t n = pread(pagemap, entries, pages * sizeof(entries[0]),
				  (off_t)((uintptr_t)from / GUEST_PAGE_SIZE * sizeof(entries[0])));

		if (n < (ssize_t)sizeof(entries[0]))
			return n < 0 ? -errno : -EIO;
		pages = (uint64_t)n / sizeof(entries[0]);
		for (uint64_t i = 0; i < pages; i++, from += GUEST_PAGE_SIZE) {
			if (is_copied(entries[i]) && !first)
				first = from;
			if (!is_copied(entries[i]) && first)
				goto found;
		}
	}
	if (!first)
		return 0;
found:
	*ret_from = first;
	*ret_to = from;
	return 1;
}

/*
 * The file's next data or a copied page before it. Only holes of the file are looked up in the page
 * tables; a run may be told in parts.
 */
static int next_private(const struct mem *mem, const struct mem_region *region, uint64_t before,
			uint64_t *offset, uint64_t *ret_len)
{
	uint64_t from = 0, to = 0, end = region->offset + before;
	const uint8_t *first = NULL, *last = NULL;
	int r = mem_next_in_file(mem->file, region->offset + *offset, end,
				 region->offset + region->size, &from, &to);

	if (r < 0)
		return r;
	if (r == 0)
		from = to = end;
	if (mem->pagemap < 0) {
		*ret_len = region->size - *offset;
		return 1;
	}
	r = next_copied(mem->pagemap, region->hva + *offset, region->hva + (from - region->offset),
			&first, &last);
	if (r < 0)
		return r;
	if (r == 1) {
		*offset = (uint64_t)(first - region->hva);
		*ret_len = (uint64_t)(last - first);
		return 1;
	}
	*offset = from - region->offset;
	*ret_len = to - from;
	return from < end;
}

int mem_next_data(const struct mem *mem, const struct mem_region *region, uint64_t before,
		  uint64_t *offset, uint64_t *ret_len)
{
	uint64_t from = 0, to = 0;
	int r;

	if (*offset >= before)
		return 0;
	if (region->flags & MEM_PRIVATE)
		return next_private(mem, region, before, offset, ret_len);
	r = mem_next_in_file(mem->memfd, region->offset + *offset, region->offset + before,
			     region->offset + region->size, &from, &to);
	if (r == 1) {
		*offset = from - region->offset;
		*ret_len = to - from;
	}
	return r;
}

static int clear(const struct mem *mem, const struct mem_region *region, uint64_t at, uint64_t end)
{
	uint64_t run;
	int r;

	while ((r = mem_next_data(mem, region, end, &at, &run)) == 1)
		for (uint64_t to = min_u64(at + run, end); at < to; at += GUEST_PAGE_SIZE)
			if (!page_is_zero(region->hva + at))
				memset(region->hva + at, 0, GUEST_PAGE_SIZE);
	return r;
}

int mem_clear(struct mem *mem, gpa_t gpa, uint64_t len)
{
	unsigned look = mem_look_begin(mem);
	const struct mem_region *region = mem_map_find(mem_map(mem), gpa);
	int r = -EFAULT;

	if (region && len <= region->size - (gpa - region->gpa))
		r = clear(mem, region, gpa - region->gpa, gpa - region->gpa + len);
	mem_look_end(mem, look);
	return r;
}
