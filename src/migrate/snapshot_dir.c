/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the directory beside the one that it is to be, and puts it there by one rename. */
#include "migrate/snapshot_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "migrate/snapshot.h"

/* Files that somebody keeps beside a snapshot's would go with it. */
static int check_files(const char *name)
{
	const struct dirent *entry;
	DIR *dir = opendir(name);
	int err = 0;

	if (!dir)
		return because(-errno, "%s: %s", name, strerror(errno));
	while (!err && (entry = readdir(dir)))
		if (strcmp(entry->d_name, SNAPSHOT_STATE) != 0 &&
		    strcmp(entry->d_name, SNAPSHOT_MEMORY) != 0 &&
		    strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			err = because(-EEXIST,
				      "%s holds %s, which is not of a snapshot: move it, or choose "
				      "another name", name, entry->d_name);
	closedir(dir);
	return err;
}

/* Whether dir may be replaced: it is not there, or empty, or a snapshot. */
static int check_dir(const char *dir)
{
	char path[4096];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/" SNAPSHOT_STATE, dir) >= (int)sizeof(path))
		return because(-ENAMETOOLONG, "%s: the name is too long", dir);
	if (stat(dir, &st) < 0)
		return errno == ENOENT ? 0 : because(-errno, "%s: %s", dir, strerror(errno));
	if (S_ISDIR(st.st_mode) && stat(path, &st) == 0)
		return check_files(dir);
	if (rmdir(dir) == 0)
		return 0;
	return because(-EEXIST, "%s is there and is no snapshot: choose another name", dir);
}

/* Beside dir something is made whose name begins with its name. */
static char *without_slashes(const char *dir)
{
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		len--;
	return strndup(dir, len);
}

static int make_file(const struct snapshot_dir *dir, const char *name, int flags, int *ret_fd)
{
	int fd = openat(dir->fd, name, flags | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return because(-errno, "cannot make %s/%s: %s", dir->temporary, name, strerror(errno));
	*ret_fd = fd;
	return 0;
}

static int make_temporary(struct snapshot_dir *dir)
{
	int err;

	if (asprintf(&dir->temporary, "%s.XXXXXX", dir->name) < 0)
		return because(-ENOMEM, "out of memory");
	if (!mkdtemp(dir->temporary)) {
		err = because(-errno, "cannot make %s: %s", dir->temporary, strerror(errno));
		free(dir->temporary);
		dir->temporary = NULL;
		return err;
	}
	dir->fd = open(dir->temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir->fd < 0 ? because(-errno, "%s: %s", dir->temporary, strerror(errno)) : 0;
}

int snapshot_dir_make(struct snapshot_dir *dir, const char *name)
{
	int err;

	*dir = (struct snapshot_dir){ .fd = -1, .memory_fd = -1, .state_fd = -1 };
	dir->name = without_slashes(name);
	if (!dir->name)
		return because(-ENOMEM, "out of memory");
	err = check_dir(dir->name);
	if (!err)
		err = make_temporary(dir);
	if (!err)
		err = make_file(dir, SNAPSHOT_MEMORY, O_RDWR, &dir->memory_fd);
	if (!err)
		err = make_file(dir, SNAPSHOT_STATE, O_WRONLY, &dir->state_fd);
	return err;
}

static void remove_snapshot(const char *dir)
{
	static const char *const files[] = { SNAPSHOT_STATE, SNAPSHOT_MEMORY };
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlinkat(fd, files[i], 0);
	close(fd);
	rmdir(dir);
}

/* The directory that holds the entry for dir: the exchange is on disk when it is. */
static int sync_parent(const char *dir)
{
	char path[4096];
	AUTO_CLOSE int fd = -1;
	const char *slash = strrchr(dir, '/');

	snprintf(path, sizeof(path), "%.*s", slash ? (int)(slash - dir) + 1 : 1, slash ? dir : ".");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? because(-errno, "%s: %s", path, strerror(errno)) : 0;
}

int snapshot_dir_commit(struct snapshot_dir *dir)
{
	bool replaces = false;
	int err;

	if (fsync(dir->fd) < 0)
		return because(-errno, "cannot write the snapshot: %s", strerror(errno));
	/* Not every file system can exchange: where nothing is replaced it need not. */
	if (rename(dir->temporary, dir->name) < 0) {
		replaces = true;
		if ((errno != EEXIST && errno != ENOTEMPTY) ||
		    renameat2(AT_FDCWD, dir->temporary, AT_FDCWD, dir->name, RENAME_EXCHANGE) < 0)
			return because(-errno, "cannot make %s: %s", dir->name, strerror(errno));
	}
	err = sync_parent(dir->name);
	if (replaces)
		remove_snapshot(dir->temporary);
	free(dir->temporary);
	dir->temporary = NULL;
	return err;
}

static void close_all(const struct snapshot_dir *dir)
{
	const int fds[] = { dir->fd, dir->memory_fd, dir->state_fd };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

void snapshot_dir_finish(struct snapshot_dir *dir)
{
	if (!dir->name)
		return;
	if (dir->temporary)
		remove_snapshot(dir->temporary);
	close_all(dir);
	free(dir->temporary);
	free(dir->name);
	*dir = (struct snapshot_dir){ .fd = -1, .memory_fd = -1, .state_fd = -1 };
}
