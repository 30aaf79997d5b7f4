/* SPDX-License-Identifier: Apache-2.0 */
/* The one caller of ioctl(2) on KVM. */
#include "kvm/ioctl.h"

#include <errno.h>
#include <stddef.h>

#include "base/util.h"
#include "kvm/kvm.h"

static _Thread_local const struct kvm_hook *hook;

void kvm_hook_set(const struct kvm_hook *new_hook)
{
	hook = new_hook;
}

const struct kvm_hook *kvm_hook_get(void)
{
	return hook;
}

static int hooked(int fd, unsigned long cmd, const char *name, long arg)
{
	int r = hook->before ? hook->before(hook->self, name, arg) : 0;

	if (r >= 0) {
		r = ioctl(fd, cmd, arg);
		if (r < 0)
			r = -errno;
	}
	if (hook->after)
		hook->after(hook->self, name, arg, r);
	return r;
}

/* Once an exit, and so without a call on the way. */
EXIT_PATH int kvm_run(int vcpu)
{
	int r;

	if (__builtin_expect(hook != NULL, 0))
		return hooked(vcpu, KVM_RUN, "KVM_RUN", 0);
	r = ioctl(vcpu, KVM_RUN, 0);
	return r < 0 ? -errno : r;
}

int kvm_ioctl(int fd, unsigned long cmd, const char *name, long arg)
{
	int r;

	if (__builtin_expect(hook != NULL, 0))
		return hooked(fd, cmd, name, arg);
	r = ioctl(fd, cmd, arg);
	return r < 0 ? -errno : r;
}
