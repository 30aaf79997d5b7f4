/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the other side where memory is, and compares. */
#include "migrate/regions.h"

#include <errno.h>
#include <stdlib.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "mem/mem.h"
#include "mem/window.h"
#include "migrate/state.h"

/* An entry: gpa, size, offset in the memory's file, flags. */
enum {
	AT_GPA = 0,
	AT_SIZE = 8,
	AT_OFFSET = 16,
	AT_FLAGS = 24,
	ENTRY_SIZE = 32,
};

int regions_send(const struct stream *stream, enum record_type type, const struct mem *mem)
{
	const struct mem_map *map = mem_map_pinned(mem);
	AUTO_FREE uint8_t *table = calloc(map->count + 1, ENTRY_SIZE);

	if (!table)
		return because(-ENOMEM, "out of memory");
	for (size_t i = 0; i < map->count; i++) {
		const struct mem_region *region = mem_map_at(map, i);
		uint8_t *entry = table + i * ENTRY_SIZE;

		put_u64(entry + AT_GPA, region->gpa);
		put_u64(entry + AT_SIZE, region->size);
		put_u64(entry + AT_OFFSET, region->offset);
		put_u64(entry + AT_FLAGS, region->flags & MEM_READONLY);
	}
	return stream_send(stream, type, map->count, 0, table, map->count * ENTRY_SIZE);
}

static bool is_same(const uint8_t *entry, const struct mem_region *region, bool with_offsets)
{
	return get_u64(entry + AT_GPA) == region->gpa && get_u64(entry + AT_SIZE) == region->size &&
	       get_u64(entry + AT_FLAGS) == (region->flags & MEM_READONLY) &&
	       (!with_offsets || get_u64(entry + AT_OFFSET) == region->offset);
}

void regions_compare(const struct buffer *table, const struct mem *mem, bool with_offsets,
		     struct verdict *verdict)
{
	const struct mem_map *map = mem_map_pinned(mem);
	size_t count = table->size / ENTRY_SIZE;

	for (size_t i = 0; i < count || i < map->count; i++) {
		const uint8_t *entry = table->data + i * ENTRY_SIZE;
		const struct mem_region *region = mem_map_at(map, i);

		if (i >= map->count)
			verdict_refuse(verdict, "memory: %#llx bytes at %#llx are not here",
				       (unsigned long long)get_u64(entry + AT_SIZE),
				       (unsigned long long)get_u64(entry + AT_GPA));
		else if (i >= count)
			verdict_refuse(verdict, "memory: %#llx bytes at %#llx are only here",
				       (unsigned long long)region->size,
				       (unsigned long long)region->gpa);
		else if (!is_same(entry, region, with_offsets))
			verdict_refuse(verdict, "memory: %#llx bytes at %#llx there, %#llx at %#llx "
						"here",
				       (unsigned long long)get_u64(entry + AT_SIZE),
				       (unsigned long long)get_u64(entry + AT_GPA),
				       (unsigned long long)region->size,
				       (unsigned long long)region->gpa);
	}
}

int regions_receive(const struct stream *stream, const struct record *record, struct buffer *table)
{
	int err = stream_receive_buffer(stream, record, table);

	if (!err && (record->size % ENTRY_SIZE || record->a != record->size / ENTRY_SIZE))
		err = because(-EBADMSG, "a table of memory of %u bytes", record->size);
	return err;
}
