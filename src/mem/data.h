/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the memory that is not zero without reading all of it. */
#ifndef MEM_DATA_H
#define MEM_DATA_H

#include "mem/mem.h"

/*
 * The next run of whole pages that may hold something else than zeros, and that begins at *offset in
 * the region or behind it, but before another offset (at most the region's size): 1, and *offset is
 * moved to where it begins and *ret_len is its length; 0: there is none; -errno. What is not told is
 * zero, unless it is written meanwhile (mem/dirty.h tells that). Finding where a run ends takes time in
 * proportion to its length; a run that begins too late costs none of that.
 */
int mem_next_data(const struct mem *mem, const struct mem_region *region, uint64_t before,
		  uint64_t *offset, uint64_t *ret_len);

/*
 * Makes [gpa, gpa + len), whole pages inside one region, read as zeros. What has no page gets none: to
 * look at it would give it one. -EFAULT: not all of it is in one region; -errno.
 */
int mem_clear(struct mem *mem, gpa_t gpa, uint64_t len);

/* Whether all of a page (GUEST_PAGE_SIZE, aligned to 64 bytes) is zero. */
bool page_is_zero(const void *page);

#endif
