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
#include "mem/readers.h"
#include "mem/tree.h"
#include "mem/txn.h"

static unsigned hugetlb_flags(uint64_t size)
{
	if (!size)
		return 0;
	return MFD_HUGETLB | (unsigned)__builtin_ctzll(size) << MFD_HUGE_SHIFT;
}

static int make_map(struct mem *mem)
{
	struct mem_map *map = calloc(1, sizeof(*map));

	if (map)
		atomic_init(&map->refs, 1);
	atomic_init(&mem->map, map);
	mem->slots = calloc(mem->max_slots / 64 + 1, sizeof(*mem->slots));
	mem->pool = calloc(1, sizeof(*mem->pool));
	return map && mem->slots && mem->pool ? mem_readers_create(mem) : -ENOMEM;
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
		.uffd_device = -1,
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
	r = make_map(mem);
	if (r < 0)
		goto fail;
	return 0;
fail:
	mem_finish(mem);
	return r;
}

void mem_finish(struct mem *mem)
{
	mem_map_put(atomic_load(&mem->map));
	mem_map_put(mem->pinned);
	mem_readers_destroy(mem);
	if (mem->pool)
		mem_pool_finish(mem->pool);
	free(mem->pool);
	free(mem->slots);
	mem_window_finish(mem);
	if (mem->memfd > 0)
		close(mem->memfd);
	if (mem->file > 0)
		close(mem->file);
	if (mem->pagemap > 0)
		close(mem->pagemap);
	if (mem->uffd_device > 0)
		close(mem->uffd_device);
	free(mem->always);
	pthread_mutex_destroy(&mem->change);
	pthread_mutex_destroy(&mem->lock);
	*mem = (struct mem){ .memfd = -1, .vm_fd = -1, .file = -1, .pagemap = -1, .uffd_device = -1 };
}

uint64_t mem_total(const struct mem *mem)
{
	unsigned look = mem_look_begin(mem);
	uint64_t total = mem_map(mem)->total;

	mem_look_end(mem, look);
	return total;
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
	else if (logged && !(region->flags & MEM_FOREIGN))
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
