/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the memory that is not zero without reading all of it. */
#ifndef MEM_DATA_H
#define MEM_DATA_H

#include "mem/mem.h"

/*
 * The next run of whole pages, from *offset in the region on, that may hold something else than
 * zeros: 1, and *offset is moved to where it begins and *ret_len is its length; 0: there is no more;
 * -errno. What is not told is zero, unless it is written meanwhile (mem/dirty.h tells that).
 */
int mem_next_data(const struct mem *mem, const struct mem_region *region, uint64_t *offset,
		  uint64_t *ret_len);

/* Whether all of a page (GUEST_PAGE_SIZE, aligned to 64 bytes) is zero. */
bool page_is_zero(const void *page);

#endif
