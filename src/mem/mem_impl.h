/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of src/mem share. */
#ifndef MEM_MEM_IMPL_H
#define MEM_MEM_IMPL_H

#include <sys/types.h>

#include "mem/mem.h"
#include "mem/pager.h"

/* What transparent huge pages and KVM's large mappings are made of. */
#define HUGE_PAGE_SIZE (1UL << 21)

/* mem.c. lock held. KVM's slot of the region becomes what the region says, or with size 0 goes. */
int mem_set_slot(const struct mem *mem, const struct mem_region *region, uint64_t size,
		 bool logged);

/* backing.c. Gives the region new pages of the memory's file, or those that no map has used back.
 * lock held. */
int mem_back(struct mem *mem, struct mem_region *region);
void mem_unback(struct mem *mem, struct mem_region *region);
void mem_advise(const struct mem *mem, const struct mem_region *region);
/* Makes the memory's file reach until end; -errno. lock held. */
int mem_extend(struct mem *mem, uint64_t end);
/* Addresses, without access yet, that lie in their huge page of align bytes as gpa does.
 * MAP_FAILED. */
uint8_t *mem_reserve_address(gpa_t gpa, uint64_t size, uint64_t align);
/* What the region has of the host. MEM_ALIAS: only what is its own. */
void mem_region_finish(struct mem_region *region);

/* picture.c. A picture of capacity regions with those of from (NULL: none). */
struct mem_map *mem_map_create(const struct mem_map *from, size_t capacity);
void mem_map_insert(struct mem_map *map, const struct mem_region *region);
void mem_map_remove(struct mem_map *map, size_t at);
/* The index of the region that begins at gpa; -ENOENT with a text. */
ssize_t mem_map_index(const struct mem_map *map, gpa_t gpa);
/* -EINVAL, -EEXIST with a text: there can be no memory. except: a region that is no obstacle. */
int mem_map_check(const struct mem_map *map, const struct mem_region *region, uint64_t page_size,
		  const struct mem_region *except);
/* Whether the picture has the region, wherever it is now and whatever its flags. */
bool mem_map_has(const struct mem_map *map, const struct mem_region *region);
/* Makes next, which follows from the current picture, the current one. lock held. */
void mem_publish(struct mem *mem, struct mem_map *next);

/*
 * window.c, lock held. Whether a new region may lie where it does, and marks it if that is in the
 * window; for marked ones: gives it memory where nobody else has it, and takes that away, which
 * mem_back() and mem_unback() do. And mem_finish()'s part.
 */
int mem_window_check(const struct mem *mem, struct mem_region *region);
/* Whether a part of [gpa, gpa + size) is the window's. */
bool mem_window_has(const struct mem *mem, gpa_t gpa, uint64_t size);
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
/* Takes pages out of the memory's file: they are zero, or missing where there is a pager. lock
 * held. */
int mem_punch(const struct mem *mem, const struct mem_region *region, uint64_t offset,
	      uint64_t size);

/* dirty.c. Marks [offset, offset + len) of the region, whether memory is tracked or not. */
void mem_mark_region(const struct mem_region *region, uint64_t offset, uint64_t len);
/* What follows is called with lock held. Chooses how KVM's log is kept, before it is switched on.
 */
void mem_log_prepare(struct mem *mem);
/* KVM's log of a slot, to be freed; and the forgetting of the pages whose bit is set. */
int mem_log_get(const struct mem *mem, const struct mem_region *region, uint64_t **ret_bits);
int mem_log_clear(const struct mem *mem, const struct mem_region *region, const uint64_t *bits);
/* Whether KVM logs the region while memory is tracked. */
bool mem_has_log(const struct mem *mem, const struct mem_region *region);

/*
 * txn.c. Steps of mem's own. Plug: KVM is told of all memory, unless it has been. Call: fn changes
 * the regions of the next picture without KVM, and does all of it or nothing; it is the only step
 * of its transaction.
 */
struct mem_txn;
int mem_txn_plug(struct mem_txn *txn);
int mem_txn_call(struct mem_txn *txn, int (*fn)(struct mem *mem, struct mem_map *next, void *arg),
		 void *arg);

/* adopt.c. As mem_discard_pages(), for a MEM_PRIVATE region. */
int mem_discard_private(struct mem *mem, const struct mem_region *region, uint64_t offset,
			uint64_t size);

/*
 * data.c. The next run of a file's data in [from, end), in whole pages: 1, 0 or -errno. Where the
 * file system does not know of holes, all is data.
 */
int mem_next_in_file(int fd, uint64_t from, uint64_t end, uint64_t *ret_from, uint64_t *ret_to);

/* pager.c. Whether pages of the region may be missing; and mem_discard_pages() for such a region.
 */
bool pager_has(const struct pager *pager, const struct mem_region *region);
int pager_discard(struct pager *pager, const struct mem_region *region, uint64_t offset,
		  uint64_t size);

#endif
