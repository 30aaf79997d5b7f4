/* SPDX-License-Identifier: Apache-2.0 */
/* A directory, and a command to run, as initial RAM disks. */
#include "smoke/overlay.h"

#include <ferry/error.h>

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "smoke/cpio.h"
#include "smoke/init.h"

/* Exactly as many bytes as the header says, though the file may change meanwhile. */
static int put_content(struct cpio *cpio, const char *path, uint64_t size)
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
		cpio_put(cpio, buf, (size_t)n);
		size -= (size_t)n;
	}
	cpio_pad(cpio);
	return 0;
}

static int put_link(struct cpio *cpio, const char *name, const char *path)
{
	char target[4096];
	ssize_t len = readlink(path, target, sizeof(target));

	if (len < 0)
		return because(-errno, "cannot read %s: %s", path, strerror(errno));
	cpio_add(cpio, name, S_IFLNK | 0777, target, (size_t)len);
	return 0;
}

static int put_entry(struct cpio *cpio, const FTSENT *entry, const char *name)
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
		return put_link(cpio, name, entry->fts_path);
	default:
		break;
	}
	if (S_ISSOCK(info->st_mode))
		return 0;
	if (S_ISREG(info->st_mode) && info->st_size > UINT32_MAX)
		return because(-EFBIG, "%s is too large for an initial RAM disk", entry->fts_path);
	cpio_begin(cpio, &(struct cpio_entry){
				 .name = name,
				 .mode = info->st_mode,
				 .number = cpio_number(cpio),
				 .links = 1,
				 .size = S_ISREG(info->st_mode) ? (uint64_t)info->st_size : 0,
				 .device = info->st_rdev,
			 });
	if (!S_ISREG(info->st_mode))
		return 0;
	return put_content(cpio, entry->fts_path, (uint64_t)info->st_size);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int put_directory(struct cpio *cpio, const char *path)
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
			err = put_entry(cpio, entry, name);
	}
	if (tree)
		fts_close(tree);
	return err;
}

int smoke_overlay_directory(const char *path, struct smoke_root *ret_root)
{
	struct smoke_root root = { .fd = -1 };
	struct cpio cpio;
	struct stat info;
	char init[4096];
	int err;

	if (stat(path, &info) < 0)
		return because(-errno, "cannot open %s: %s", path, strerror(errno));
	if (!S_ISDIR(info.st_mode))
		return because(-ENOTDIR, "%s is no directory", path);
	err = cpio_init(&cpio);
	if (err)
		return err;
	snprintf(init, sizeof(init), "%s/init", path);
	root.has_init = access(init, F_OK) == 0;
	cpio_add_console(&cpio);
	err = cpio_finish(&cpio, put_directory(&cpio, path), &root.fd);
	if (!err)
		*ret_root = root;
	return err;
}

int smoke_overlay_command(const char *command, int *ret_fd)
{
	struct cpio cpio;
	int err = cpio_init(&cpio);

	if (err)
		return err;
	cpio_add_console(&cpio);
	cpio_add(&cpio, "ferry", S_IFDIR | 0755, NULL, 0);
	cpio_add(&cpio, "ferry/init", S_IFREG | 0755, smoke_init, smoke_init_size);
	if (command)
		cpio_add(&cpio, "ferry/command", S_IFREG | 0644, command, strlen(command));
	return cpio_finish(&cpio, 0, ret_fd);
}
