/* SPDX-License-Identifier: Apache-2.0 */
/* The command behind exec: its start, how it ended, its end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "io/channel_impl.h"

#define TELL_MS 1000

struct channel_child {
	pid_t pid; /* 0: none; not reaped before destroy, so it stays its name, and its group's */
	int pidfd;
};

/* This process may ignore what a command expects to end by. */
static int set_signals(posix_spawnattr_t *attr)
{
	static const int defaults[] = { SIGPIPE, SIGINT, SIGQUIT, SIGTERM, SIGHUP };
	sigset_t none, set;
	int err;

	sigemptyset(&none);
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		sigaddset(&set, defaults[i]);
	err = posix_spawnattr_setsigmask(attr, &none);
	if (!err)
		err = posix_spawnattr_setsigdefault(attr, &set);
	if (!err)
		err = posix_spawnattr_setpgroup(attr, 0);
	if (!err)
		err = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
							     POSIX_SPAWN_SETSIGDEF |
							     POSIX_SPAWN_SETPGROUP);
	return err;
}

static int spawn(const char *command, int socket_fd, pid_t *ret_pid)
{
	char *const argv[] = { "sh", "-c", (char *)command, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int err;

	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	err = set_signals(&attr);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&files, socket_fd, STDIN_FILENO);
	if (!err)
		err = posix_spawn_file_actions_adddup2(&files, socket_fd, STDOUT_FILENO);
	if (!err)
		err = posix_spawn(ret_pid, "/bin/sh", &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return err ? because(-err, "cannot run /bin/sh: %s", strerror(err)) : 0;
}

int channel_child_create(const char *command, int socket_fd, struct channel_child **ret_child)
{
	/* Above the descriptors that it becomes: a process may have started without these. */
	AUTO_CLOSE int up = fcntl(socket_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	struct channel_child *child = calloc(1, sizeof(*child));
	int r = -ENOMEM;

	if (!child)
		return r;
	child->pidfd = -1;
	r = up < 0 ? -errno : spawn(command, up, &child->pid);
	if (r < 0)
		goto fail;
	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	if (child->pidfd < 0) {
		r = because(-errno, "pidfd_open: %s", strerror(errno));
		goto fail;
	}
	*ret_child = child;
	return 0;
fail:
	channel_child_destroy(child, 0);
	return r;
}

static bool has_ended(const struct channel_child *child, int timeout_ms)
{
	struct pollfd fd = { .fd = child->pidfd, .events = POLLIN };

	return child->pidfd >= 0 && poll(&fd, 1, timeout_ms) > 0;
}

void channel_child_tell(const struct channel_child *child, char *text, size_t size)
{
	siginfo_t info = { 0 };

	text[0] = '\0';
	if (!has_ended(child, TELL_MS) ||
	    waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return;
	if (info.si_code == CLD_EXITED)
		snprintf(text, size, "; the command ended with status %d%s", info.si_status,
			 info.si_status == 127 ? " (not found)" : "");
	else if (info.si_pid)
		snprintf(text, size, "; the command was ended by signal %d", info.si_status);
}

/* The group first: as long as its leader is not reaped, its number is nobody else's. */
void channel_child_destroy(struct channel_child *child, int grace_ms)
{
	if (!child)
		return;
	if (child->pid > 0) {
		has_ended(child, grace_ms);
		kill(-child->pid, SIGKILL);
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (child->pidfd >= 0)
		close(child->pidfd);
	free(child);
}
