/* SPDX-License-Identifier: Apache-2.0 */
/* The signals that `ferry run` listens to, on the loop. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <signal.h>

#include "io/loop.h"

struct console;
struct vm;

struct signals {
	struct loop *loop; /* NULL: not listening */
	struct loop_watch watch;
	int fd;
	struct vm *vm;
	struct console *console;
};

/*
 * Blocks them: before the first thread, which inherits the mask. Programs that the machine starts do
 * not. Until signals_attach() they wait.
 */
int signals_init(struct signals *signals);

/*
 * For before there is a VM: waits until fd is readable, 0, or a signal asks ferry to end: -ECANCELED,
 * with a text that names it. Others are dropped.
 */
int signals_wait(struct signals *signals, int fd);

/* SIGTERM, SIGINT, SIGHUP and SIGQUIT end the VM; SIGWINCH, SIGTSTP and SIGCONT are the console's.
 */
int signals_attach(struct signals *signals, struct vm *vm, struct console *console);

void signals_finish(struct signals *signals);

#endif
