/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities, new privileges, and limits of what is left. */
#include "sandbox/sandbox_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/util.h"

/* What there may come to be besides what is open now: clients, the descriptors that they bring, a move. */
#define DESCRIPTORS_MORE 512

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	/* Fails for who may not, which is who has none; the loop ends behind the kernel's last. */
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) < 0)
		return because(-errno, "dropping capabilities: %s", strerror(errno));
	return 0;
}

static int limit(__rlimit_resource_t resource, rlim_t most)
{
	struct rlimit now;

	if (getrlimit(resource, &now) < 0)
		return -errno;
	now.rlim_max = min_u64(now.rlim_max, most);
	now.rlim_cur = min_u64(now.rlim_cur, now.rlim_max);
	return setrlimit(resource, &now) < 0 ? -errno : 0;
}

int sandbox_privileges(void)
{
	int lowest = fcntl(0, F_DUPFD_CLOEXEC, 3), r;

	if (lowest >= 0)
		close(lowest);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return because(-errno, "no_new_privs: %s", strerror(errno));
	r = drop_capabilities();
	/* A core would have the guest's secrets in it. */
	if (r == 0)
		r = limit(RLIMIT_CORE, 0);
	if (r == 0 && lowest >= 0)
		r = limit(RLIMIT_NOFILE, (rlim_t)lowest + DESCRIPTORS_MORE);
	return r;
}
