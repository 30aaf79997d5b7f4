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
#include "mem/mem_impl.h"
#include "mem/txn.h"

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
	atomic_init(&mem->map, mem_map_create(NULL, 0));
	mem->slots = calloc(max_slots / 64 + 1, sizeof(*mem->slots));
	if (!mem->map || !mem->slots) {
		r = -ENOMEM;
		goto fail;
	}
	return 0;
fail:
	mem_finish(mem);
	return r;
}

void mem_finish(struct mem *mem)
{
	struct mem_map *map = atomic_load(&mem->map);
	struct mem_map *previous;

	for (size_t i = 0; map && i < map->count; i++)
		mem_region_finish(&map->regions[i]);
	for (; map; map = previous) {
		previous = map->previous;
		free(map);
	}
	for (size_t i = 0; i < mem->dropped_count; i++)
		mem_region_finish(&mem->dropped[i]);
	free(mem->dropped);
	free(mem->slots);
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

int mem_set_slot(const struct mem *mem, const struct mem_region *region, uint64_t size, bool logged)
{
	struct kvm_userspace_memory_region slot = {
		.slot = region->slot,
		.guest_phys_addr = region->gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)region->hva,
	};

	if (region->flags & MEM_READONLY)
		slot.flags = KVM_MEM_READONLY;
	else if (logged)
		slot.flags = KVM_MEM_LOG_DIRTY_PAGES;
	return mem->vm_fd < 0 || mem->is_unplugged ? 0
						   : kvm_set_user_memory_region(mem->vm_fd, &slot);
}

int mem_plug(struct mem *mem)
{
	struct mem_txn txn;

	mem_txn_begin(&txn, mem);
	mem_txn_plug(&txn);
	return mem_txn_commit(&txn);
}

int mem_map_ram(struct mem *mem, const char *name, gpa_t gpa, uint64_t size, unsigned flags)
{
	struct mem_txn txn;

	mem_txn_begin(&txn, mem);
	mem_txn_map(&txn, name, gpa, size, flags);
	return mem_txn_commit(&txn);
}

int mem_unmap(struct mem *mem, gpa_t gpa)
{
	struct mem_txn txn;

	mem_txn_begin(&txn, mem);
	mem_txn_unmap(&txn, gpa);
	return mem_txn_commit(&txn);
}
