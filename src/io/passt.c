/* SPDX-License-Identifier: Apache-2.0 */
/* The child process passt: start, last words, end. */
#include "io/passt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "io/loop.h"

/* Where the child finds its socket and its standard streams. */
#define CHILD_SOCKET 3

/* How long it may take to end, when its connection has. */
#define END_MS 2000

struct passt {
	struct loop *loop;
	struct passt_options options;
	pid_t pid; /* 0: none, or reaped */
	int fd;
	int stderr_fd;
	int pidfd;
	struct loop_watch stderr_watch, exit_watch;
	char said[512]; /* the end of what it wrote to stderr */
	size_t said_len;
};

static void keep_said(struct passt *passt, const char *text, size_t len)
{
	size_t room = sizeof(passt->said) - 1, excess;

	if (len > room) {
		text += len - room;
		len = room;
	}
	excess = passt->said_len + len > room ? passt->said_len + len - room : 0;
	memmove(passt->said, passt->said + excess, passt->said_len - excess);
	passt->said_len -= excess;
	memcpy(passt->said + passt->said_len, text, len);
	passt->said_len += len;
}

static void hear(struct loop_watch *watch, unsigned events)
{
	struct passt *passt = container_of(watch, struct passt, stderr_watch);
	char text[256];
	ssize_t n = read(passt->stderr_fd, text, sizeof(text));

	(void)events;
	if (n > 0)
		keep_said(passt, text, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		loop_watch_remove(passt->loop, watch);
}

/* One line: newlines become "; ", what is not text becomes '?'. */
static void last_words(const struct passt *passt, int status, char *line, size_t size)
{
	size_t end = passt->said_len, n;

	while (end && passt->said[end - 1] == '\n')
		end--;
	if (WIFSIGNALED(status))
		n = (size_t)snprintf(line, size, "ended by signal %d", WTERMSIG(status));
	else
		n = (size_t)snprintf(line, size, "ended with status %d", WEXITSTATUS(status));
	if (end)
		n += (size_t)snprintf(line + n, size - n, ": ");
	for (size_t i = 0; i < end && n + 3 < size; i++) {
		char c = passt->said[i];

		if (c == '\n') {
			line[n++] = ';';
			c = ' ';
		}
		line[n++] = '?';
		if (c >= 0x20 && c < 0x7f)
			line[n - 1] = c;
	}
	line[n] = '\0';
}

static void exited(struct loop_watch *watch, unsigned events)
{
	struct passt *passt = container_of(watch, struct passt, exit_watch);
	char line[700], text[256];
	ssize_t n;
	int status = 0;

	(void)events;
	if (waitpid(passt->pid, &status, WNOHANG) != passt->pid)
		return;
	passt->pid = 0;
	loop_watch_remove(passt->loop, watch);
	while ((n = read(passt->stderr_fd, text, sizeof(text))) > 0)
		keep_said(passt, text, (size_t)n);
	last_words(passt, status, line, sizeof(line));
	if (passt->options.ended)
		passt->options.ended(passt->options.self, line);
}

static int cannot_run(int err)
{
	if (err == ENOENT)
		return because(-ENOENT, "user networking needs passt: install passt "
					"(`apt install passt`), or use a tap interface");
	return because(-err, "cannot run passt: %s", strerror(err));
}

/* Signals as after a login: this process may block some and ignore SIGPIPE. */
static int set_signals(posix_spawnattr_t *attr)
{
	sigset_t none, defaults;
	int err;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	err = posix_spawnattr_setsigmask(attr, &none);
	if (!err)
		err = posix_spawnattr_setsigdefault(attr, &defaults);
	if (!err)
		err = posix_spawnattr_setflags(attr,
					       POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return err;
}

static int set_files(posix_spawn_file_actions_t *files, int socket_fd, int stderr_fd)
{
	int err = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDWR, 0);

	if (!err)
		err = posix_spawn_file_actions_adddup2(files, STDIN_FILENO, STDOUT_FILENO);
	if (!err)
		err = posix_spawn_file_actions_adddup2(files, stderr_fd, STDERR_FILENO);
	if (!err)
		err = posix_spawn_file_actions_adddup2(files, socket_fd, CHILD_SOCKET);
	return err;
}

/* --fd makes passt serve this one socket, and end with it. */
static int run(struct passt *passt, int socket_fd, int stderr_fd)
{
	static char *const argv[] = { "passt", "--foreground", "--stderr", "--quiet", "--fd", "3",
				      NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int err;

	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	err = set_signals(&attr);
	if (!err)
		err = set_files(&files, socket_fd, stderr_fd);
	if (!err)
		err = posix_spawnp(&passt->pid, argv[0], &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	if (!err)
		return 0;
	passt->pid = 0;
	return cannot_run(err);
}

/* Above the descriptors that the child's are moved to. */
static int move_up(int *fd)
{
	int up = fcntl(*fd, F_DUPFD_CLOEXEC, CHILD_SOCKET + 1);

	if (up < 0)
		return -errno;
	close(*fd);
	*fd = up;
	return 0;
}

static int spawn(struct passt *passt)
{
	AUTO_CLOSE int theirs = -1, stderr_theirs = -1;
	int sockets[2], pipe_fds[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return -errno;
	passt->fd = sockets[0];
	theirs = sockets[1];
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	passt->stderr_fd = pipe_fds[0];
	stderr_theirs = pipe_fds[1];
	r = move_up(&theirs);
	if (r == 0)
		r = move_up(&stderr_theirs);
	return r < 0 ? r : run(passt, theirs, stderr_theirs);
}

static int watch(struct passt *passt)
{
	int r;

	passt->pidfd = (int)syscall(SYS_pidfd_open, passt->pid, 0);
	if (passt->pidfd < 0)
		return because(-errno, "pidfd_open: %s", strerror(errno));
	r = loop_watch_add(passt->loop, &passt->stderr_watch, passt->stderr_fd, POLLIN, hear);
	if (r == 0)
		r = loop_watch_add(passt->loop, &passt->exit_watch, passt->pidfd, POLLIN, exited);
	return r;
}

int passt_create(struct loop *loop, const struct passt_options *options, struct passt **ret_passt)
{
	struct passt *passt = calloc(1, sizeof(*passt));
	int r;

	if (!passt)
		return -ENOMEM;
	passt->loop = loop;
	passt->options = *options;
	passt->fd = passt->stderr_fd = passt->pidfd = -1;
	r = spawn(passt);
	if (r == 0)
		r = watch(passt);
	if (r < 0)
		goto fail;
	*ret_passt = passt;
	return 0;
fail:
	passt_destroy(passt);
	return r;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Started by root it is somebody else's (nobody's), whom no signal of a ferry in its sandbox reaches. */
static void end_process(const struct passt *passt)
{
	struct pollfd end = { .fd = passt->pidfd, .events = POLLIN };

	kill(passt->pid, SIGKILL);
	if (passt->pidfd < 0 || poll(&end, 1, END_MS) == 1)
		waitpid(passt->pid, NULL, 0);
}

void passt_destroy(struct passt *passt)
{
	if (!passt)
		return;
	loop_watch_remove(passt->loop, &passt->stderr_watch);
	loop_watch_remove(passt->loop, &passt->exit_watch);
	/* It ends with its connection, to which a ring may still hold on. */
	if (passt->fd >= 0)
		shutdown(passt->fd, SHUT_RDWR);
	close_if_open(passt->fd);
	if (passt->pid)
		end_process(passt);
	close_if_open(passt->stderr_fd);
	close_if_open(passt->pidfd);
	free(passt);
}

int passt_fd(const struct passt *passt)
{
	return passt->fd;
}
