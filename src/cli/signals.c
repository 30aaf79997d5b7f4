/* SPDX-License-Identifier: Apache-2.0 */
/* Turns signals into messages of the loop. */
#include "cli/signals.h"

#include <ferry/error.h>
#include <ferry/vm.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/util.h"
#include "cli/console.h"

static void set_of_all(sigset_t *set)
{
	/* SIGTTIN and SIGTTOU have no meaning of their own: blocked, reading and writing report it.
	 */
	static const int ours[] = { SIGTERM, SIGINT,  SIGHUP,  SIGQUIT, SIGWINCH,
				    SIGTSTP, SIGCONT, SIGTTIN, SIGTTOU };

	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		sigaddset(set, ours[i]);
}

int signals_init(struct signals *signals)
{
	sigset_t set;

	*signals = (struct signals){ .fd = -1 };
	set_of_all(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigdelset(&set, SIGTTIN);
	sigdelset(&set, SIGTTOU);
	signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return signals->fd < 0 ? because(-errno, "signalfd: %s", strerror(errno)) : 0;
}

static bool asks_for_end(int sig)
{
	return sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT;
}

int signals_wait(struct signals *signals, int fd)
{
	struct pollfd both[] = { { .fd = fd, .events = POLLIN },
				 { .fd = signals->fd, .events = POLLIN } };
	struct signalfd_siginfo info;

	for (;;) {
		if (poll(both, ARRAY_SIZE(both), -1) < 0 && errno != EINTR)
			return because(-errno, "poll: %s", strerror(errno));
		if (both[0].revents)
			return 0;
		while (read(signals->fd, &info, sizeof(info)) == sizeof(info))
			if (asks_for_end((int)info.ssi_signo))
				return because(-ECANCELED, "by SIG%s",
					       sigabbrev_np((int)info.ssi_signo));
	}
}

static void handle(struct signals *signals, int sig)
{
	char text[32];

	switch (sig) {
	case SIGWINCH:
		console_resized(signals->console);
		break;
	case SIGTSTP:
		console_suspend(signals->console);
		break;
	case SIGCONT:
		console_continued(signals->console);
		break;
	default:
		snprintf(text, sizeof(text), "by SIG%s", sigabbrev_np(sig));
		vm_end(signals->vm, VM_END_STOPPED, text);
	}
}

static void signal_arrived(struct loop_watch *watch, unsigned events)
{
	struct signals *signals = container_of(watch, struct signals, watch);
	struct signalfd_siginfo info;

	(void)events;
	while (read(signals->fd, &info, sizeof(info)) == sizeof(info))
		handle(signals, (int)info.ssi_signo);
}

int signals_attach(struct signals *signals, struct vm *vm, struct console *console)
{
	int err;

	signals->vm = vm;
	signals->console = console;
	err = loop_watch_add(vm_loop(vm), &signals->watch, signals->fd, POLLIN, signal_arrived);
	if (!err)
		signals->loop = vm_loop(vm);
	return err ? because(err, "out of memory") : 0;
}

void signals_finish(struct signals *signals)
{
	if (signals->loop)
		loop_watch_remove(signals->loop, &signals->watch);
	signals->loop = NULL;
	if (signals->fd >= 0)
		close(signals->fd);
	signals->fd = -1;
}
