/* SPDX-License-Identifier: Apache-2.0 */
/* Runs when ferry is built: sandbox-programs ARCHITECTURE prints the table's programs, made by libseccomp, as C. */
#include <errno.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/rules/rules.h"
#include "sandbox/sandbox_impl.h"

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
static int add_with(scmp_filter_ctx filter, const struct sandbox_call *call, unsigned unknown)
{
	struct sandbox_arg args[SANDBOX_ARGS];

	memcpy(args, call->args, sizeof(args));
	args[0].mask = UINT32_MAX;
	args[0].value = unknown;
	return add_rule(filter, call, args);
}

static int add_call(scmp_filter_ctx filter, const struct sandbox_call *call)
{
	int r;

	switch (call->special) {
	case SPECIAL_TASKS:
		return add_with(filter, call, SANDBOX_UNKNOWN_TASKS);
	case SPECIAL_OWN_PID:
		return add_with(filter, call, SANDBOX_UNKNOWN_PID);
	case SPECIAL_FAMILY:
		r = add_with(filter, call, SANDBOX_UNKNOWN_PID);
		for (unsigned i = SANDBOX_UNKNOWN_CHILD; r == 0 && i < SANDBOX_UNKNOWN_END; i++)
			r = add_with(filter, call, i);
		return r;
	case SPECIAL_NONE:
		break;
	}
	return add_rule(filter, call, call->args);
}

static int fill(scmp_filter_ctx filter, enum sandbox_thread thread)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sandbox_call_count; i++)
		if (sandbox_calls[i].number >= 0 && sandbox_calls[i].threads & 1U << thread)
			r = add_call(filter, &sandbox_calls[i]);
	if (r == 0)
		r = seccomp_syscall_priority(filter, SCMP_SYS(ioctl), PRIORITY_MOST);
	/* The C library tries it first, whose flags are in memory; then clone(2), whose flags are seen. */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r;
}

/* Rules have this machine's numbers; libseccomp knows what they are on another. */
static int set_architecture(scmp_filter_ctx filter, const char *name)
{
	uint32_t architecture = seccomp_arch_resolve_name(name);
	int r;

	if (!architecture)
		return -EINVAL;
	if (architecture == seccomp_arch_native())
		return 0;
	r = seccomp_arch_add(filter, architecture);
	return r == 0 ? seccomp_arch_remove(filter, SCMP_ARCH_NATIVE) : r;
}

static void print_program(int fd, unsigned thread)
{
	struct sock_filter code;

	printf("static const struct sock_filter code_%u[] = {\n", thread);
	while (read(fd, &code, sizeof(code)) == sizeof(code))
		printf("\t{ %#x, %u, %u, %#x },\n", code.code, code.jt, code.jf, code.k);
	printf("};\n");
}

static void compile(const char *architecture, unsigned thread)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
	int fd = memfd_create("filter", MFD_CLOEXEC);
	int r = filter ? set_architecture(filter, architecture) : -ENOMEM;

	if (r == 0)
		r = fill(filter, thread);
	if (r == 0)
		r = seccomp_export_bpf(filter, fd);
	if (r < 0 || lseek(fd, 0, SEEK_SET) < 0) {
		fprintf(stderr, "the filter of thread %u for %s cannot be made: %s\n", thread,
			architecture, strerror(r < 0 ? -r : errno));
		exit(1);
	}
	print_program(fd, thread);
	close(fd);
	seccomp_release(filter);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: sandbox-programs ARCHITECTURE\n");
		return 2;
	}
	printf("#include \"sandbox/sandbox_impl.h\"\n");
	for (unsigned i = 0; i < SANDBOX_THREADS; i++)
		compile(argv[1], i);
	printf("const struct sandbox_program sandbox_programs[SANDBOX_THREADS] = {\n");
	for (unsigned i = 0; i < SANDBOX_THREADS; i++)
		printf("\t{ code_%u, sizeof(code_%u) / sizeof(code_%u[0]) },\n", i, i, i);
	printf("};\n");
	return fflush(stdout) == 0 ? 0 : 1;
}
