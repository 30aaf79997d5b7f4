/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of the map: looking things up, making the next one from the current, publishing it. */
#include <errno.h>
#include <stdlib.h>

#include <ferry/error.h>

#include "base/util.h"
#include "mem/mem_impl.h"
#include "mem/readers.h"
#include "mem/tree.h"

const struct mem_map *mem_map(const struct mem *mem)
{
	return atomic_load(&mem->map);
}

const struct mem_map *mem_map_keep(const struct mem_map *map)
{
	atomic_fetch_add_explicit(&((struct mem_map *)(uintptr_t)map)->refs, 1,
				  memory_order_relaxed);
	return map;
}

const struct mem_map *mem_map_get(const struct mem *mem)
{
	unsigned look = mem_look_begin(mem);
	const struct mem_map *map = mem_map_keep(mem_map(mem));

	mem_look_end(mem, look);
	return map;
}

void mem_map_put(const struct mem_map *map)
{
	struct mem_map *last = (struct mem_map *)(uintptr_t)map;

	if (!last || atomic_fetch_sub(&last->refs, 1) != 1)
		return;
	mem_tree_put(last->by_gpa);
	mem_tree_put(last->by_hva);
	free(last);
}

const struct mem_region *mem_map_at(const struct mem_map *map, size_t i)
{
	return mem_tree_at(map->by_gpa, i);
}

const struct mem_region *mem_map_next(const struct mem_map *map, const struct mem_region *after,
				      gpa_t from, uint64_t len)
{
	return mem_tree_next(map->by_gpa, BY_GPA, after, from,
			     from + min_u64(len - 1, UINT64_MAX - from));
}

const struct mem_region *mem_map_next_hva(const struct mem_map *map, const struct mem_region *after,
					  const void *from, uint64_t len)
{
	uintptr_t at = (uintptr_t)from;

	return mem_tree_next(map->by_hva, BY_HVA, after, at,
			     at + min_u64(len - 1, UINT64_MAX - at));
}

const struct mem_region *mem_map_find(const struct mem_map *map, gpa_t gpa)
{
	return mem_map_next(map, NULL, gpa, 1);
}

const struct mem_region *mem_map_find_hva(const struct mem_map *map, const void *hva)
{
	return mem_map_next_hva(map, NULL, hva, 1);
}

/* All that it may need is taken now: nothing fails when KVM has been told. */
int mem_map_edit(struct mem *mem, size_t edits, struct mem_map **ret_map)
{
	const struct mem_map *from = mem_map(mem);
	struct mem_map *map = malloc(sizeof(*map));
	int r = map ? mem_pool_begin(mem->pool, from->count, edits) : -ENOMEM;

	if (r < 0) {
		free(map);
		return because(r, "out of memory");
	}
	*map = (struct mem_map){
		.count = from->count,
		.aliases = from->aliases,
		.total = from->total,
		.refs = 1,
		.by_gpa = mem_tree_get(from->by_gpa),
		.by_hva = mem_tree_get(from->by_hva),
	};
	*ret_map = map;
	return 0;
}

void mem_map_insert(struct mem *mem, struct mem_map *map, struct mem_record *record)
{
	map->by_gpa = mem_tree_insert(mem->pool, BY_GPA, map->by_gpa, record);
	map->by_hva = mem_tree_insert(mem->pool, BY_HVA, map->by_hva, record);
	map->count++;
	map->total += record->region.size;
	map->aliases += (record->region.flags & MEM_ALIAS) != 0;
}

/* The caller has a reference to the record: the tree's may be the last one else. */
void mem_map_remove(struct mem *mem, struct mem_map *map, struct mem_record *record)
{
	map->by_gpa = mem_tree_remove(mem->pool, BY_GPA, map->by_gpa, &record->region);
	map->by_hva = mem_tree_remove(mem->pool, BY_HVA, map->by_hva, &record->region);
	map->count--;
	map->total -= record->region.size;
	map->aliases -= (record->region.flags & MEM_ALIAS) != 0;
}

struct mem_record *mem_map_record(const struct mem_map *map, gpa_t gpa)
{
	const struct mem_region *region = mem_map_find(map, gpa);

	if (region && region->gpa == gpa)
		return mem_record_of(region);
	because(-ENOENT, "no memory begins at %#llx", (unsigned long long)gpa);
	return NULL;
}

int mem_map_check(const struct mem_map *map, const struct mem_region *region, uint64_t page_size,
		  const struct mem_region *except)
{
	const struct mem_region *other = NULL;

	if (!region->size || region->gpa + region->size < region->gpa ||
	    !is_aligned(region->gpa | region->size, page_size))
		return because(-EINVAL, "memory %s: %#llx bytes at %#llx are not whole pages",
			       region->name, (unsigned long long)region->size,
			       (unsigned long long)region->gpa);
	other = mem_map_next(map, NULL, region->gpa, region->size);
	if (other && other == except)
		other = mem_map_next(map, other, region->gpa, region->size);
	if (!other)
		return 0;
	return because(-EEXIST, "memory %s at %#llx overlaps %s", region->name,
		       (unsigned long long)region->gpa, other->name);
}

bool mem_map_has(const struct mem_map *map, const struct mem_region *region)
{
	const struct mem_region *other = NULL;

	if (!region->hva)
		return false;
	while ((other = mem_map_next_hva(map, other, region->hva, 1)))
		if (other->id == region->id)
			return true;
	return false;
}

void mem_publish(struct mem *mem, struct mem_map *next)
{
	struct mem_map *map = atomic_load(&mem->map);

	/* What is kept of the picture (queues' addresses) stays right. */
	if (next->by_gpa == map->by_gpa) {
		mem_map_put(next);
		return;
	}
	atomic_store(&mem->map, next);
	mem_retire(mem, map);
}
