/* SPDX-License-Identifier: Apache-2.0 */
/* Takes from `ferry run` what it needs no more before the guest runs, and says when it wants it back. */
#include <ferry/error.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "cli/run.h"
#include "cli/terminal.h"
#include "control/control.h"
#include "sandbox/sandbox.h"
#include "vm/stat.h"

/* On the thread that made the call, which waits in the middle of it. */
static void violated(int sig, siginfo_t *info, void *context)
{
	const char *name = sandbox_call_name(info->si_syscall);
	char thread[16] = "?";

	(void)sig;
	(void)context;
	prctl(PR_GET_NAME, thread);
	terminal_line("the sandbox does not allow the system call %s (%d), and the thread %s made it: "
		      "that is a fault of ferry's, or somebody has got into it; without it: "
		      "--sandbox=off",
		      name ? name : "of this number", info->si_syscall, thread);
	terminal_restore();
	_exit(STATUS_FAILED);
}

int run_begin_thread(void *self, enum vm_thread thread)
{
	const struct run *run = self;

	if (!run->sandbox)
		return 0;
	return sandbox_enter_thread(run->sandbox,
				    thread == VM_THREAD_VCPU ? SANDBOX_VCPU : SANDBOX_MIGRATION);
}

/* Before glibc shrinks another arena than the first it opens a file in /proc/sys/vm. */
void run_confine_later(void)
{
	mallopt(M_ARENA_MAX, 1);
}

int run_confine(struct run *run, const int *removes, size_t count)
{
	const struct sigaction action = { .sa_sigaction = violated, .sa_flags = SA_SIGINFO };
	int directories[RUN_REMOVES_MAX + 1] = { control_directory_of(run->control) };
	const struct sandbox_options options = {
		.insists = run->options.sandbox == RUN_SANDBOX_ON,
		.tasks = vm_stat_tasks(machine_vm(run->machine)),
		.removes = directories,
		.remove_count = count + 1,
		.renames = control_future_name(run->control) ? directories[0] : -1,
		.log = vm_log(machine_vm(run->machine)),
	};
	int err;

	if (run->options.sandbox == RUN_SANDBOX_OFF)
		return 0;
	if (!sandbox_is_built() && options.insists)
		return because(-EOPNOTSUPP, "--sandbox=on: this ferry was built with sanitizers, which "
					    "make calls of their own");
	if (!sandbox_is_built())
		return 0;
	memcpy(directories + 1, removes, count * sizeof(*removes));
	terminal_prepare();
	sigaction(SIGSYS, &action, NULL);
	err = sandbox_enter(&options, &run->sandbox);
	/* Before this thread has a filter, which theirs would come on top of, with each exit. */
	if (!err)
		err = vm_make_threads(machine_vm(run->machine));
	return err ? err : sandbox_enter_thread(run->sandbox, SANDBOX_LOOP);
}

int run_join_cgroup(const char *directory)
{
	AUTO_CLOSE int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int procs = dir < 0 ? -1 : openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	/* 0 is who writes it. */
	if (procs < 0 || write(procs, "0", 1) != 1)
		return because(-errno, "--cgroup %s: %s", directory,
			       dir >= 0 && procs < 0 && errno == ENOENT ? "it is no cgroup" :
									   strerror(errno));
	return 0;
}
