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
/* Likewise, by a file from region->offset on; given back with its body. -errno with a text. */
int mem_back_by_file(struct mem_region *region, int fd);
void mem_advise(const struct mem *mem, const struct mem_region *region);
/* Makes the memory's file reach until end; -errno. lock held. */
int mem_extend(struct mem *mem, uint64_t end);
/* Addresses, without access yet, that lie in their huge page of align bytes as gpa does.
 * MAP_FAILED. */
uint8_t *mem_reserve_address(gpa_t gpa, uint64_t size, uint64_t align);
/* What the region has of the host, which is nothing yet; one reference is the region's. */
struct mem_body {
	_Atomic unsigned refs;
	struct mem_body *owner; /* MEM_ALIAS: whose addresses it has; NULL: its own */
	uint8_t *hva;		/* to be unmapped in the end: size bytes; NULL: the window's */
	uint64_t size;
	_Atomic uint64_t *dirty; /* to be freed; NULL: the window's */
	uint64_t *zeroed; /* MEM_PRIVATE, a bit a page: anonymous since discarded; mem's lock */
};

struct mem_body *mem_body_create(void);
struct mem_body *mem_body_get(struct mem_body *body);
void mem_body_put(struct mem_body *body);

/* What a region of that kind begins and ends at. */
static inline uint64_t mem_unit(const struct mem *mem, const struct mem_region *region)
{
	return region->flags & MEM_FOREIGN ? GUEST_PAGE_SIZE : mem->page_size;
}

/*
 * picture.c. lock held. A copy of the current picture that can be changed so often, and back; the
 * caller's. Only the last one that was made can be. -ENOMEM with a text.
 */
int mem_map_edit(struct mem *mem, size_t edits, struct mem_map **ret_map);
void mem_map_insert(struct mem *mem, struct mem_map *map, struct mem_record *record);
void mem_map_remove(struct mem *mem, struct mem_map *map, struct mem_record *record);
/* Another in its place, of the same kind and size. The caller has a reference to either. */
void mem_map_replace(struct mem *mem, struct mem_map *map, struct mem_record *from,
		     struct mem_record *to);
/* As mem_map_put(), of one that mem_reclaim() gives back. */
void mem_map_put_retired(struct mem *mem, struct mem_map *map);
/* The region at gpa, or that begins there (NULL: -ENOENT with a text); MEM_FOREIGN ones too. */
const struct mem_region *mem_map_find_any(const struct mem_map *map, gpa_t gpa);
struct mem_record *mem_map_record(const struct mem_map *map, gpa_t gpa);
/* The first region behind `after` (NULL: of all) with a byte of [from, from + len), by hva. */
const struct mem_region *mem_map_next_hva(const struct mem_map *map, const struct mem_region *after,
					  const void *from, uint64_t len);
/* And by gpa. */
const struct mem_region *mem_map_next(const struct mem_map *map, const struct mem_region *after,
				      gpa_t from, uint64_t len);
/* -EINVAL, -EEXIST with a text: there can be no memory. except: a region that is no obstacle. */
int mem_map_check(const struct mem_map *map, const struct mem_region *region, uint64_t page_size,
		  const struct mem_region *except);
/* Whether the picture has the region, wherever it is now and whatever its flags. */
bool mem_map_has(const struct mem_map *map, const struct mem_region *region);
/* Makes next, which is an edit of the current picture, the current one; takes it. */
void mem_publish(struct mem *mem, struct mem_map *next);
/* Gives back the pictures at which nobody can be looking any more, and what only they have. */
void mem_reclaim(struct mem *mem);

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

/* access.c. Of the current picture, the one that region is a copy of; NULL: it was unmapped. */
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

/* txn.c. A step of mem's own: KVM is told of all memory, unless it has been. */
struct mem_txn;
int mem_txn_plug(struct mem_txn *txn);

/* adopt.c. As mem_discard_pages(), for a MEM_PRIVATE region. */
int mem_discard_private(struct mem *mem, const struct mem_region *region, uint64_t offset,
			uint64_t size);

/*
 * data.c. The next run of a file's data in [from, end), in whole pages, that begins before the third
 * number: 1, 0 or -errno. Where the file system does not know of holes, all is data.
 */
int mem_next_in_file(int fd, uint64_t from, uint64_t before, uint64_t end, uint64_t *ret_from,
		     uint64_t *ret_to);

/* pager.c. Whether pages of the region may be missing; and mem_discard_pages() for such a region.
 */
bool pager_has(const struct pager *pager, const struct mem_region *region);
int pager_discard(struct pager *pager, const struct mem_region *region, uint64_t offset,
		  uint64_t size);

#endif
