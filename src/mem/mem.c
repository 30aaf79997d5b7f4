/* SPDX-License-Identifier: Apache-2.0 */
/* Regions of guest memory and the slots in which KVM has them. */
#include "mem/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/util.h"
#include "kvm/kvm.h"
#include "mem/dirty.h"
#include "mem/mem_impl.h"

struct mem_map *mem_map_create(size_t count)
{
	struct mem_map *map = calloc(1, sizeof(*map) + count * sizeof(map->regions[0]));

	if (map)
		map->count = count;
	return map;
}

static unsigned hugetlb_flags(uint64_t size)
{
	if (!size)
		return 0;
	return MFD_HUGETLB | (unsigned)__builtin_ctzll(size) << MFD_HUGE_SHIFT;
}

int mem_init(struct mem *mem, int vm_fd, uint32_t max_slots, const struct mem_options *options)
{
	int r;

	*mem = (struct mem){
		.vm_fd = vm_fd,
		.page_size = options->hugepage_size ? options->hugepage_size : GUEST_PAGE_SIZE,
		.prealloc = options->prealloc,
		.is_unplugged = options->unplugged,
		.max_slots = max_slots,
		.file = -1,
		.pagemap = -1,
	};
	pthread_mutex_init(&mem->lock, NULL);
	pthread_mutex_init(&mem->change, NULL);
	mem->memfd = memfd_create(options->name, MFD_CLOEXEC | MFD_ALLOW_SEALING |
							 hugetlb_flags(options->hugepage_size));
	/* Who adopts the memory later must not fear that it is truncated under its guest. */
	if (mem->memfd < 0 || fcntl(mem->memfd, F_ADD_SEALS, F_SEAL_SHRINK) < 0) {
		r = because(-errno, "cannot make guest memory: memfd_create: %s", strerror(errno));
		goto fail;
	}
	atomic_init(&mem->map, mem_map_create(0));
	if (!mem->map) {
		r = -ENOMEM;
		goto fail;
	}
	return 0;
fail:
	mem_finish(mem);
	return r;
}

static void region_finish(struct mem_region *region)
{
	free(region->zeroed);
	if (region->flags & MEM_WINDOW)
		return;
	if (region->size)
		munmap(region->hva, region->size);
	free(region->dirty);
}

void mem_finish(struct mem *mem)
{
	struct mem_map *map = atomic_load(&mem->map);
	struct mem_map *previous;

	if (map)
		for (size_t i = 0; i < map->count; i++)
			region_finish(&map->regions[i]);
	for (; map; map = previous) {
		previous = map->previous;
		region_finish(&map->dropped);
		free(map);
	}
	mem_window_finish(mem);
	if (mem->memfd > 0)
		close(mem->memfd);
	if (mem->file > 0)
		close(mem->file);
	if (mem->pagemap > 0)
		close(mem->pagemap);
	free(mem->always);
	pthread_mutex_destroy(&mem->change);
	pthread_mutex_destroy(&mem->lock);
	*mem = (struct mem){ .memfd = -1, .vm_fd = -1, .file = -1, .pagemap = -1 };
}

const struct mem_map *mem_map(const struct mem *mem)
{
	return atomic_load_explicit(&mem->map, memory_order_acquire);
}

uint64_t mem_total(const struct mem *mem)
{
	const struct mem_map *map = mem_map(mem);
	uint64_t sum = 0;

	for (size_t i = 0; i < map->count; i++)
		sum += map->regions[i].size;
	return sum;
}

static int set_slot(const struct mem *mem, const struct mem_region *region, uint64_t size)
{
	struct kvm_userspace_memory_region slot = {
		.slot = region->slot,
		.guest_phys_addr = region->gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)region->hva,
	};

	if (region->flags & MEM_READONLY)
		slot.flags = KVM_MEM_READONLY;
	else if (atomic_load(&mem->tracked))
		slot.flags = KVM_MEM_LOG_DIRTY_PAGES;
	return mem->vm_fd < 0 || mem->is_unplugged ? 0
						   : kvm_set_user_memory_region(mem->vm_fd, &slot);
}

int mem_set_slot(const struct mem *mem, const struct mem_region *region)
{
	return set_slot(mem, region, region->size);
}

