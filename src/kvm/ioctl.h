/* SPDX-License-Identifier: Apache-2.0 */
/* The funnel: every ioctl on a KVM descriptor goes through here. */
#ifndef KVM_IOCTL_H
#define KVM_IOCTL_H

#include <sys/ioctl.h>

/*
 * What watches the ioctls of the calling thread: the trace (--trace-kvm) and the tests' fault
 * injection. before() may return a negative errno, which is then the ioctl's result; after() sees
 * the result. Either may be NULL. They may issue no KVM ioctl themselves.
 */
struct kvm_hook {
	int (*before)(void *self, const char *name, long arg);
	void (*after)(void *self, const char *name, long arg, int result);
	void *self;
};

/* The calling thread's hook, NULL for none; it must outlive its use. */
void kvm_hook_set(const struct kvm_hook *new_hook);
const struct kvm_hook *kvm_hook_get(void);

/* Result of ioctl(2), or -errno. */
int kvm_ioctl(int fd, unsigned long cmd, const char *name, long arg);

/* arg points to what the kernel takes; its size must be the one that the command encodes. */
#define KVM_IOCTL(fd, cmd, arg)                                                                    \
	({                                                                                         \
		_Static_assert(sizeof(*(arg)) == _IOC_SIZE(cmd), #cmd ": wrong argument");         \
		kvm_ioctl((fd), (cmd), #cmd, (long)(arg));                                         \
	})

/* For commands whose argument is a number, or that have none. */
#define KVM_IOCTL_VAL(fd, cmd, val)                                                                \
	({                                                                                         \
		_Static_assert(_IOC_SIZE(cmd) == 0, #cmd ": takes a pointer");                     \
		kvm_ioctl((fd), (cmd), #cmd, (long)(val));                                         \
	})

#endif
