/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of the map: making the next one from the current, and publishing it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "mem/mem_impl.h"

struct mem_map *mem_map_create(const struct mem_map *from, size_t capacity)
{
	struct mem_map *map = malloc(sizeof(*map) + capacity * sizeof(map->regions[0]));

	if (!map)
		return NULL;
	*map = (struct mem_map){ 0 };
	if (!from)
		return map;
	map->count = from->count;
	map->aliases = from->aliases;
	memcpy(map->regions, from->regions, from->count * sizeof(map->regions[0]));
	return map;
}

/* The first region that begins at or above gpa. */
static size_t place_of(const struct mem_map *map, gpa_t gpa)
{
	size_t low = 0, high = map->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->regions[middle].gpa < gpa)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void mem_map_insert(struct mem_map *map, const struct mem_region *region)
{
	size_t at = place_of(map, region->gpa);

	memmove(&map->regions[at + 1], &map->regions[at],
		(map->count - at) * sizeof(map->regions[0]));
	map->regions[at] = *region;
	map->count++;
	map->aliases += (region->flags & MEM_ALIAS) != 0;
}

void mem_map_remove(struct mem_map *map, size_t at)
{
	map->aliases -= (map->regions[at].flags & MEM_ALIAS) != 0;
	map->count--;
	memmove(&map->regions[at], &map->regions[at + 1],
		(map->count - at) * sizeof(map->regions[0]));
}

ssize_t mem_map_index(const struct mem_map *map, gpa_t gpa)
{
	size_t at = place_of(map, gpa);

	if (at < map->count && map->regions[at].gpa == gpa)
		return (ssize_t)at;
	return because(-ENOENT, "no memory begins at %#llx", (unsigned long long)gpa);
}

static bool overlaps(const struct mem_map *map, size_t at, const struct mem_region *region,
		     const struct mem_region *except)
{
	const struct mem_region *other = &map->regions[at];

	return other != except && region->gpa < other->gpa + other->size &&
	       other->gpa < region->gpa + region->size;
}

int mem_map_check(const struct mem_map *map, const struct mem_region *region, uint64_t page_size,
		  const struct mem_region *except)
{
	size_t at = place_of(map, region->gpa);

	if (!region->size || region->gpa + region->size < region->gpa ||
	    !is_aligned(region->gpa | region->size, page_size))
		return because(-EINVAL, "memory %s: %#llx bytes at %#llx are not whole pages",
			       region->name, (unsigned long long)region->size,
			       (unsigned long long)region->gpa);
	/* Two on either side: one of them may be the exception. */
	for (size_t i = at < 2 ? 0 : at - 2; i < map->count && i < at + 2; i++)
		if (overlaps(map, i, region, except))
			return because(-EEXIST, "memory %s at %#llx overlaps %s", region->name,
				       (unsigned long long)region->gpa, map->regions[i].name);
	return 0;
}

bool mem_map_has(const struct mem_map *map, const struct mem_region *region)
{
	ssize_t at = (ssize_t)place_of(map, region->gpa);

	if ((size_t)at < map->count && map->regions[at].dirty == region->dirty)
		return true;
	for (size_t i = 0; i < map->count; i++)
		if (map->regions[i].dirty == region->dirty)
			return true;
	return false;
}

void mem_publish(struct mem *mem, struct mem_map *next)
{
	next->previous = atomic_load(&mem->map);
	atomic_store_explicit(&mem->map, next, memory_order_release);
}
