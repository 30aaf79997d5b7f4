/* SPDX-License-Identifier: Apache-2.0 */
/* Reads kernel images, and keeps large memory for a moment. */
#include "boot/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/util.h"

int image_open(struct image *image, const char *path)
{
	/* O_NONBLOCK: a FIFO is refused below, not waited for here. */
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return because(-errno, "cannot open: %s", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return because(-EISDIR, "is a directory, not a file");
	if (!S_ISREG(st.st_mode))
		return because(-EINVAL, "is not a regular file");
	if (st.st_size == 0)
		return because(-ENOEXEC, "is empty");
	*image = (struct image){ .fd = fd_take(&fd), .size = (uint64_t)st.st_size };
	return 0;
}

void image_init_memory(struct image *image, const void *data, uint64_t size)
{
	*image = (struct image){ .fd = -1, .data = data, .size = size };
}

void image_finish(struct image *image)
{
	if (image->fd >= 0)
		close(image->fd);
	image->fd = -1;
}

int read_exactly(int fd, uint64_t offset, void *buf, uint64_t len)
{
	uint8_t *at = buf;

	while (len > 0) {
		ssize_t got = pread(fd, at, min_u64(len, GIB), (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -ENODATA;
		at += got;
		offset += (uint64_t)got;
		len -= (uint64_t)got;
	}
	return 0;
}

int image_read(const struct image *image, uint64_t offset, void *buf, uint64_t len,
	       const char *what)
{
	int err;

	if (!range_inside(offset, len, image->size))
		return because(-ENOEXEC, "truncated: %s at %#llx … %#llx lies past the end (%#llx)",
			       what, (unsigned long long)offset, (unsigned long long)(offset + len),
			       (unsigned long long)image->size);
	if (image->fd < 0) {
		if (len > 0 && buf != image->data + offset)
			memmove(buf, image->data + offset, len);
		return 0;
	}
	err = read_exactly(image->fd, offset, buf, len);
	if (err == -ENODATA)
		return because(-ENOEXEC, "became shorter while it was read");
	if (err < 0)
		return because(err, "cannot read %s: %s", what, strerror(-err));
	return 0;
}

int scratch_map(struct scratch *scratch, uint64_t size)
{
	void *data = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (data == MAP_FAILED)
		return because(-ENOMEM, "not enough memory on the host for %llu MiB",
			       (unsigned long long)(size / MIB + 1));
	/* Fewer page faults; an optimisation, so its failure does not matter. */
	madvise(data, size, MADV_HUGEPAGE);
	*scratch = (struct scratch){ data, size };
	return 0;
}

void scratch_unmap(struct scratch *scratch)
{
	if (scratch->data)
		munmap(scratch->data, scratch->size);
	*scratch = (struct scratch){ 0 };
}
