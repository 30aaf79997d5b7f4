/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the directory beside the one that it is to be, and puts it there by one rename. */
#include "migrate/snapshot_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "migrate/snapshot.h"

/* Between the name and what mkdtemp(3) makes of XXXXXX: nobody else names a directory so. */
#define LEFTOVER   ".incomplete-"
#define MAKE_TRIES 10

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
	char path[PATH_MAX];
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

static void remove_files(int fd)
{
	static const char *const files[] = { SNAPSHOT_STATE, SNAPSHOT_MEMORY };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlinkat(fd, files[i], 0);
}

static void remove_snapshot(const char *dir)
{
	AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	remove_files(fd);
	rmdir(dir);
}

/*
 * Whether it is what a writer left that was killed. It is still what it was when it was opened, once
 * it is locked: a writer's lock outlives its commit.
 */
static bool is_left(int parent, const char *name, int fd)
{
	struct stat st, now;

	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
	       fstatat(parent, name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       now.st_dev == st.st_dev && now.st_ino == st.st_ino;
}

static void remove_left(int parent, const char *name)
{
	AUTO_CLOSE int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || !is_left(parent, name, fd))
		return;
	remove_files(fd);
	unlinkat(parent, name, AT_REMOVEDIR);
}

/* The directory that holds the entry for dir, whose name check_dir() found short enough. */
static void parent_of(const char *dir, char path[PATH_MAX])
{
	const char *slash = strrchr(dir, '/');

	snprintf(path, PATH_MAX, "%.*s", slash ? (int)(slash - dir) + 1 : 1, slash ? dir : ".");
}

/* That it cannot be done is no reason against another snapshot. */
static void remove_all_left(const char *name)
{
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
	size_t len = strlen(base), suffix = strlen(LEFTOVER);
	const struct dirent *entry;
	char path[PATH_MAX];
	DIR *parent;

	parent_of(name, path);
	parent = opendir(path);
	while (parent && (entry = readdir(parent)))
		if (strncmp(entry->d_name, base, len) == 0 &&
		    strncmp(entry->d_name + len, LEFTOVER, suffix) == 0 &&
		    strlen(entry->d_name) == len + suffix + 6)
			remove_left(dirfd(parent), entry->d_name);
	if (parent)
		closedir(parent);
}

/*
 * In the directory's own lock is who writes it: nobody else takes it for something left behind. -EAGAIN:
 * somebody who looked between its making and this takes it away.
 */
static int lock_temporary(const char *path, int *ret_fd)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	/* Where nobody can lock, nobody takes anything away. */
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return -EAGAIN;
	if (fstat(fd, &st) < 0 || !st.st_nlink)
		return -EAGAIN;
	*ret_fd = fd_take(&fd);
	return 0;
}

static int try_temporary(struct snapshot_dir *dir)
{
	AUTO_FREE char *path = NULL;
	int err;

	if (asprintf(&path, "%s" LEFTOVER "XXXXXX", dir->name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (!mkdtemp(path))
		return -errno;
	err = lock_temporary(path, &dir->fd);
	if (err == -EAGAIN)
		return err;
	dir->temporary = path;
	path = NULL;
	return err;
}

static int make_temporary(struct snapshot_dir *dir)
{
	int err = -EAGAIN;

	for (unsigned i = 0; i < MAKE_TRIES && err == -EAGAIN; i++)
		err = try_temporary(dir);
	return err ? because(err, "cannot make %s" LEFTOVER "XXXXXX: %s", dir->name, strerror(-err))
		   : 0;
}

int snapshot_dir_make(struct snapshot_dir *dir, const char *name)
{
	int err;

	*dir = (struct snapshot_dir){ .fd = -1, .memory_fd = -1, .state_fd = -1 };
	dir->name = without_slashes(name);
	if (!dir->name)
		return because(-ENOMEM, "out of memory");
	err = check_dir(dir->name);
	if (!err) {
		remove_all_left(dir->name);
		err = make_temporary(dir);
	}
	if (!err)
		err = make_file(dir, SNAPSHOT_MEMORY, O_RDWR, &dir->memory_fd);
	if (!err)
		err = make_file(dir, SNAPSHOT_STATE, O_WRONLY, &dir->state_fd);
	return err;
}

/* The exchange is on disk when that directory is. */
static int sync_parent(const char *dir)
{
	char path[PATH_MAX];
	AUTO_CLOSE int fd = -1;

	parent_of(dir, path);
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
