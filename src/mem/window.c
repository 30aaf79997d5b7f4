/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the guest's memory that comes and goes, and when its map may change. */
#include "mem/window.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <ferry/error.h>

#include "base/util.h"
#include "mem/mem_impl.h"

/* Words of the window's bitmap belong to one region each. */
#define GRANULE (64 * GUEST_PAGE_SIZE)

static bool overlap(gpa_t gpa, uint64_t size, gpa_t other, uint64_t other_size)
{
	return gpa < other + other_size && other < gpa + size;
}

static int check_window(const struct mem *mem, gpa_t gpa, uint64_t size)
{
	const struct mem_map *map = mem_map(mem);
	const struct mem_region *other;

	if (!size || gpa + size < gpa ||
	    !is_aligned(gpa | size, max_u64(mem->page_size, GRANULE)))
		return because(-EINVAL, "a window of %#llx bytes at %#llx is not whole pages",
			       (unsigned long long)size, (unsigned long long)gpa);
	if (mem->window.size)
		return because(-EEXIST, "there is a window of memory already");
	other = mem_map_next(map, NULL, gpa, size);
	return other ? because(-EEXIST, "the window of memory overlaps %s", other->name) : 0;
}

static int reserve(struct mem *mem, gpa_t gpa, uint64_t size)
{
	struct mem_window window = { .gpa = gpa, .size = size, .offset = mem->memfd_size };
	uint64_t words = size / GRANULE;
	int r = check_window(mem, gpa, size);

	if (r < 0)
		return r;
	r = mem_extend(mem, mem->memfd_size + size);
	if (r < 0)
		return because(r, "the memory's file cannot have a window of %llu MiB: %s",
			       (unsigned long long)(size / MIB), strerror(-r));
	window.hva = mem_reserve_address(gpa, size, max_u64(mem->page_size, HUGE_PAGE_SIZE));
	window.dirty = calloc(words, sizeof(*window.dirty));
	if (window.hva == MAP_FAILED || !window.dirty) {
		if (window.hva != MAP_FAILED)
			munmap(window.hva, size);
		free(window.dirty);
		return because(-ENOMEM, "no addresses for a window of %llu MiB of memory",
			       (unsigned long long)(size / MIB));
	}
	mem->memfd_size += size;
	mem->window = window;
	return 0;
}

int mem_window_reserve(struct mem *mem, gpa_t gpa, uint64_t size)
{
	int r;

	pthread_mutex_lock(&mem->lock);
	r = reserve(mem, gpa, size);
	pthread_mutex_unlock(&mem->lock);
	return r;
}

void mem_window_finish(struct mem *mem)
{
	if (mem->window.size)
		munmap(mem->window.hva, mem->window.size);
	free(mem->window.dirty);
	mem->window = (struct mem_window){ 0 };
}

bool mem_window_has(const struct mem *mem, gpa_t gpa, uint64_t size)
{
	return mem->window.size && overlap(gpa, size, mem->window.gpa, mem->window.size);
}

int mem_window_check(const struct mem *mem, struct mem_region *region)
{
	const struct mem_window *window = &mem->window;

	if (!mem_window_has(mem, region->gpa, region->size))
		return 0;
	if (region->gpa < window->gpa ||
	    !range_inside(region->gpa - window->gpa, region->size, window->size) ||
	    !is_aligned(region->gpa | region->size, GRANULE))
		return because(-EINVAL, "memory %s at %#llx is not a part of the window",
			       region->name, (unsigned long long)region->gpa);
	region->flags |= MEM_WINDOW;
	return 0;
}

/* Huge pages are reserved by it: the guest's first touch of one that is not would kill. */
int mem_window_back(const struct mem *mem, struct mem_region *region)
{
	const struct mem_window *window = &mem->window;
	uint64_t at = region->gpa - window->gpa;
	int flags = MAP_SHARED | MAP_FIXED;
	uint8_t *hva;

	if (mem->page_size == GUEST_PAGE_SIZE)
		flags |= MAP_NORESERVE;
	region->offset = window->offset + at;
	hva = mmap(window->hva + at, region->size, PROT_READ | PROT_WRITE, flags, mem->memfd,
		   (off_t)region->offset);
	if (hva == MAP_FAILED)
		return -errno;
	region->hva = hva;
	region->dirty = window->dirty + at / GRANULE;
	mem_advise(mem, region);
	return 0;
}

/*
 * Readers of an older picture may still be at its addresses: what they find there is no memory of
 * the guest's, and nothing that could be missing. Where there is none for that, the file stays
 * mapped.
 */
void mem_window_unback(const struct mem_region *region)
{
	(void)!mmap(region->hva, region->size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

int mem_window_take(struct mem *mem, gpa_t gpa, uint64_t len)
{
	unsigned look = mem_look_begin(mem);
	const struct mem_region *region = mem_map_find(mem_map(mem), gpa);
	bool is_file = region && !(region->flags & MEM_PRIVATE);
	off_t offset;

	mem_look_end(mem, look);
	if (!mem->prealloc || !is_file)
		return 0;
	offset = (off_t)(mem->window.offset + (gpa - mem->window.gpa));
	if (fallocate(mem->memfd, 0, offset, (off_t)len) < 0)
		return because(-ENOMEM, "the host cannot give %llu MiB of memory: %s",
			       (unsigned long long)(len / MIB), strerror(errno));
	return 0;
}

int mem_change_begin(struct mem *mem)
{
	pthread_mutex_lock(&mem->change);
	if (!mem->pins)
		return 0;
	pthread_mutex_unlock(&mem->change);
	return because(-EBUSY, "memory is being copied: its map cannot change now");
}

void mem_change_end(struct mem *mem)
{
	pthread_mutex_unlock(&mem->change);
}

void mem_pin(struct mem *mem)
{
	pthread_mutex_lock(&mem->change);
	pthread_mutex_lock(&mem->lock);
	if (!mem->pins++)
		mem->pinned = mem_map_keep(mem_map(mem));
	pthread_mutex_unlock(&mem->lock);
	pthread_mutex_unlock(&mem->change);
}

void mem_unpin(struct mem *mem)
{
	pthread_mutex_lock(&mem->change);
	pthread_mutex_lock(&mem->lock);
	if (!--mem->pins) {
		mem_map_put(mem->pinned);
		mem->pinned = NULL;
	}
	pthread_mutex_unlock(&mem->lock);
	pthread_mutex_unlock(&mem->change);
}

const struct mem_map *mem_map_pinned(const struct mem *mem)
{
	return mem->pinned ? mem->pinned : mem_map(mem);
}
