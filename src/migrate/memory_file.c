/* SPDX-License-Identifier: Apache-2.0 */
/* Writes pages where they belong, by the run. */
#include "migrate/memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/util.h"
#include "mem/mem.h"
#include "mem/window.h"

#define RUN_MAX MIB

/* Where the file ends: behind the last region. */
static uint64_t file_size(const struct mem *mem)
{
	const struct mem_map *map = mem_map_pinned(mem);
	uint64_t end = 0;

	for (size_t i = 0; i < map->count; i++) {
		const struct mem_region *region = mem_map_at(map, i);

		end = max_u64(end, region->offset + region->size);
	}
	return end;
}

int memory_file_begin(const struct memory_file *file)
{
	if (ftruncate(file->fd, (off_t)file_size(file->mem)) < 0)
		return because(-errno, "the memory file: %s", strerror(errno));
	return 0;
}

void memory_file_close(struct memory_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

static int flush(void *self)
{
	struct memory_file *file = self;

	while (file->size) {
		ssize_t n = pwrite(file->fd, file->from, file->size, (off_t)file->offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return because(n ? -errno : -EIO, "cannot write the guest's memory: %s",
				       strerror(n ? errno : EIO));
		file->from += n;
		file->offset += (uint64_t)n;
		file->size -= (uint64_t)n;
	}
	return 0;
}

/* Every gpa that the copier gives lies in a region. */
static uint64_t offset_of(const struct memory_file *file, uint64_t gpa)
{
	const struct mem_region *region = mem_map_find(mem_map_pinned(file->mem), gpa);

	return region->offset + (gpa - region->gpa);
}

static int add(void *self, uint64_t gpa, const void *page)
{
	struct memory_file *file = self;
	uint64_t offset = offset_of(file, gpa);
	int err = 0;

	if (file->size && (file->offset + file->size != offset || file->from + file->size != page ||
			   file->size >= RUN_MAX))
		err = flush(file);
	if (!file->size) {
		file->from = page;
		file->offset = offset;
	}
	file->size += GUEST_PAGE_SIZE;
	return err;
}

/* A hole, as the pages were that were zero from the beginning. */
static int add_zero(void *self, uint64_t gpa, uint64_t pages)
{
	struct memory_file *file = self;
	int err = flush(file);

	if (!err && fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)offset_of(file, gpa), (off_t)(pages * GUEST_PAGE_SIZE)) < 0)
		err = because(-errno, "cannot make a hole in the memory file: %s", strerror(errno));
	return err;
}

struct page_sink memory_file_sink(struct memory_file *file)
{
	return (struct page_sink){ .add = add, .add_zero = add_zero, .flush = flush, .self = file };
}
