/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at the map: counted by those who look, waited for by nobody. */
#include "mem/readers.h"

#include <errno.h>
#include <stdlib.h>

#include "mem/mem_impl.h"

/* Any number that differs from thread to thread does. */
static struct mem_shard *shard_of_thread(const struct mem *mem, unsigned *ret_shard)
{
	uint64_t mixed = (uint64_t)(uintptr_t)&errno * 0x9e3779b97f4a7c15;

	*ret_shard = (unsigned)(mixed >> 32) % MEM_READERS_SHARDS;
	return &mem->readers->shards[*ret_shard];
}

/*
 * The count comes before the load of the map, and the writer's store of the map before its look at
 * the counts: either it sees the count, or the picture that is loaded is the new one.
 */
unsigned mem_look_begin(const struct mem *mem)
{
	unsigned phase = atomic_load_explicit(&mem->readers->phase, memory_order_relaxed), at;
	struct mem_shard *shard = shard_of_thread(mem, &at);

	atomic_fetch_add(&shard->inside[phase], 1);
	return at * 2 + phase;
}

void mem_look_end(const struct mem *mem, unsigned look)
{
	atomic_fetch_sub_explicit(&mem->readers->shards[look / 2].inside[look % 2], 1,
				  memory_order_release);
}

int mem_readers_create(struct mem *mem)
{
	mem->readers = aligned_alloc(_Alignof(struct mem_readers), sizeof(*mem->readers));
	if (!mem->readers)
		return -ENOMEM;
	*mem->readers = (struct mem_readers){ 0 };
	return 0;
}

static void put_all(struct mem *mem, struct mem_map *map)
{
	for (struct mem_map *next; map; map = next) {
		next = map->next;
		mem_map_put_retired(mem, map);
	}
}

void mem_readers_destroy(struct mem *mem)
{
	if (mem->readers) {
		put_all(mem, mem->readers->waiting);
		put_all(mem, mem->readers->retired);
	}
	free(mem->readers);
	mem->readers = NULL;
}

void mem_retire(struct mem *mem, struct mem_map *map)
{
	map->next = mem->readers->retired;
	mem->readers->retired = map;
}

static bool is_empty(const struct mem_readers *readers, unsigned phase)
{
	for (unsigned i = 0; i < MEM_READERS_SHARDS; i++)
		if (atomic_load(&readers->shards[i].inside[phase]))
			return false;
	return true;
}

/* Whoever comes from now on is counted in the other phase: so each empties in time. */
static bool are_out_of_sight(struct mem_readers *readers)
{
	while (readers->seen < 2) {
		unsigned phase = atomic_load(&readers->phase);

		if (!is_empty(readers, !phase))
			return false;
		atomic_store(&readers->phase, !phase);
		readers->seen++;
	}
	return true;
}

void mem_reclaim(struct mem *mem)
{
	struct mem_readers *readers = mem->readers;

	while (readers->waiting || readers->retired) {
		if (!readers->waiting) {
			readers->waiting = readers->retired;
			readers->retired = NULL;
			readers->seen = 0;
		}
		if (!are_out_of_sight(readers))
			return;
		put_all(mem, readers->waiting);
		readers->waiting = NULL;
	}
}
