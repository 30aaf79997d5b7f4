/* SPDX-License-Identifier: Apache-2.0 */
/* Finds control sockets. */
#include "control/path.h"

#include <ferry/error.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"

int control_directory(char *path, size_t size)
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	int len;

	if (runtime && *runtime && *runtime != '/')
		return because(-EINVAL, "XDG_RUNTIME_DIR is \"%s\": it must be an absolute path",
			       runtime);
	if (runtime && *runtime)
		len = snprintf(path, size, "%s/ferry", runtime);
	else if (geteuid() == 0)
		len = snprintf(path, size, "/run/ferry");
	else
		len = snprintf(path, size, "/tmp/ferry-%u", (unsigned)geteuid());
	if (len < 0 || (size_t)len >= size)
		return because(-ENAMETOOLONG, "XDG_RUNTIME_DIR is too long for a socket's path");
	return 0;
}

static int check_private(int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return because(-errno, "%s: %s", path, strerror(errno));
	if (st.st_uid != geteuid())
		return because(-EPERM,
			       "%s belongs to another user: set XDG_RUNTIME_DIR to a "
			       "directory of yours",
			       path);
	if (st.st_mode & 077)
		return because(-EPERM, "%s is open to other users: chmod 700 %s", path, path);
	return 0;
}

int control_directory_open(bool create, int *ret_fd)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	AUTO_CLOSE int fd = -1;
	int err = control_directory(path, sizeof(path));

	if (err)
		return err;
	if (create && mkdir(path, 0700) != 0 && errno != EEXIST)
		return because(-errno, "cannot make the directory %s for control sockets: %s", path,
			       strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return because(-errno, "cannot open the directory %s of control sockets: %s", path,
			       strerror(errno));
	err = check_private(fd, path);
	if (err)
		return err;
	while (flock(fd, LOCK_EX) != 0) {
		if (errno != EINTR)
			return because(-errno, "cannot lock %s: %s", path, strerror(errno));
	}
	*ret_fd = fd_take(&fd);
	return 0;
}

int control_address(const char *name, struct sockaddr_un *ret_address)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[sizeof(address.sun_path)];
	int err = control_directory(path, sizeof(path));
	int len;

	if (err)
		return err;
	len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.sock", path, name);
	if (len < 0 || (size_t)len >= sizeof(address.sun_path))
		return because(-ENAMETOOLONG,
			       "the path of the control socket is longer than %zu "
			       "bytes: choose a shorter name",
			       sizeof(address.sun_path) - 1);
	*ret_address = address;
	return 0;
}

/*
 * A process that ended leaves the socket listening for as long as the kernel takes down its rings of
 * io_uring, which hold it: connections are made then that nobody will answer.
 */
static bool listener_has_ended(int fd)
{
	AUTO_CLOSE int process = -1;
	struct ucred listener;
	socklen_t len = sizeof(listener);

	/* Its pid is 0 where this pid namespace does not see it. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &len) != 0 || listener.pid <= 0)
		return false;
	process = pidfd_open(listener.pid, 0);
	if (process < 0)
		return errno == ESRCH;
	return poll(&(struct pollfd){ .fd = process, .events = POLLIN }, 1, 0) > 0;
}

/* flags: SOCK_NONBLOCK, or 0 to wait a while for a place in the VM's queue. */
static int connect_to(const char *name, int flags, int *ret_fd)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	struct timeval patience = { .tv_sec = 5 };
	struct sockaddr_un address;
	int r, err = control_address(name, &address);

	if (err)
		return err;
	if (fd < 0)
		return because(-errno, "socket: %s", strerror(errno));
	/* connect(2) on a unix socket waits as long as sending does. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	do {
		r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	} while (r != 0 && errno == EINTR);
	if (r == 0 && listener_has_ended(fd))
		return because(-ECONNREFUSED, "who listened at %s has ended", address.sun_path);
	if (r != 0)
		return because(-errno, "cannot connect to %s: %s", address.sun_path,
			       errno == EAGAIN ? "too many wait already" : strerror(errno));
	*ret_fd = fd_take(&fd);
	return 0;
}

int control_connect(const char *name, int *ret_fd)
{
	return connect_to(name, 0, ret_fd);
}

bool control_is_alive(const char *name)
{
	AUTO_CLOSE int fd = -1;
	int err = connect_to(name, SOCK_NONBLOCK, &fd);

	return err != -ENOENT && err != -ECONNREFUSED;
}

int control_check_free(const char *name)
{
	if (!control_is_alive(name))
		return 0;
	return because(-EEXIST, "a VM named %s runs already: choose another --name, or see 'ferry list'",
		       name);
}

int control_remove_stale(const char *name)
{
	AUTO_CLOSE int lock = -1;
	struct sockaddr_un address;
	int err = control_directory_open(false, &lock);

	if (!err)
		err = control_address(name, &address);
	if (err || control_is_alive(name))
		return err;
	if (unlink(address.sun_path) != 0 && errno != ENOENT)
		return because(-errno, "cannot remove %s: %s", address.sun_path, strerror(errno));
	return 0;
}
