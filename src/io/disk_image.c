/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and locking disk images. */
#include "io/disk_image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/util.h"

/* What direct I/O needs where the kernel does not tell (before 6.1): no file system asks for more.
 */
#define DIRECT_ALIGN_GUESS 4096

static int open_path(const char *path, bool readonly, bool direct)
{
	int fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | (direct ? O_DIRECT : 0));

	if (fd >= 0)
		return fd;
	if (errno == EINVAL && direct)
		return because(-EINVAL, "%s: its file system has no direct I/O: leave it out",
			       path);
	if (!readonly && (errno == EACCES || errno == EROFS || errno == EPERM))
		return because(-errno, "%s: cannot be written (%s): use it read-only", path,
			       strerror(errno));
	return because(-errno, "%s: cannot open: %s", path, strerror(errno));
}

int disk_image_lock(const struct disk_image *image, const char *path, bool readonly)
{
	struct flock lock = { .l_type = readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(image->fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return 0; /* the file system has no locks */
	return because(-EBUSY, "%s: another process uses it%s", path,
		       readonly ? " and may write to it" : ": only read-only images can be shared");
}

void disk_image_unlock(const struct disk_image *image)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	(void)!fcntl(image->fd, F_OFD_SETLK, &lock);
}

static int measure(struct disk_image *image, const char *path, const struct stat *st)
{
	int sector = 0;

	image->physical_size = DISK_IMAGE_SECTOR;
	if (S_ISREG(st->st_mode)) {
		image->size = (uint64_t)st->st_size;
		image->physical_size = 4096;
	} else if (!S_ISBLK(st->st_mode)) {
		return because(-EINVAL, "%s: not a file or a block device", path);
	} else if (ioctl(image->fd, BLKGETSIZE64, &image->size) < 0) {
		return because(-errno, "%s: cannot tell its size: %s", path, strerror(errno));
	} else if (ioctl(image->fd, BLKPBSZGET, &sector) == 0 && sector >= DISK_IMAGE_SECTOR) {
		image->physical_size = (uint32_t)sector;
	}
	return 0;
}

/* The alignments that direct I/O asks for. */
static void find_alignment(struct disk_image *image, const struct stat *st)
{
	struct statx stx = { 0 };
	int sector = 0;

	image->buffer_align = DIRECT_ALIGN_GUESS;
	image->block_size = DIRECT_ALIGN_GUESS;
	if (statx(image->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
	    (stx.stx_mask & STATX_DIOALIGN) && stx.stx_dio_mem_align && stx.stx_dio_offset_align) {
		image->buffer_align = stx.stx_dio_mem_align;
		image->block_size = stx.stx_dio_offset_align;
	} else if (S_ISBLK(st->st_mode) && ioctl(image->fd, BLKSSZGET, &sector) == 0 &&
		   sector > 0) {
		image->buffer_align = (uint32_t)sector;
		image->block_size = (uint32_t)sector;
	}
	image->block_size = (uint32_t)max_u64(image->block_size, DISK_IMAGE_SECTOR);
	image->physical_size = (uint32_t)max_u64(image->physical_size, image->block_size);
}

static int check_size(const struct disk_image *image, const char *path)
{
	unsigned long long size = image->size;

	if (!size)
		return because(-EINVAL, "%s: is empty: give it a size with truncate(1)", path);
	if (size % image->block_size)
		return because(
			-EINVAL,
			"%s: its size, %llu bytes, is not a multiple of %u: `truncate -s %llu` "
			"makes it one",
			path, size, image->block_size,
			(size / image->block_size + 1) * image->block_size);
	return 0;
}

int disk_image_init(struct disk_image *image, const char *path, bool readonly, bool direct)
{
	struct stat st;
	int r;

	*image = (struct disk_image){
		.fd = -1,
		.block_size = DISK_IMAGE_SECTOR,
		.buffer_align = 1,
		.overlay = DISK_OVERLAY_NONE,
	};
	r = open_path(path, readonly, direct);
	if (r < 0)
		return r;
	image->fd = r;
	if (fstat(image->fd, &st) < 0) {
		r = because(-errno, "%s: %s", path, strerror(errno));
		goto fail;
	}
	r = measure(image, path, &st);
	if (r < 0)
		goto fail;
	if (direct)
		find_alignment(image, &st);
	r = check_size(image, path);
	if (r < 0)
		goto fail;
	return 0;
fail:
	disk_image_finish(image);
	return r;
}

int disk_image_init_overlay(struct disk_image *image, const char *path, const char *overlay)
{
	int fd, err = disk_image_init(image, path, true, false);

	if (!err)
		err = disk_image_lock(image, path, true);
	if (err)
		goto fail;
	fd = image->fd;
	image->fd = open(overlay, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (image->fd < 0) {
		err = because(-errno, "%s: cannot open: %s", overlay, strerror(errno));
		close(fd);
	} else {
		err = disk_overlay_init(&image->overlay, fd, image->size, image->fd, overlay);
	}
	if (err)
		goto fail;
	return 0;
fail:
	disk_image_finish(image);
	return err;
}

void disk_image_finish(struct disk_image *image)
{
	if (image->fd >= 0)
		close(image->fd);
	disk_dirty_finish(&image->dirty);
	disk_overlay_finish(&image->overlay);
	*image = (struct disk_image){ .fd = -1, .overlay = DISK_OVERLAY_NONE };
}
