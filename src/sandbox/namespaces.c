/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces of its own: no file system, no network, and root, if it was that, over nothing else. */
#include "sandbox/sandbox_impl.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ferry/error.h>

/* Any directory will do that there is everywhere. */
#define PLACE "/dev"

/*
 * The old root goes; descriptors into it stay. pivot_root(2) has the trick with "." and ".". Where the root
 * is an initramfs it cannot be left, only hidden.
 */
static int enter_empty_root(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", PLACE, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "size=4k,nr_inodes=1,mode=0500") < 0 ||
	    chdir(PLACE) < 0)
		return because(-errno, "an empty root: %s", strerror(errno));
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		if (umount2(".", MNT_DETACH) < 0)
			return because(-errno, "leaving the old root: %s", strerror(errno));
	} else if (chroot(".") < 0) {
		return because(-errno, "an empty root: %s", strerror(errno));
	}
	return chdir("/") < 0 ? because(-errno, "an empty root: %s", strerror(errno)) : 0;
}

/*
 * A PID namespace would be the children's only, and then no thread could be started: what it keeps from
 * a process, to send signals and to see others in /proc, the other layers do.
 */
int sandbox_namespaces(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return because(-errno, "a user namespace is not allowed here: %s", strerror(errno));
	return enter_empty_root();
}
