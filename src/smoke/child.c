/* SPDX-License-Identifier: Apache-2.0 */
/* Starts, feeds, hears and ends a `ferry run`. */
#include "smoke/child.h"

#include <ferry/error.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

/* This process may block or ignore what a program expects to end by. */
static int set_signals(posix_spawnattr_t *attr)
{
	sigset_t none, defaults;
	int err;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGXFSZ);
	err = posix_spawnattr_setsigmask(attr, &none);
	if (!err)
		err = posix_spawnattr_setsigdefault(attr, &defaults);
	/* A group of its own: ^C is for this process, which ends the others in its own way. */
	if (!err)
		err = posix_spawnattr_setpgroup(attr, 0);
	if (!err)
		err = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
							     POSIX_SPAWN_SETSIGDEF |
							     POSIX_SPAWN_SETPGROUP);
	return err;
}

/* fds: what become 0, 1 and 2. Returns what posix_spawn(3) does. */
static int spawn(const char *program, char *const *args, const int fds[3], pid_t *ret_pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int err;

	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	err = set_signals(&attr);
	for (int i = 0; i < 3 && !err; i++)
		err = posix_spawn_file_actions_adddup2(&files, fds[i], i);
	if (!err)
		err = posix_spawn(ret_pid, program, &files, &attr, args, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return err;
}

/* Above the standard descriptors, since one may have been closed before this process began. */
static int make_pipe(int ends[2])
{
	int fds[2], err = 0;

	ends[0] = ends[1] = -1;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return because(-errno, "cannot make a pipe: %s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		ends[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (ends[i] < 0)
			err = because(-errno, "cannot make a pipe: %s", strerror(errno));
		close(fds[i]);
	}
	return err;
}

static void own(int *fd, int *from)
{
	*fd = fd_take(from);
	fcntl(*fd, F_SETFL, O_NONBLOCK);
}

int smoke_child_start(struct smoke_child *child, const char *program, char *const *args)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, err[2] = { -1, -1 };
	int r = make_pipe(in);

	if (!r)
		r = make_pipe(out);
	if (!r)
		r = make_pipe(err);
	if (!r) {
		const int fds[3] = { in[0], out[1], err[1] };

		r = spawn(program, args, fds, &child->pid);
		if (r)
			r = because(-r, "cannot start %s: %s", program, strerror(r));
	}
	if (!r) {
		child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
		if (child->pidfd < 0)
			r = because(-errno, "pidfd_open: %s", strerror(errno));
	}
	if (!r) {
		own(&child->in, &in[1]);
		child->unread = fd_take(&in[0]);
		own(&child->out, &out[0]);
		own(&child->err, &err[0]);
	}
	for (int i = 0; i < 2; i++) {
		cleanup_close(&in[i]);
		cleanup_close(&out[i]);
		cleanup_close(&err[i]);
	}
	if (r)
		smoke_child_finish(child);
	return r;
}

int smoke_child_reap(struct smoke_child *child)
{
	int status = 0;

	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	child->pid = 0;
	return status;
}

bool smoke_child_has_exited(const struct smoke_child *child)
{
	struct pollfd fd = { .fd = child->pidfd, .events = POLLIN };

	return child->pid > 0 && poll(&fd, 1, 0) > 0;
}

void smoke_child_inherit(struct smoke_child *child, struct smoke_child *heir)
{
	struct text typed = { 0 };
	char buf[4096];
	ssize_t n;

	fcntl(child->unread, F_SETFL, O_NONBLOCK);
	while ((n = read(child->unread, buf, sizeof(buf))) > 0)
		text_add_bytes(&typed, buf, (size_t)n);
	text_add_bytes(&typed, child->typed.data, child->typed.len);
	smoke_child_finish(child);
	*child = *heir;
	*heir = (struct smoke_child)SMOKE_CHILD_NONE;
	smoke_child_type(child, typed.data, typed.len);
	text_finish(&typed);
}

void smoke_child_signal(struct smoke_child *child, int signal)
{
	if (child->pid > 0)
		kill(child->pid, signal);
}

void smoke_child_finish(struct smoke_child *child)
{
	if (child->pid > 0) {
		kill(child->pid, SIGKILL);
		smoke_child_reap(child);
	}
	cleanup_close(&child->pidfd);
	cleanup_close(&child->in);
	cleanup_close(&child->unread);
	cleanup_close(&child->out);
	cleanup_close(&child->err);
	text_finish(&child->typed);
	*child = (struct smoke_child)SMOKE_CHILD_NONE;
}

void smoke_child_type_more(struct smoke_child *child)
{
	ssize_t n;

	if (child->in < 0 || !child->typed.len || child->is_held)
		return;
	n = write(child->in, child->typed.data, child->typed.len);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		text_clear(&child->typed); /* it has ended, and pidfd will say so */
	} else if (n > 0) {
		child->typed.len -= (size_t)n;
		memmove(child->typed.data, child->typed.data + n, child->typed.len);
	}
}

void smoke_child_type(struct smoke_child *child, const char *text, size_t len)
{
	text_add_bytes(&child->typed, text, len);
	smoke_child_type_more(child);
}

void smoke_child_listen(struct smoke_child *child)
{
	char buf[256];
	ssize_t n;

	while ((n = read(child->err, buf, sizeof(buf))) > 0) {
		size_t room = sizeof(child->said) - 1, len = (size_t)n;

		if (child->said_len + len > room) {
			size_t drop = child->said_len + len - room;

			child->said_len -= drop;
			memmove(child->said, child->said + drop, child->said_len);
		}
		memcpy(child->said + child->said_len, buf, len);
		child->said_len += len;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(child->err);
		child->err = -1;
	}
}

const char *smoke_child_said(struct smoke_child *child)
{
	char *last;

	while (child->said_len && strchr("\r\n", child->said[child->said_len - 1]))
		child->said_len--;
	child->said[child->said_len] = '\0';
	last = strrchr(child->said, '\n');
	last = last ? last + 1 : child->said;
	return strncmp(last, "ferry: ", 7) == 0 ? last + 7 : last;
}
