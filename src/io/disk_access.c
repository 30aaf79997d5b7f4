/* SPDX-License-Identifier: Apache-2.0 */
/* pread, pwrite, holes and zeros on a disk image. */
#include "io/disk_access.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "io/disk_image.h"

/* Zeros to write where none can be made. */
#define ZEROES_SIZE MIB

static int check(const struct disk_image *image, uint64_t offset, uint64_t len)
{
	if (range_inside(offset, len, image->size) && is_aligned(offset, DISK_DIRTY_BLOCK) &&
	    (is_aligned(len, DISK_DIRTY_BLOCK) || offset + len == image->size))
		return 0;
	return because(-EINVAL, "%llu bytes at %llu are no blocks of a disk of %llu",
		       (unsigned long long)len, (unsigned long long)offset,
		       (unsigned long long)image->size);
}

static int failure(ssize_t n, const char *what, uint64_t offset)
{
	int err = n < 0 ? -errno : -EIO;

	return because(err, "cannot %s at byte %llu: %s", what, (unsigned long long)offset,
		       n < 0 ? strerror(-err) : "the image has become shorter");
}

int disk_image_read(const struct disk_image *image, uint64_t offset, void *buf, size_t len)
{
	int err = check(image, offset, len);

	for (uint8_t *at = buf; len && !err;) {
		ssize_t n = pread(image->fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return failure(n, "read", offset);
		at += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return err;
}

static int write_all(const struct disk_image *image, uint64_t offset, const uint8_t *at, size_t len)
{
	while (len) {
		ssize_t n = pwrite(image->fd, at, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return failure(n, "write", offset);
		at += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int disk_image_write(const struct disk_image *image, uint64_t offset, const void *buf, size_t len)
{
	int err = check(image, offset, len);

	return err ? err : write_all(image, offset, buf, len);
}

static int write_zeroes(const struct disk_image *image, uint64_t offset, uint64_t len)
{
	AUTO_FREE uint8_t *zeroes = aligned_alloc(DISK_DIRTY_BLOCK, ZEROES_SIZE);
	int err = zeroes ? 0 : because(-ENOMEM, "out of memory");

	if (zeroes)
		memset(zeroes, 0, ZEROES_SIZE);
	for (uint64_t at = 0; at < len && !err; at += ZEROES_SIZE)
		err = write_all(image, offset + at, zeroes, min_u64(len - at, ZEROES_SIZE));
	return err;
}

static bool is_hole(const struct disk_image *image, uint64_t offset, uint64_t len)
{
	uint64_t data = offset, data_len;
	int r = disk_image_next_data(image, &data, &data_len);

	return r == 0 || (r > 0 && data >= offset + len);
}

/* Holes first: a block device that cannot make them writes zeros itself for the second, or refuses it. */
int disk_image_zero(const struct disk_image *image, uint64_t offset, uint64_t len)
{
	static const int modes[] = { FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE };
	int err = check(image, offset, len);

	if (err || !len || is_hole(image, offset, len))
		return err;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		int r;

		do
			r = fallocate(image->fd, modes[i] | FALLOC_FL_KEEP_SIZE, (off_t)offset,
				      (off_t)len);
		while (r < 0 && errno == EINTR);
		if (r == 0)
			return 0;
		if (errno != EOPNOTSUPP && errno != ENOSYS)
			return failure(-1, "make zeros", offset);
	}
	return write_zeroes(image, offset, len);
}

int disk_image_next_data(const struct disk_image *image, uint64_t *offset, uint64_t *ret_len)
{
	uint64_t from = *offset;
	off_t data, hole;

	if (from >= image->size)
		return 0;
	data = lseek(image->fd, (off_t)from, SEEK_DATA);
	if (data < 0 && errno == ENXIO)
		return 0;
	hole = data < 0 ? -1 : lseek(image->fd, data, SEEK_HOLE);
	if (data >= 0)
		from = (uint64_t)data;
	if (from >= image->size)
		return 0;
	*offset = from;
	*ret_len = min_u64(hole > (off_t)from ? (uint64_t)hole : image->size, image->size) - from;
	return 1;
}

int disk_image_sync(const struct disk_image *image)
{
	if (fdatasync(image->fd) == 0)
		return 0;
	return because(-errno, "cannot be brought to stable storage: %s", strerror(errno));
}
