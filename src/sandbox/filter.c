/* SPDX-License-Identifier: Apache-2.0 */
/* From the table to a program of the kernel's, by libseccomp. */
#include "sandbox/sandbox_impl.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/util.h"

/* Looked for first: each exit of a guest makes one. */
#define PRIORITY_MOST 255

static int add_rule(scmp_filter_ctx filter, const struct sandbox_call *call,
		    const struct sandbox_arg *args)
{
	struct scmp_arg_cmp compare[SANDBOX_ARGS];

	for (unsigned i = 0; i < call->arg_count; i++)
		compare[i] = SCMP_CMP(args[i].index, SCMP_CMP_MASKED_EQ, args[i].mask,
				      args[i].value);
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call->number, call->arg_count,
				      compare);
}

/* The first argument is an int, of which the kernel looks at no more. */
static int add_with(scmp_filter_ctx filter, const struct sandbox_call *call, int value)
{
	struct sandbox_arg args[SANDBOX_ARGS];

	memcpy(args, call->args, sizeof(args));
	args[0].mask = UINT32_MAX;
	args[0].value = (uint32_t)value;
	return add_rule(filter, call, args);
}

static int add_call(scmp_filter_ctx filter, const struct sandbox_call *call,
		    const struct sandbox_values *values)
{
	int r;

	switch (call->special) {
	case SPECIAL_TASKS:
		return values->tasks < 0 ? 0 : add_with(filter, call, values->tasks);
	case SPECIAL_OWN_PID:
		return add_with(filter, call, values->pid);
	case SPECIAL_FAMILY:
		r = add_with(filter, call, values->pid);
		for (size_t i = 0; r == 0 && i < values->child_count; i++) {
			r = add_with(filter, call, values->children[i]);
			if (r == 0)
				r = add_with(filter, call, -values->children[i]);
		}
		return r;
	case SPECIAL_NONE:
		break;
	}
	return add_rule(filter, call, call->args);
}

static int fill(scmp_filter_ctx filter, enum sandbox_thread thread,
		const struct sandbox_values *values)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sandbox_call_count; i++) {
		const struct sandbox_call *call = &sandbox_calls[i];

		if (call->number < 0 || !(call->threads & 1U << thread))
			continue;
		r = add_call(filter, call, values);
	}
	if (r == 0)
		r = seccomp_syscall_priority(filter, SCMP_SYS(ioctl), PRIORITY_MOST);
	/* The C library tries it first, whose flags are in memory; then clone(2), whose flags are seen. */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r;
}

/* libseccomp 2.5 writes programs to files only. */
static int read_program(int fd, struct sandbox_filter *ret_filter)
{
	AUTO_FREE struct sock_filter *code = NULL;
	struct stat info;

	if (fstat(fd, &info) < 0)
		return -errno;
	code = malloc((size_t)info.st_size);
	if (!code)
		return -ENOMEM;
	if (pread(fd, code, (size_t)info.st_size, 0) != info.st_size)
		return -EIO;
	ret_filter->count = (size_t)info.st_size / sizeof(*code);
	ret_filter->code = code;
	code = NULL;
	return 0;
}

int sandbox_filter_make(enum sandbox_thread thread, const struct sandbox_values *values,
			struct sandbox_filter *ret_filter)
{
	AUTO_CLOSE int fd = memfd_create("filter", MFD_CLOEXEC);
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int r = fd < 0 ? -errno : 0;

	if (!filter)
		return because(-ENOMEM, "seccomp: out of memory");
	if (r == 0)
		r = fill(filter, thread, values);
	if (r == 0)
		r = seccomp_export_bpf(filter, fd);
	seccomp_release(filter);
	if (r == 0)
		r = read_program(fd, ret_filter);
	return r < 0 ? because(r, "seccomp: the filter cannot be made: %s", strerror(-r)) : 0;
}

/* Without SPEC_ALLOW the kernel may slow down every load (prctl, ssbd=seccomp). */
int sandbox_filter_load(const struct sandbox_filter *filter)
{
	const struct sock_fprog program = {
		.len = (unsigned short)filter->count,
		.filter = filter->code,
	};

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) < 0)
		return because(-errno, "seccomp: %s", strerror(errno));
	return 0;
}