int mem_plug(struct mem *mem)
{
	const struct mem_map *map;
	int r = 0;

	pthread_mutex_lock(&mem->lock);
	map = mem_map(mem);
	if (mem->is_unplugged) {
		mem->is_unplugged = false;
		for (size_t i = 0; r == 0 && i < map->count; i++)
			r = mem_set_slot(mem, &map->regions[i]);
	}
	pthread_mutex_unlock(&mem->lock);
	return r < 0 ? because(r, "KVM refuses the guest's memory: %s", strerror(-r)) : 0;
}

static int check_place(const struct mem *mem, const struct mem_map *map, const char *name,
		       gpa_t gpa, uint64_t size)
{
	if (!size || gpa + size < gpa || !is_aligned(gpa | size, mem->page_size))
		return because(-EINVAL, "memory %s: %#llx bytes at %#llx are not whole pages", name,
			       (unsigned long long)size, (unsigned long long)gpa);
	for (size_t i = 0; i < map->count; i++) {
		const struct mem_region *other = &map->regions[i];

		if (gpa < other->gpa + other->size && other->gpa < gpa + size)
			return because(-EEXIST, "memory %s at %#llx overlaps %s", name,
				       (unsigned long long)gpa, other->name);
	}
	return 0;
}

static int free_slot(const struct mem *mem, const struct mem_map *map, uint32_t *ret_slot)
{
	for (uint32_t slot = 0; slot < mem->max_slots; slot++) {
		size_t i = 0;

		while (i < map->count && map->regions[i].slot != slot)
			i++;
		if (i == map->count) {
			*ret_slot = slot;
			return 0;
		}
	}
	return because(-ENOSPC, "all %u memory slots are in use", mem->max_slots);
}

static int out_of_memory(const struct mem *mem, int err, uint64_t size)
{
	if (mem->page_size != GUEST_PAGE_SIZE)
		return because(err,
			       "no %llu MiB of huge pages are free: reserve them in "
			       "/sys/kernel/mm/hugepages, or leave out --hugepages",
			       (unsigned long long)(size / MIB));
	return because(err, "the host cannot give %llu MiB of memory: %s",
		       (unsigned long long)(size / MIB), strerror(-err));
}

/*
 * An address that lies in its huge page as the guest's address does, so that KVM and the host can map
 * both by one entry. The reservation's spare ends are given back.
 */
