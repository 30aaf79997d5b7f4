/* SPDX-License-Identifier: Apache-2.0 */
/* Who is looking at the map, so that the writer knows when a picture is out of sight. */
#ifndef MEM_READERS_H
#define MEM_READERS_H

#include "mem/mem.h"

/* Threads are spread over so many counters. */
#define MEM_READERS_SHARDS 8

struct mem_shard {
	_Alignas(64) _Atomic unsigned inside[2]; /* looks that began in each phase */
};

/*
 * New looks are counted in the current phase. A picture that was retired is out of sight when both
 * phases have been seen empty since: those who may have it were counted in one of them.
 */
struct mem_readers {
	struct mem_shard shards[MEM_READERS_SHARDS];
	_Atomic unsigned phase; /* 0 or 1 */
	/* From here on under mem's lock. */
	unsigned seen;		 /* how many phases were empty since `waiting` began to wait */
	struct mem_map *waiting; /* by next */
	struct mem_map *retired; /* since then */
};

int mem_readers_create(struct mem *mem);
/* Nobody looks any more. */
void mem_readers_destroy(struct mem *mem);

/* lock held. The picture is not the current one any more; its reference is given. */
void mem_retire(struct mem *mem, struct mem_map *map);

#endif
