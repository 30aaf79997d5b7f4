/* SPDX-License-Identifier: Apache-2.0 */
/* Writes cpio archives. */
#include "smoke/cpio.h"

#include <ferry/error.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"

int cpio_init(struct cpio *cpio)
{
	AUTO_CLOSE int fd = memfd_create("ferry-smoke", MFD_CLOEXEC);
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int err;

	*cpio = (struct cpio){ .file = copy < 0 ? NULL : fdopen(copy, "w"), .fd = -1 };
	if (cpio->file)
		cpio->fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (cpio->fd >= 0)
		return 0;
	err = because(-errno, "cannot make a file in memory: %s", strerror(errno));
	if (cpio->file)
		fclose(cpio->file);
	else if (copy >= 0)
		close(copy);
	return err;
}

int cpio_finish(struct cpio *cpio, int err, int *ret_fd)
{
	bool failed;

	cpio_add(cpio, "TRAILER!!!", 0, NULL, 0);
	failed = ferror(cpio->file);
	failed = fclose(cpio->file) != 0 || failed;
	if (failed && !err)
		err = because(-ENOSPC, "cannot write an initial RAM disk");
	if (err)
		close(cpio->fd);
	else
		*ret_fd = cpio->fd;
	return err;
}

uint32_t cpio_number(struct cpio *cpio)
{
	return ++cpio->last_number;
}

void cpio_put(struct cpio *cpio, const void *data, size_t len)
{
	if (len)
		fwrite(data, len, 1, cpio->file);
	cpio->size += len;
}

void cpio_pad(struct cpio *cpio)
{
	static const char zeros[4];

	cpio_put(cpio, zeros, -cpio->size & 3);
}

void cpio_begin(struct cpio *cpio, const struct cpio_entry *entry)
{
	char header[111];

	/* magic, ino, mode, uid, gid, nlink, mtime, size, dev (2), rdev (2), length of name, sum */
	snprintf(header, sizeof(header), "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		 entry->number, entry->mode, entry->uid, entry->gid, entry->links, 0,
		 (uint32_t)entry->size, 0, 0, major(entry->device), minor(entry->device),
		 (uint32_t)strlen(entry->name) + 1, 0);
	cpio_put(cpio, header, 110);
	cpio_put(cpio, entry->name, strlen(entry->name) + 1);
	cpio_pad(cpio);
}

void cpio_add(struct cpio *cpio, const char *name, mode_t mode, const void *data, size_t size)
{
	const struct cpio_entry entry = {
		.name = name, .mode = mode, .number = cpio_number(cpio), .links = 1, .size = size,
	};

	cpio_begin(cpio, &entry);
	cpio_put(cpio, data, size);
	cpio_pad(cpio);
}

void cpio_add_console(struct cpio *cpio)
{
	struct cpio_entry entry = {
		.name = "dev", .mode = S_IFDIR | 0755, .number = cpio_number(cpio), .links = 1,
	};

	cpio_begin(cpio, &entry);
	entry.name = "dev/console";
	entry.mode = S_IFCHR | 0600;
	entry.number = cpio_number(cpio);
	entry.device = makedev(5, 1);
	cpio_begin(cpio, &entry);
}
