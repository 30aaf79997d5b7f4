/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of the map: looking things up, making the next one from the current, publishing it. */
#include <errno.h>
#include <stdlib.h>

#include <ferry/error.h>

#include "base/util.h"
#include "mem/mem_impl.h"
#include "mem/readers.h"
#include "mem/recent.h"
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

/* pool: with mem's lock; or NULL. */
static void put(struct mem_pool *pool, struct mem_map *map)
{
	if (atomic_fetch_sub(&map->refs, 1) != 1)
		return;
	mem_tree_put_to(pool, map->by_gpa);
	mem_tree_put_to(pool, map->by_hva);
	mem_tree_put_to(pool, map->aliases_by_hva);
	mem_tree_put_to(pool, map->foreign);
	mem_recent_put(&map->recent);
	free(map);
}

void mem_map_put(const struct mem_map *map)
{
	if (map)
		put(NULL, (struct mem_map *)(uintptr_t)map);
}

void mem_map_put_retired(struct mem *mem, struct mem_map *map)
{
	put(mem->pool, map);
}

const struct mem_region *mem_map_at(const struct mem_map *map, size_t i)
{
	return mem_recent_at(&map->recent, map->by_gpa, i);
}

static const struct mem_region *first_of(enum mem_order order, const struct mem_region *a,
					 const struct mem_region *b)
{
	if (!a || !b)
		return a ? a : b;
	return mem_tree_is_before(order, a, b) ? a : b;
}

const struct mem_region *mem_map_next(const struct mem_map *map, const struct mem_region *after,
				      gpa_t from, uint64_t len)
{
	gpa_t last = from + min_u64(len - 1, UINT64_MAX - from);

	return first_of(BY_GPA, mem_tree_next(map->by_gpa, BY_GPA, after, from, last),
			mem_recent_next(&map->recent, BY_GPA, after, from, last));
}

const struct mem_region *mem_map_next_hva(const struct mem_map *map, const struct mem_region *after,
					  const void *from, uint64_t len)
{
	uintptr_t at = (uintptr_t)from;
	uint64_t last = at + min_u64(len - 1, UINT64_MAX - at);
	const struct mem_region *found;

	found = first_of(BY_HVA, mem_tree_next(map->by_hva, BY_HVA, after, at, last),
			 mem_tree_next(map->aliases_by_hva, BY_HVA, after, at, last));
	return first_of(BY_HVA, found, mem_recent_next(&map->recent, BY_HVA, after, at, last));
}

const struct mem_region *mem_map_find(const struct mem_map *map, gpa_t gpa)
{
	return mem_map_next(map, NULL, gpa, 1);
}

/* Mostly it is one of those that are not aliases. */
const struct mem_region *mem_map_find_hva(const struct mem_map *map, const void *hva)
{
	uintptr_t at = (uintptr_t)hva;
	const struct mem_region *own = mem_tree_next(map->by_hva, BY_HVA, NULL, at, at);

	return own ? own : mem_map_next_hva(map, NULL, hva, 1);
}

/* Few maps have aliases, and few of those many: they come and go without the others. */
static struct mem_node **hva_tree_of(struct mem_map *map, const struct mem_record *record)
{
	return record->region.flags & MEM_ALIAS ? &map->aliases_by_hva : &map->by_hva;
}

static void insert_into_trees(struct mem *mem, struct mem_map *map, struct mem_record *record)
{
	struct mem_node **by_hva = hva_tree_of(map, record);

	map->by_gpa = mem_tree_insert(mem->pool, BY_GPA, map->by_gpa, record);
	*by_hva = mem_tree_insert(mem->pool, BY_HVA, *by_hva, record);
	mem_recent_shift(&map->recent, record->region.gpa, true);
}

static void remove_from_trees(struct mem *mem, struct mem_map *map, struct mem_record *record)
{
	struct mem_node **by_hva = hva_tree_of(map, record);

	map->by_gpa = mem_tree_remove(mem->pool, BY_GPA, map->by_gpa, &record->region);
	*by_hva = mem_tree_remove(mem->pool, BY_HVA, *by_hva, &record->region);
	mem_recent_shift(&map->recent, record->region.gpa, false);
}

static void put_recent_into_trees(struct mem *mem, struct mem_map *map)
{
	for (unsigned i = 0; i < map->recent.count; i++)
		insert_into_trees(mem, map, map->recent.records[i]);
	mem_recent_put(&map->recent);
}

