/* SPDX-License-Identifier: Apache-2.0 */
/* Fills the programs with what is known only now, and loads them. */
#include "sandbox/sandbox_impl.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/util.h"

/* A place without a child has the process itself, which is allowed anyway. */
static int value_of(const struct sandbox_values *values, uint32_t unknown)
{
	bool is_group = unknown >= SANDBOX_UNKNOWN_GROUP;
	uint32_t i = unknown - (is_group ? SANDBOX_UNKNOWN_GROUP : SANDBOX_UNKNOWN_CHILD);

	if (unknown == SANDBOX_UNKNOWN_PID || i >= values->child_count)
		return values->pid;
	return is_group ? -values->children[i] : values->children[i];
}

static void fill_in(struct sock_filter *instruction, const struct sandbox_values *values)
{
	if (instruction->code != (BPF_JMP | BPF_JEQ | BPF_K) || instruction->k < SANDBOX_UNKNOWN ||
	    instruction->k >= SANDBOX_UNKNOWN_END)
		return;
	if (instruction->k != SANDBOX_UNKNOWN_TASKS)
		instruction->k = (uint32_t)value_of(values, instruction->k);
	else if (values->tasks >= 0)
		instruction->k = (uint32_t)values->tasks;
	else
		instruction->jt = instruction->jf; /* equal or not */
}

int sandbox_filter_probe(void)
{
	const uint32_t action = SECCOMP_RET_TRAP;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
		return because(-errno, "seccomp: %s", strerror(errno));
	return 0;
}

int sandbox_filter_make(enum sandbox_thread thread, const struct sandbox_values *values,
			struct sandbox_filter *ret_filter)
{
	const struct sandbox_program *program = &sandbox_programs[thread];
	struct sock_filter *code = calloc(program->count, sizeof(*code));

	if (!code)
		return because(-ENOMEM, "seccomp: out of memory");
	for (size_t i = 0; i < program->count; i++) {
		code[i] = program->code[i];
		fill_in(&code[i], values);
	}
	*ret_filter = (struct sandbox_filter){ code, program->count };
	return 0;
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