uint8_t *mem_reserve_address(gpa_t gpa, uint64_t size, uint64_t align)
{
	uint64_t shift;
	uint8_t *hva = mmap(NULL, size + align, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (hva == MAP_FAILED)
		return MAP_FAILED;
	shift = (gpa - (uintptr_t)hva) & (align - 1);
	if (shift)
		munmap(hva, shift);
	munmap(hva + shift + size, align - shift);
	return hva + shift;
}

void mem_advise(const struct mem *mem, const struct mem_region *region)
{
	madvise(region->hva, region->size, MADV_DONTDUMP);
	if (mem->page_size == GUEST_PAGE_SIZE)
		madvise(region->hva, region->size, MADV_HUGEPAGE);
}

/* Extends the memory's file by the region and maps it. */
static int back(struct mem *mem, struct mem_region *region)
{
	int flags = MAP_SHARED | MAP_FIXED | (mem->prealloc ? MAP_POPULATE : 0);
	uint8_t *place = MAP_FAILED;
	int r;

	if (region->flags & MEM_WINDOW) {
		r = mem_window_back(mem, region);
		return r < 0 ? out_of_memory(mem, r, region->size) : 0;
	}
	region->offset = mem->memfd_size;
	if (ftruncate(mem->memfd, (off_t)(mem->memfd_size + region->size)) < 0)
		return out_of_memory(mem, -errno, region->size);
	if (mem->prealloc &&
	    fallocate(mem->memfd, 0, (off_t)region->offset, (off_t)region->size) < 0)
		return out_of_memory(mem, -errno, region->size);
	/* Huge pages are reserved here and now: the guest's first touch of one that is not would kill. */
	if (mem->page_size == GUEST_PAGE_SIZE)
		flags |= MAP_NORESERVE;
	if (mem->page_size <= HUGE_PAGE_SIZE)
		place = mem_reserve_address(region->gpa, region->size, HUGE_PAGE_SIZE);
	if (place == MAP_FAILED) {
		place = NULL;
		flags &= ~MAP_FIXED;
	}
	region->hva = mmap(place, region->size, PROT_READ | PROT_WRITE, flags, mem->memfd,
			   (off_t)region->offset);
	if (region->hva == MAP_FAILED)
		return out_of_memory(mem, -errno, region->size);
	mem_advise(mem, region);
	mem->memfd_size += region->size;
	return 0;
}

void mem_publish(struct mem *mem, struct mem_map *next)
{
	next->previous = atomic_load(&mem->map);
	atomic_store_explicit(&mem->map, next, memory_order_release);
}

/* A picture with one region more, in its place. */
static struct mem_map *map_with(const struct mem_map *map, const struct mem_region *region)
{
	struct mem_map *next = mem_map_create(map->count + 1);
	size_t i = 0;

	if (!next)
		return NULL;
	for (; i < map->count && map->regions[i].gpa < region->gpa; i++)
		next->regions[i] = map->regions[i];
	next->regions[i] = *region;
	for (; i < map->count; i++)
		next->regions[i + 1] = map->regions[i];
	return next;
}

static int map_locked(struct mem *mem, struct mem_region *region)
{
	const struct mem_map *map = mem_map(mem);
	struct mem_map *next;
	int r;

	r = check_place(mem, map, region->name, region->gpa, region->size);
	if (r == 0)
		r = mem_window_check(mem, region);
	if (r == 0)
		r = free_slot(mem, map, &region->slot);
	if (r == 0)
		r = back(mem, region);
	if (r < 0)
		return r;
	if (!region->dirty)
		region->dirty = calloc(1 + mem_dirty_words(region), sizeof(*region->dirty));
	if (region->dirty && atomic_load(&mem->tracked))
		mem_mark_region(region, 0, region->size);
	next = map_with(map, region);
	r = next && region->dirty ? mem_set_slot(mem, region) : -ENOMEM;
	if (r < 0) {
		free(next);
		region_finish(region);
		return because(r, "KVM refuses memory %s at %#llx: %s", region->name,
			       (unsigned long long)region->gpa, strerror(-r));
	}
	mem_publish(mem, next);
	return 0;
}

int mem_map_ram(struct mem *mem, const char *name, gpa_t gpa, uint64_t size, unsigned flags)
{
	struct mem_region region = { .name = name, .gpa = gpa, .size = size, .flags = flags };
	int r;

	pthread_mutex_lock(&mem->lock);
	r = map_locked(mem, &region);
	pthread_mutex_unlock(&mem->lock);
	return r;
}

/* A picture without the region; old pictures may be in use, so its address stays mapped. */
static struct mem_map *map_without(const struct mem_map *map, size_t at)
{
	struct mem_map *next = mem_map_create(map->count - 1);

	if (!next)
		return NULL;
	for (size_t i = 0, n = 0; i < map->count; i++)
		if (i != at)
			next->regions[n++] = map->regions[i];
	next->dropped = map->regions[at];
	return next;
}

/* The pages of a region that the guest has not any more. */
static int give_back(struct mem *mem, const struct mem_region *region)
{
	int r = 0;

	if (!(region->flags & MEM_PRIVATE))
		r = mem_punch(mem, region, 0, region->size);
	else if (!(region->flags & MEM_WINDOW))
		r = mem_discard_private(mem, region, 0, region->size);
	if (region->flags & MEM_WINDOW)
		mem_window_unback(region);
	return r;
}

static int unmap_locked(struct mem *mem, gpa_t gpa)
{
	const struct mem_map *map = mem_map(mem);
	struct mem_map *next;
	size_t at = 0;
	int r;

	while (at < map->count && map->regions[at].gpa != gpa)
		at++;
	if (at == map->count)
		return because(-ENOENT, "no memory begins at %#llx", (unsigned long long)gpa);
	next = map_without(map, at);
	if (!next)
		return -ENOMEM;
	r = set_slot(mem, &map->regions[at], 0);
	if (r < 0) {
		free(next);
		return r;
	}
	mem_publish(mem, next);
	return give_back(mem, &map->regions[at]);
}

int mem_unmap(struct mem *mem, gpa_t gpa)
{
	int r;

	pthread_mutex_lock(&mem->lock);
	r = unmap_locked(mem, gpa);
	pthread_mutex_unlock(&mem->lock);
	return r;
}