/* All that it may need is taken now: nothing fails when KVM has been told. */
int mem_map_edit(struct mem *mem, size_t edits, struct mem_map **ret_map)
{
	const struct mem_map *from = mem_map(mem);
	struct mem_map *map = malloc(sizeof(*map));
	size_t regions = from->count + mem_tree_count(from->foreign);
	bool is_full = from->recent.count + edits > MEM_RECENT_MAX;
	int r = -ENOMEM;

	if (map)
		r = mem_pool_begin(mem->pool, regions,
				   edits + (is_full ? from->recent.count : 0));
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
		.aliases_by_hva = mem_tree_get(from->aliases_by_hva),
		.foreign = mem_tree_get(from->foreign),
	};
	mem_recent_copy(&map->recent, &from->recent);
	if (is_full)
		put_recent_into_trees(mem, map);
	*ret_map = map;
	return 0;
}

void mem_map_insert(struct mem *mem, struct mem_map *map, struct mem_record *record)
{
	if (record->region.flags & MEM_FOREIGN) {
		map->foreign = mem_tree_insert(mem->pool, BY_GPA, map->foreign, record);
		return;
	}
	if (map->recent.count < MEM_RECENT_MAX)
		mem_recent_insert(&map->recent, record,
				  mem_tree_below(map->by_gpa, record->region.gpa));
	else
		insert_into_trees(mem, map, record);
	map->count++;
	map->total += record->region.size;
	map->aliases += (record->region.flags & MEM_ALIAS) != 0;
}

/* The caller has a reference to the record: the map's may be the last one else. */
void mem_map_remove(struct mem *mem, struct mem_map *map, struct mem_record *record)
{
	if (record->region.flags & MEM_FOREIGN) {
		map->foreign = mem_tree_remove(mem->pool, BY_GPA, map->foreign, &record->region);
		return;
	}
	if (!mem_recent_remove(&map->recent, record))
		remove_from_trees(mem, map, record);
	map->count--;
	map->total -= record->region.size;
	map->aliases -= (record->region.flags & MEM_ALIAS) != 0;
}

void mem_map_replace(struct mem *mem, struct mem_map *map, struct mem_record *from,
		     struct mem_record *to)
{
	mem_map_remove(mem, map, from);
	mem_map_insert(mem, map, to);
}

/* A region of either kind. */
static const struct mem_region *next_of_all(const struct mem_map *map,
					    const struct mem_region *except, gpa_t from,
					    uint64_t len)
{
	gpa_t last = from + min_u64(len - 1, UINT64_MAX - from);
	const struct mem_region *other = mem_map_next(map, NULL, from, len);

	if (other && other == except)
		other = mem_map_next(map, other, from, len);
	if (other)
		return other;
	other = mem_tree_next(map->foreign, BY_GPA, NULL, from, last);
	if (other && other == except)
		other = mem_tree_next(map->foreign, BY_GPA, other, from, last);
	return other;
}

const struct mem_region *mem_map_find_any(const struct mem_map *map, gpa_t gpa)
{
	return next_of_all(map, NULL, gpa, 1);
}

struct mem_record *mem_map_record(const struct mem_map *map, gpa_t gpa)
{
	const struct mem_region *region = mem_map_find_any(map, gpa);

	if (region && region->gpa == gpa)
		return mem_record_of(region);
	because(-ENOENT, "no memory begins at %#llx", (unsigned long long)gpa);
	return NULL;
}

int mem_map_check(const struct mem_map *map, const struct mem_region *region, uint64_t page_size,
		  const struct mem_region *except)
{
	const struct mem_region *other;

	if (!region->size || region->gpa + region->size < region->gpa ||
	    !is_aligned(region->gpa | region->size, page_size))
		return because(-EINVAL, "memory %s: %#llx bytes at %#llx are not whole pages",
			       region->name, (unsigned long long)region->size,
			       (unsigned long long)region->gpa);
	other = next_of_all(map, except, region->gpa, region->size);
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
	if (region->flags & MEM_FOREIGN) {
		for (size_t i = 0; (other = mem_tree_at(map->foreign, i)); i++)
			if (other->id == region->id)
				return true;
		return false;
	}
	while ((other = mem_map_next_hva(map, other, region->hva, 1)))
		if (other->id == region->id)
			return true;
	return false;
}

void mem_publish(struct mem *mem, struct mem_map *next)
{
	struct mem_map *map = atomic_load(&mem->map);

	/* What is kept of the picture (queues' addresses) stays right. */
	if (next->by_gpa == map->by_gpa && next->foreign == map->foreign &&
	    mem_recent_is_same(&next->recent, &map->recent)) {
		mem_map_put(next);
		return;
	}
	atomic_store(&mem->map, next);
	mem_retire(mem, map);
}
