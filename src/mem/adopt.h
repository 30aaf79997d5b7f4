/* SPDX-License-Identifier: Apache-2.0 */
/* Memory whose content comes from a file: a snapshot, or the memory of another process. */
#ifndef MEM_ADOPT_H
#define MEM_ADOPT_H

#include "mem/mem.h"

enum mem_adopt {
	MEM_ADOPT_PRIVATE, /* a snapshot: mapped copy-on-write, the file stays as it is */
	MEM_ADOPT_SHARED,  /* the memfd of another process: it becomes the memory */
};

/*
 * Replaces the content of all regions by the file's, each region's bytes at region->offset. Host
 * addresses and slots stay. Before the guest runs and before another thread uses memory; what was in
 * memory is gone. The cost does not grow with the size, except for private files under huge pages,
 * whose data is read in. On success fd belongs to mem; on failure it is the caller's and the memory
 * must not be used any more.
 *   -EINVAL  too short; SHARED: not a memfd, of another page size, or one that could still be
 *            truncated under the guest (mem_init() makes such as cannot: F_SEAL_SHRINK). The text says.
 */
int mem_adopt(struct mem *mem, int fd, enum mem_adopt how);

/* Whether mem->memfd still holds all of memory: it can then be handed to another process. */
bool mem_is_shared(const struct mem *mem);

#endif
