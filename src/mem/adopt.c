/* SPDX-License-Identifier: Apache-2.0 */
/* Memory whose content comes from a file: mapped over the regions, so that slots stay valid. */
#include "mem/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "mem/data.h"
#include "mem/dirty.h"
#include "mem/mem_impl.h"
#include "mem/tree.h"

/*
 * How many mappings the discarding of pages may cut private memory into: an eighth of what Linux
 * allows a process (vm.max_map_count), whose other mappings shall not fail for it.
 */
#define PIECES_MAX 8192

#define COPY_CHUNK (1UL << 20)

/* Who takes the file over as its memory needs the part for the window, too. */
static int check_size(const struct mem *mem, int fd, enum mem_adopt how, uint64_t *ret_size)
{
	const struct mem_map *map = mem_map(mem);
	uint64_t needed = how == MEM_ADOPT_SHARED ? mem->window.offset + mem->window.size : 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return because(-errno, "the file of the memory: %s", strerror(errno));
	for (size_t i = 0; i < map->count; i++) {
		const struct mem_region *region = mem_map_at(map, i);

		needed = max_u64(needed, region->offset + region->size);
	}
	if ((uint64_t)st.st_size < needed)
		return because(-EINVAL,
			       "the file of the memory has %llu bytes, and %llu are needed",
			       (unsigned long long)st.st_size, (unsigned long long)needed);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

/* A file that shrinks under its mapping ends the process that touches it (SIGBUS). */
static int check_shared(const struct mem *mem, int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;

	if (seals < 0 || fstatfs(fd, &fs) < 0)
		return because(-EINVAL, "the memory that was handed over is not a memfd");
	if ((uint64_t)fs.f_bsize != mem->page_size)
		return because(
			-EINVAL,
			"the memory that was handed over has pages of %llu KiB, and here they "
			"have %llu KiB: give both sides the same --hugepages",
			(unsigned long long)fs.f_bsize / KIB,
			(unsigned long long)mem->page_size / KIB);
	if (!(seals & F_SEAL_SHRINK) && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		return because(-EINVAL,
			       "the memory that was handed over cannot be sealed: it could "
			       "be truncated under the guest");
	return 0;
}

static int map_over(const struct mem *mem, const struct mem_region *region, int fd, int flags)
{
	flags |= MAP_FIXED | (mem->prealloc ? MAP_POPULATE : 0);
	if (mem->page_size == GUEST_PAGE_SIZE)
		flags |= MAP_NORESERVE;
	if (mmap(region->hva, region->size, PROT_READ | PROT_WRITE, flags, fd,
		 (off_t)region->offset) == MAP_FAILED)
		return because(-errno, "cannot map memory %s from its file: %s", region->name,
			       strerror(errno));
	mem_advise(mem, region);
	return 0;
}

static int adopt_shared(struct mem *mem, int fd, uint64_t size)
{
	const struct mem_map *map = mem_map(mem);
	int r = check_shared(mem, fd);

	for (size_t i = 0; r == 0 && i < map->count; i++)
		r = map_over(mem, mem_map_at(map, i), fd, MAP_SHARED);
	if (r < 0)
		return r;
	close(mem->memfd);
	mem->memfd = fd;
	mem->memfd_end = size;
	mem->memfd_size = max_u64(mem->memfd_size, size);
	return 0;
}

/* Nobody else uses memory yet: the picture's own regions are changed. */
static int make_private(const struct mem_region *region)
{
	struct mem_record *record = mem_record_of(region);
	uint64_t words = region->size / GUEST_PAGE_SIZE / 64 + 1;

	if (!(region->flags & MEM_ALIAS) && !region->body->zeroed) {
		region->body->zeroed = calloc(words, sizeof(*region->body->zeroed));
		if (!region->body->zeroed)
			return because(-ENOMEM, "out of memory");
	}
	record->region.flags |= MEM_PRIVATE;
	return 0;
}

/* memfd stays, for regions that are mapped later; what it held is given back. */
static int map_private(struct mem *mem, const struct mem_region *region, int fd)
{
	int r = map_over(mem, region, fd, MAP_PRIVATE);

	/* The memfd's pages go when nothing maps them any more: KVM need not be told then. */
	if (r == 0)
		r = mem_discard_pages(mem, region, 0, region->size);
	return r == 0 ? make_private(region) : r;
}

static int adopt_private(struct mem *mem, int fd)
{
	const struct mem_map *map = mem_map(mem);
	int r = 0;

	for (size_t i = 0; r == 0 && i < map->count; i++)
		r = map_private(mem, mem_map_at(map, i), fd);
	if (r < 0)
		return r;
	mem->pieces = (unsigned)map->count;
	mem->file = fd;
	mem->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	return 0;
}

/* What was in memory before goes, without touching huge pages that nobody has touched yet. */
static int zero_present(const struct mem *mem, const struct mem_region *region)
{
	long system_page = sysconf(_SC_PAGESIZE);
	uint8_t present;

	for (uint64_t at = 0; at < region->size; at += GUEST_PAGE_SIZE) {
		if (is_aligned(at, mem->page_size) &&
		    mincore(region->hva + at, (size_t)system_page, &present) < 0)
			return -errno;
		if ((present & 1) && !page_is_zero(region->hva + at))
			memset(region->hva + at, 0, GUEST_PAGE_SIZE);
	}
	return 0;
}

static int read_whole(int fd, uint8_t *buf, uint64_t len, uint64_t offset)
{
	for (uint64_t done = 0; done < len;) {
		ssize_t n = pread(fd, buf + done, len - done, (off_t)(offset + done));

		if (n <= 0)
			return because(n < 0 ? -errno : -EIO,
				       "cannot read the file of the memory: %s",
				       n < 0 ? strerror(errno) : "it has become shorter");
		done += (uint64_t)n;
	}
	return 0;
}

static int read_run(const struct mem_region *region, int fd, uint64_t from, uint64_t to)
{
	AUTO_FREE uint8_t *buf = aligned_alloc(GUEST_PAGE_SIZE, COPY_CHUNK);
	int r = buf ? 0 : -ENOMEM;

	for (uint64_t len; r == 0 && from < to; from += len) {
		len = min_u64(to - from, COPY_CHUNK);
		r = read_whole(fd, buf, len, from);
		for (uint64_t at = 0; r == 0 && at < len; at += GUEST_PAGE_SIZE)
			if (!page_is_zero(buf + at))
				memcpy(region->hva + (from - region->offset) + at, buf + at,
				       GUEST_PAGE_SIZE);
	}
	return r;
}

/* Huge pages cannot be a file's: its data is copied, and memory where it has none is not touched.
 */
static int adopt_copy(const struct mem *mem, int fd)
{
	const struct mem_map *map = mem_map(mem);
	int r = 0;

	for (size_t i = 0; r == 0 && i < map->count; i++) {
		const struct mem_region *region = mem_map_at(map, i);
		uint64_t at = region->offset, end = region->offset + region->size, from, to;

		r = zero_present(mem, region);
		for (; r == 0 && (r = mem_next_in_file(fd, at, end, end, &from, &to)) == 1; at = to)
			r = read_run(region, fd, from, to);
	}
	return r;
}

/* Host addresses stay, and so do slots and the map. lock held. */
static int adopt(struct mem *mem, int fd, enum mem_adopt how)
{
	uint64_t size = 0;
	int r = check_size(mem, fd, how, &size);

	if (r < 0)
		return r;
	if (how == MEM_ADOPT_SHARED)
		return adopt_shared(mem, fd, size);
	if (mem->page_size == GUEST_PAGE_SIZE)
		return adopt_private(mem, fd);
	r = adopt_copy(mem, fd);
	if (r == 0)
		close(fd);
	return r;
}

int mem_adopt(struct mem *mem, int fd, enum mem_adopt how)
{
	int r;

	pthread_mutex_lock(&mem->lock);
	r = adopt(mem, fd, how);
	pthread_mutex_unlock(&mem->lock);
	return r;
}

bool mem_is_shared(const struct mem *mem)
{
	const struct mem_map *map = mem_map(mem);

	for (size_t i = 0; i < map->count; i++)
		if (mem_map_at(map, i)->flags & MEM_PRIVATE)
			return false;
	return true;
}

static bool is_zeroed(const struct mem_region *region, uint64_t page)
{
	return region->body->zeroed[page / 64] >> page % 64 & 1;
}

/* Between how many neighbours of the pages [first, end) and their surroundings one mapping ends. */
static unsigned borders(const struct mem_region *region, uint64_t first, uint64_t end)
{
	unsigned count = 0;

	for (uint64_t page = max_u64(first, 1); page <= end; page++)
		if (page < region->size / GUEST_PAGE_SIZE)
			count += is_zeroed(region, page - 1) != is_zeroed(region, page);
	return count;
}

static int map_zero(struct mem *mem, const struct mem_region *region, uint64_t offset,
		    uint64_t size)
{
	struct mem_region part = { .hva = region->hva + offset, .size = size };

	if (mmap(part.hva, size, PROT_READ | PROT_WRITE,
		 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		return -errno;
	mem_advise(mem, &part);
	return 0;
}

/*
 * Dropping a private page would bring the file's back: anonymous memory takes its place. Where that
 * would cut memory into too many mappings, zeros are stored, and the pages are not given back.
 */
int mem_discard_private(struct mem *mem, const struct mem_region *region, uint64_t offset,
			uint64_t size)
{
	uint64_t first = offset / GUEST_PAGE_SIZE;
	uint64_t end = (offset + size) / GUEST_PAGE_SIZE;
	uint64_t page = first;
	unsigned pieces;

	/* What is anonymous by now only the owner of the pages notes. */
	if (region->flags & MEM_ALIAS) {
		memset(region->hva + offset, 0, size);
		return 0;
	}
	while (page < end && is_zeroed(region, page))
		page++;
	if (page == end)
		return madvise(region->hva + offset, size, MADV_DONTNEED) < 0 ? -errno : 0;
	pieces = mem->pieces - borders(region, first, end);
	pieces += first > 0 && !is_zeroed(region, first - 1);
	pieces += end < region->size / GUEST_PAGE_SIZE && !is_zeroed(region, end);
	if (pieces > PIECES_MAX || map_zero(mem, region, offset, size) < 0) {
		memset(region->hva + offset, 0, size);
		return 0;
	}
	for (page = first; page < end; page++)
		region->body->zeroed[page / 64] |= 1ULL << page % 64;
	mem->pieces = pieces;
	return 0;
}
