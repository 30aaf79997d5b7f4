/* SPDX-License-Identifier: Apache-2.0 */
/* Writes cpio archives. */
#include "smoke/overlay.h"

#include <ferry/error.h>

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "smoke/init.h"

#define COMMAND_MAX 65535 /* guest/init/init.c */

struct archive {
	FILE *file;
	uint32_t number; /* of the entry */
	uint64_t size;
};

static void put(struct archive *archive, const void *data, size_t len)
{
	if (len)
		fwrite(data, len, 1, archive->file);
	archive->size += len;
}

static void pad(struct archive *archive)
{
	static const char zeros[4];

	put(archive, zeros, -archive->size & 3);
}

static void put_header(struct archive *archive, const char *name, mode_t mode, uint64_t size,
		       dev_t device)
{
	char header[111];

	/* magic, ino, mode, uid, gid, nlink, mtime, size, dev (2), rdev (2), length of name, sum */
	snprintf(header, sizeof(header), "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		 ++archive->number, mode, 0, 0, 1, 0, (uint32_t)size, 0, 0, major(device),
		 minor(device), (uint32_t)strlen(name) + 1, 0);
	put(archive, header, 110);
	put(archive, name, strlen(name) + 1);
	pad(archive);
}

static void put_file(struct archive *archive, const char *name, mode_t mode, const void *data,
		     size_t size)
{
	put_header(archive, name, mode, size, 0);
	put(archive, data, size);
	pad(archive);
}

static int open_archive(struct archive *archive, int *ret_fd)
{
	AUTO_CLOSE int fd = memfd_create("ferry-smoke", MFD_CLOEXEC);
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	*archive = (struct archive){ .file = copy < 0 ? NULL : fdopen(copy, "w") };
	if (!archive->file) {
		int err = -errno;

		if (copy >= 0)
			close(copy);
		return because(err, "cannot make a file in memory: %s", strerror(-err));
	}
	*ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return *ret_fd < 0 ? because(-errno, "out of descriptors") : 0;
}

static int close_archive(struct archive *archive, int err)
{
	bool failed;

	if (!archive->file)
		return err;
	put_header(archive, "TRAILER!!!", 0, 0, 0);
	failed = ferror(archive->file);
	failed = fclose(archive->file) != 0 || failed;
	return failed && !err ? because(-ENOSPC, "cannot write an initial RAM disk") : err;
}

/* Exactly as many bytes as the header says, though the file may change meanwhile. */
static int put_content(struct archive *archive, const char *path, uint64_t size)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char buf[65536];

	if (fd < 0)
		return because(-errno, "cannot open %s: %s", path, strerror(errno));
	while (size) {
		ssize_t n = read(fd, buf, size < sizeof(buf) ? size : sizeof(buf));

		if (n <= 0)
			return because(n < 0 ? -errno : -EIO, "cannot read %s: %s", path,
				       n < 0 ? strerror(errno) : "it became shorter");
		put(archive, buf, (size_t)n);
		size -= (size_t)n;
	}
	pad(archive);
	return 0;
}

static int put_link(struct archive *archive, const char *name, const char *path)
{
	char target[4096];
	ssize_t len = readlink(path, target, sizeof(target));

	if (len < 0)
		return because(-errno, "cannot read %s: %s", path, strerror(errno));
	put_file(archive, name, S_IFLNK | 0777, target, (size_t)len);
	return 0;
}

static int put_entry(struct archive *archive, const FTSENT *entry, const char *name)
{
	const struct stat *info = entry->fts_statp;

	switch (entry->fts_info) {
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		return because(-entry->fts_errno, "%s: %s", entry->fts_path,
			       strerror(entry->fts_errno));
	case FTS_DP:
		return 0;
	case FTS_SL:
	case FTS_SLNONE:
		return put_link(archive, name, entry->fts_path);
	default:
		break;
	}
	if (S_ISSOCK(info->st_mode))
		return 0;
	if (!S_ISREG(info->st_mode)) {
		put_header(archive, name, info->st_mode, 0, info->st_rdev);
		return 0;
	}
	if (info->st_size > UINT32_MAX)
		return because(-EFBIG, "%s is too large for an initial RAM disk", entry->fts_path);
	put_header(archive, name, info->st_mode, (uint64_t)info->st_size, 0);
	return put_content(archive, entry->fts_path, (uint64_t)info->st_size);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int put_directory(struct archive *archive, const char *path)
{
	char *const paths[] = { (char *)path, NULL };
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	FTSENT *entry;
	int err = tree ? 0 : because(-errno, "%s: %s", path, strerror(errno));

	while (!err && (entry = fts_read(tree))) {
		const char *name = entry->fts_path + strlen(path);

		while (*name == '/')
			name++;
		if (*name || entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR)
			err = put_entry(archive, entry, name);
	}
	if (tree)
		fts_close(tree);
	return err;
}

int smoke_overlay_directory(const char *path, int *ret_fd)
{
	struct archive archive;
	struct stat info;
	int fd = -1, err;

	if (stat(path, &info) < 0)
		return because(-errno, "cannot open %s: %s", path, strerror(errno));
	if (!S_ISDIR(info.st_mode))
		return because(-ENOTDIR, "%s is no directory", path);
	err = open_archive(&archive, &fd);
	if (!err)
		err = put_directory(&archive, path);
	err = close_archive(&archive, err);
	if (err)
		cleanup_close(&fd);
	else
		*ret_fd = fd;
	return err;
}

int smoke_overlay_command(const char *command, int *ret_fd)
{
	struct archive archive;
	int fd = -1, err;

	if (!*command || strlen(command) > COMMAND_MAX)
		return because(-EINVAL, "a command has 1 to %d bytes", COMMAND_MAX);
	err = open_archive(&archive, &fd);
	if (!err) {
		/* The kernel opens the console before it runs anything. */
		put_header(&archive, "dev", S_IFDIR | 0755, 0, 0);
		put_header(&archive, "dev/console", S_IFCHR | 0600, 0, makedev(5, 1));
		put_header(&archive, "ferry", S_IFDIR | 0755, 0, 0);
		put_file(&archive, "ferry/init", S_IFREG | 0755, smoke_init, smoke_init_size);
		put_file(&archive, "ferry/command", S_IFREG | 0644, command, strlen(command));
	}
	err = close_archive(&archive, err);
	if (err)
		cleanup_close(&fd);
	else
		*ret_fd = fd;
	return err;
}
