/* SPDX-License-Identifier: Apache-2.0 */
/* The pages behind a region: where they come from and where they lie in ferry's own memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/tsan.h"
#include "base/util.h"
#include "mem/mem_impl.h"

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
 * An address that lies in its huge page as the guest's address does, so that KVM and the host can
 * map both by one entry. The reservation's spare ends are given back.
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
	tsan_expect_races(region->hva, region->size, "guest memory");
	madvise(region->hva, region->size, MADV_DONTDUMP);
	if (mem->page_size == GUEST_PAGE_SIZE)
		madvise(region->hva, region->size, MADV_HUGEPAGE);
}

/* F_SEAL_SHRINK: what a failure has left at the end stays, and is used by the next. */
int mem_extend(struct mem *mem, uint64_t end)
{
	if (end <= mem->memfd_end)
		return 0;
	if (ftruncate(mem->memfd, (off_t)end) < 0)
		return -errno;
	mem->memfd_end = end;
	return 0;
}

static void punch(const struct mem *mem, const struct mem_region *region)
{
	fallocate(mem->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)region->offset,
		  (off_t)region->size);
}

/* The region's part of the memory's file is there: maps it. */
static int map(struct mem *mem, struct mem_region *region)
{
	int flags = MAP_SHARED | MAP_FIXED | (mem->prealloc ? MAP_POPULATE : 0);
	uint8_t *place = MAP_FAILED;

	/* Huge pages are reserved here and now: the guest's first touch of one that is not would
	 * kill. */
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
	if (region->hva == MAP_FAILED) {
		int err = -errno;

		if (place)
			munmap(place, region->size);
		region->hva = NULL;
		return err;
	}
	mem_advise(mem, region);
	return 0;
}

struct mem_body *mem_body_create(void)
{
	struct mem_body *body = malloc(sizeof(*body));

	if (body)
		*body = (struct mem_body){ .refs = 1 };
	return body;
}

struct mem_body *mem_body_get(struct mem_body *body)
{
	atomic_fetch_add_explicit(&body->refs, 1, memory_order_relaxed);
	return body;
}

void mem_body_put(struct mem_body *body)
{
	while (body && atomic_fetch_sub(&body->refs, 1) == 1) {
		struct mem_body *owner = body->owner;

		if (body->hva)
			munmap(body->hva, body->size);
		free(body->dirty);
		free(body->zeroed);
		free(body);
		body = owner;
	}
}

int mem_back(struct mem *mem, struct mem_region *region)
{
	int r;

	if (region->flags & MEM_WINDOW) {
		r = mem_window_back(mem, region);
		return r < 0 ? out_of_memory(mem, r, region->size) : 0;
	}
	region->offset = mem->memfd_size;
	r = mem_extend(mem, region->offset + region->size);
	if (r == 0 && mem->prealloc &&
	    fallocate(mem->memfd, 0, (off_t)region->offset, (off_t)region->size) < 0)
		r = -errno;
	if (r == 0)
		r = map(mem, region);
	if (r < 0) {
		punch(mem, region);
		return out_of_memory(mem, r, region->size);
	}
	region->body->hva = region->hva;
	region->body->size = region->size;
	mem->memfd_size += region->size;
	return 0;
}

int mem_back_by_file(struct mem_region *region, int fd)
{
	uint8_t *hva = mem_reserve_address(region->gpa, region->size, HUGE_PAGE_SIZE);

	if (hva != MAP_FAILED &&
	    mmap(hva, region->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 (off_t)region->offset) == MAP_FAILED) {
		int err = -errno;

		munmap(hva, region->size);
		return because(err, "cannot map the file of %s: %s", region->name, strerror(-err));
	}
	if (hva == MAP_FAILED)
		return because(-ENOMEM, "no addresses for %llu MiB of %s",
			       (unsigned long long)(region->size / MIB), region->name);
	madvise(hva, region->size, MADV_DONTDUMP);
	region->hva = region->body->hva = hva;
	region->body->size = region->size;
	return 0;
}

void mem_unback(struct mem *mem, struct mem_region *region)
{
	if (!(region->flags & (MEM_ALIAS | MEM_FOREIGN)) && region->hva) {
		punch(mem, region);
		if (region->flags & MEM_WINDOW)
			mem_window_unback(region);
		else if (region->offset + region->size == mem->memfd_size)
			mem->memfd_size = region->offset;
	}
}
