/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of src/mem share. */
#ifndef MEM_MEM_IMPL_H
#define MEM_MEM_IMPL_H

#include "mem/mem.h"
#include "mem/pager.h"

/* What transparent huge pages and KVM's large mappings are made of. */
#define HUGE_PAGE_SIZE (1UL << 21)

/* mem.c. lock held: tells KVM of the region as it is now, with the log if memory is tracked. */
int mem_set_slot(const struct mem *mem, const struct mem_region *region);
/* Makes next, which follows from the current picture, the current one. lock held. */
void mem_publish(struct mem *mem, struct mem_map *next);
struct mem_map *mem_map_create(size_t count);
void mem_advise(const struct mem *mem, const struct mem_region *region);

/* Addresses, without access yet, that lie in their huge page of align bytes as gpa does. MAP_FAILED. */
uint8_t *mem_reserve_address(gpa_t gpa, uint64_t size, uint64_t align);

/*
 * window.c. Whether a new region may lie where it does, and marks it if that is in the window; for
 * marked ones, lock held: gives it memory, and takes it away. And mem_finish()'s part.
 */
int mem_window_check(const struct mem *mem, struct mem_region *region);
int mem_window_back(const struct mem *mem, struct mem_region *region);
void mem_window_unback(const struct mem_region *region);
void mem_window_finish(struct mem *mem);

/* access.c. The region of a picture that holds gpa, or NULL. */
const struct mem_region *mem_find(const struct mem_map *map, gpa_t gpa);
/* Of the current picture, the one that region is a copy of; NULL: it was unmapped. */
const struct mem_region *mem_find_same(const struct mem *mem, const struct mem_region *region);
/* Whole pages of a region become zero. lock held. */
int mem_discard_pages(struct mem *mem, const struct mem_region *region, uint64_t offset,
		      uint64_t size);
/* Takes pages out of the memory's file: they are zero, or missing where there is a pager. lock held. */
int mem_punch(const struct mem *mem, const struct mem_region *region, uint64_t offset,
	      uint64_t size);

/* dirty.c. Marks [offset, offset + len) of the region, whether memory is tracked or not. */
void mem_mark_region(const struct mem_region *region, uint64_t offset, uint64_t len);

/* adopt.c. As mem_discard_pages(), for a MEM_PRIVATE region. */
int mem_discard_private(struct mem *mem, const struct mem_region *region, uint64_t offset,
			uint64_t size);

/*
 * data.c. The next run of a file's data in [from, end), in whole pages, that begins before the third
 * number: 1, 0 or -errno. Where the file system does not know of holes, all is data.
 */
int mem_next_in_file(int fd, uint64_t from, uint64_t before, uint64_t end, uint64_t *ret_from,
		     uint64_t *ret_to);

/* pager.c. Whether pages of the region may be missing; and mem_discard_pages() for such a region. */
bool pager_has(const struct pager *pager, const struct mem_region *region);
int pager_discard(struct pager *pager, const struct mem_region *region, uint64_t offset,
		  uint64_t size);

#endif
