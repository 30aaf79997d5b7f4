/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that comes and goes while the guest runs: where it lies is fixed beforehand, so that it
 * costs nothing while it is not there, nothing is left of it when it is gone, and two processes
 * that make the same machine have it at the same place of the memory's file.
 */
#ifndef MEM_WINDOW_H
#define MEM_WINDOW_H

#include "mem/mem.h"

/*
 * Keeps addresses and a part of the memory's file for [gpa, gpa + size): what mem_map_ram() maps
 * inside lies there. Once; before anything is mapped there. gpa and size are multiples of the page
 * size of the backing, and of 64 pages.
 *   -EEXIST  there is a window, or memory in the range   -EINVAL   -ENOMEM
 */
int mem_window_reserve(struct mem *mem, gpa_t gpa, uint64_t size);

/* With prealloc: takes the pages of a mapped part of the window from the host now. -ENOMEM. */
int mem_window_take(struct mem *mem, gpa_t gpa, uint64_t len);

/*
 * Who needs the map to stay as it is (a copy of memory is under way) pins it: then a transaction
 * that changes it is refused (-EBUSY). Who makes several that belong together, or changes with the
 * map what tells of it, does so between begin and end: begin is refused while the map is pinned,
 * and pinning waits for an end. Any thread; pins add up.
 */
int mem_change_begin(struct mem *mem);
void mem_change_end(struct mem *mem);
void mem_pin(struct mem *mem);
void mem_unpin(struct mem *mem);
/* For who has pinned it: the picture, which stays until it is unpinned. Else the current one. */
const struct mem_map *mem_map_pinned(const struct mem *mem);

#endif
