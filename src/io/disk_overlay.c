/* SPDX-License-Identifier: Apache-2.0 */
/* Which sectors were written. */
#include "io/disk_overlay.h"

#include <ferry/error.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

#define SECTOR 512
/* The largest page that a host has: what is mapped begins at one. */
#define BITS_ALIGN 65536

static uint64_t bits_offset(uint64_t size)
{
	return align_up(size, BITS_ALIGN);
}

static uint64_t bits_size(uint64_t size)
{
	return align_up((size / SECTOR + 63) / 64 * sizeof(uint64_t), BITS_ALIGN);
}

static int check_file(int fd, const char *path, uint64_t size)
{
	uint64_t whole = bits_offset(size) + bits_size(size);
	struct stat info;

	if (fstat(fd, &info) < 0)
		return because(-errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(info.st_mode))
		return because(-EINVAL, "%s: an overlay is a file", path);
	if (info.st_size == 0 && ftruncate(fd, (off_t)whole) < 0)
		return because(-errno, "%s: cannot make it %llu bytes long: %s", path,
			       (unsigned long long)whole, strerror(errno));
	if (info.st_size != 0 && (uint64_t)info.st_size != whole)
		return because(-EINVAL, "%s: is no overlay of a disk of %llu bytes: empty it", path,
			       (unsigned long long)size);
	return 0;
}

int disk_overlay_init(struct disk_overlay *overlay, int base, uint64_t size, int fd,
		      const char *path)
{
	int err = check_file(fd, path, size);
	void *bits = MAP_FAILED;

	*overlay = (struct disk_overlay){ .base = base, .size = size };
	if (!err) {
		bits = mmap(NULL, bits_size(size), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			    (off_t)bits_offset(size));
		if (bits == MAP_FAILED)
			err = because(-errno, "%s: cannot be mapped: %s", path, strerror(errno));
	}
	if (err)
		disk_overlay_finish(overlay);
	else
		overlay->bits = bits;
	return err;
}

void disk_overlay_finish(struct disk_overlay *overlay)
{
	if (overlay->bits)
		munmap((void *)overlay->bits, bits_size(overlay->size));
	if (overlay->base >= 0)
		close(overlay->base);
	*overlay = (struct disk_overlay)DISK_OVERLAY_NONE;
}

/* The first sector from first on, and before end, whose bit is not like; end: none. */
static uint64_t find_other(const struct disk_overlay *overlay, uint64_t first, uint64_t end,
			   bool like)
{
	while (first < end) {
		uint64_t word = atomic_load_explicit(&overlay->bits[first / 64],
						     memory_order_relaxed);
		uint64_t others = (like ? ~word : word) >> first % 64;

		if (others)
			return min_u64(first + (uint64_t)__builtin_ctzll(others), end);
		first = (first / 64 + 1) * 64;
	}
	return end;
}

uint64_t disk_overlay_run(const struct disk_overlay *overlay, uint64_t offset, uint64_t len,
			  bool *ret_written)
{
	uint64_t first = offset / SECTOR, end = (offset + len) / SECTOR;
	uint64_t word = atomic_load_explicit(&overlay->bits[first / 64], memory_order_relaxed);

	*ret_written = word >> first % 64 & 1;
	return (find_other(overlay, first, end, *ret_written) - first) * SECTOR;
}

/* A sector that two writes have filled, because the first one stopped inside it, is the second's. */
void disk_overlay_mark(const struct disk_overlay *overlay, uint64_t offset, uint64_t len)
{
	uint64_t first = offset / SECTOR, end = (offset + len) / SECTOR;

	while (first < end) {
		uint64_t last = min_u64((first / 64 + 1) * 64, end);
		uint64_t mask = ~0ULL << first % 64;

		if (last % 64)
			mask &= ~0ULL >> (64 - last % 64);
		atomic_fetch_or_explicit(&overlay->bits[first / 64], mask, memory_order_relaxed);
		first = last;
	}
}
