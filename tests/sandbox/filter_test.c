/* SPDX-License-Identifier: Apache-2.0 */
/* The table of system calls, and the filters that are made of it: no rule is missing, none is one too many. */
#include "sandbox/sandbox_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "check_main.h"
#include "sandbox/rules/rules.h"

#define PID   4711
#define TASKS 5
#define CHILD 4712

#define NUMBERS 600

#ifdef __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#else
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

static const struct sandbox_values values = {
	.pid = PID,
	.tasks = TASKS,
	.children = { CHILD },
	.child_count = 1,
};

static uint32_t load(const struct seccomp_data *data, uint32_t at)
{
	uint32_t word;

	ck_assert_uint_le(at + sizeof(word), sizeof(*data));
	memcpy(&word, (const char *)data + at, sizeof(word));
	return word;
}

static bool jumps(uint16_t code, uint32_t a, uint32_t k)
{
	switch (code) {
	case BPF_JMP | BPF_JEQ | BPF_K:
		return a == k;
	case BPF_JMP | BPF_JGT | BPF_K:
		return a > k;
	case BPF_JMP | BPF_JGE | BPF_K:
		return a >= k;
	case BPF_JMP | BPF_JSET | BPF_K:
		return a & k;
	default:
		ck_abort_msg("an instruction %#x", code);
	}
}

/* What the kernel would do (linux/filter.h); as far as libseccomp's programs go. */
static uint32_t evaluate(const struct sandbox_filter *filter, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t at = 0; at < filter->count; at++) {
		const struct sock_filter *i = &filter->code[at];

		if (i->code == (BPF_RET | BPF_K))
			return i->k;
		if (i->code == (BPF_LD | BPF_W | BPF_ABS))
			a = load(data, i->k);
		else if (i->code == (BPF_ALU | BPF_AND | BPF_K))
			a &= i->k;
		else if (i->code == (BPF_JMP | BPF_JA))
			at += i->k;
		else
			at += jumps(i->code, a, i->k) ? i->jt : i->jf;
	}
	ck_abort_msg("the program has no end");
}

static struct sandbox_filter filters[SANDBOX_THREADS];

static void make_filters(void)
{
	for (unsigned i = 0; i < SANDBOX_THREADS; i++)
		ck_assert_int_eq(sandbox_filter_make(i, &values, &filters[i]), 0);
}

static void free_filters(void)
{
	for (unsigned i = 0; i < SANDBOX_THREADS; i++)
		free(filters[i].code);
}

static bool allows(unsigned thread, int number, const uint64_t args[6])
{
	struct seccomp_data data = { .nr = number, .arch = ARCHITECTURE };

	memcpy(data.args, args, sizeof(data.args));
	return evaluate(&filters[thread], &data) == SECCOMP_RET_ALLOW;
}

static bool is_first_of_number(size_t line)
{
	for (size_t i = 0; i < line; i++)
		if (sandbox_calls[i].number == sandbox_calls[line].number)
			return false;
	return true;
}

/* Arguments that fit the line. */
static void fitting(const struct sandbox_call *call, uint64_t args[6])
{
	memset(args, 0, 6 * sizeof(args[0]));
	for (unsigned i = 0; i < call->arg_count; i++)
		args[call->args[i].index] = call->args[i].value;
	if (call->special == SPECIAL_TASKS)
		args[0] = TASKS;
	else if (call->special != SPECIAL_NONE)
		args[0] = PID;
}

START_TEST(test_every_line_allows_what_it_says_and_nothing_else_does)
{
	make_filters();
	for (size_t i = 0; i < sandbox_call_count; i++) {
		const struct sandbox_call *call = &sandbox_calls[i];
		uint64_t args[6];

		fitting(call, args);
		for (unsigned thread = 0; thread < SANDBOX_THREADS && call->number >= 0; thread++)
			ck_assert_msg(!(call->threads & 1U << thread) ||
					      allows(thread, call->number, args),
				      "%s, %s: thread %u", call->name, call->why, thread);
	}
	for (int number = 0; number < NUMBERS; number++) {
		static const uint64_t none[6];

		for (unsigned thread = 0; thread < SANDBOX_THREADS; thread++) {
			bool has_line = false;

			for (size_t i = 0; i < sandbox_call_count; i++)
				has_line |= sandbox_calls[i].number == number &&
					    sandbox_calls[i].threads & 1U << thread;
			ck_assert_msg(has_line || !allows(thread, number, none), "%d: thread %u",
				      number, thread);
		}
	}
	free_filters();
}
END_TEST

/* Each bit of an argument that a line looks at, turned, is refused, if no other line has it. */
START_TEST(test_an_argument_that_no_line_has_is_refused)
{
	unsigned refused = 0;

	make_filters();
	for (size_t i = 0; i < sandbox_call_count; i++) {
		const struct sandbox_call *call = &sandbox_calls[i];
		uint64_t args[6];

		if (call->number < 0 || call->arg_count == 0 || !is_first_of_number(i))
			continue;
		for (unsigned bit = 0; bit < 32; bit++) {
			fitting(call, args);
			args[call->args[0].index] ^= 1ULL << bit;
			refused += !allows(SANDBOX_LOOP, call->number, args);
		}
		fitting(call, args);
		args[call->args[0].index] ^= call->special ? 0x40000000 : call->args[0].mask;
		ck_assert_msg(!allows(SANDBOX_LOOP, call->number, args), "%s, %s", call->name,
			      call->why);
	}
	ck_assert_uint_gt(refused, 100);
	free_filters();
}
END_TEST

START_TEST(test_no_line_is_there_twice)
{
	for (size_t i = 0; i < sandbox_call_count; i++)
		for (size_t k = 0; k < i; k++) {
			const struct sandbox_call *a = &sandbox_calls[i], *b = &sandbox_calls[k];

			if (a->number != b->number || !(a->threads & b->threads))
				continue;
			ck_assert_msg(a->arg_count && b->arg_count, "%s: %s makes %s redundant",
				      a->name, a->why, b->why);
			ck_assert_msg(a->special != b->special ||
					      memcmp(a->args, b->args, sizeof(a->args)) != 0,
				      "%s is there twice", a->name);
		}
}
END_TEST

/* A thread that starts another keeps its own filter, and so that has both. */
START_TEST(test_the_process_may_what_any_of_its_threads_may)
{
	uint64_t args[6];

	make_filters();
	for (size_t i = 0; i < sandbox_call_count; i++) {
		const struct sandbox_call *call = &sandbox_calls[i];

		fitting(call, args);
		ck_assert_msg(call->number < 0 || allows(SANDBOX_LOOP, call->number, args),
			      "%s, %s", call->name, call->why);
	}
	free_filters();
}
END_TEST

START_TEST(test_nothing_opens_and_nothing_starts)
{
	static const int never[] = {
		SYS_openat2, SYS_socket, SYS_connect, SYS_bind,	   SYS_execve,
		SYS_execveat, SYS_ptrace, SYS_mount,   SYS_io_uring_setup, SYS_rt_sigaction,
		SYS_unshare, SYS_setns,	 SYS_bpf,     SYS_perf_event_open, SYS_process_vm_readv,
	};
	static const uint64_t none[6];
	uint64_t at_cwd[6] = { (uint32_t)AT_FDCWD };
	uint64_t process[6] = { SIGCHLD };
	uint64_t code[6] = { 0, 4096, 7 };

	make_filters();
	for (unsigned thread = 0; thread < SANDBOX_THREADS; thread++) {
		for (size_t i = 0; i < ARRAY_SIZE(never); i++)
			ck_assert_msg(!allows(thread, never[i], none), "%s",
				      sandbox_call_name(never[i]));
		ck_assert(!allows(thread, SYS_openat, at_cwd));
		ck_assert(!allows(thread, SYS_clone, process));
		ck_assert(!allows(thread, SYS_mmap, code));
		ck_assert(!allows(thread, SYS_mprotect, code));
	}
	free_filters();
}
END_TEST

static void leave(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	syscall(SYS_exit_group, strcmp(sandbox_call_name(info->si_syscall), "socket") == 0 ? 7 : 8);
}

/* Exit status of a process that does it in the filter of such a thread. */
static int status_of(unsigned thread, void (*act)(void))
{
	const struct sigaction action = { .sa_sigaction = leave, .sa_flags = SA_SIGINFO };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		sigaction(SIGSYS, &action, NULL);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (sandbox_filter_load(&filters[thread]))
			syscall(SYS_exit_group, 9);
		act();
		syscall(SYS_exit_group, 3);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void allowed_act(void)
{
	char byte;

	free(malloc(1 << 20));
	if (read(-1, &byte, 1) != -1 || errno != EBADF)
		syscall(SYS_exit_group, 4);
}

static void forbidden_act(void)
{
	syscall(SYS_socket, 1, 1, 0);
}

START_TEST(test_a_violation_is_told_by_name)
{
	make_filters();
	for (unsigned thread = 0; thread < SANDBOX_THREADS; thread++) {
		ck_assert_int_eq(status_of(thread, allowed_act), 3);
		ck_assert_int_eq(status_of(thread, forbidden_act), 7);
	}
	free_filters();
}
END_TEST

START_TEST(test_calls_have_their_names)
{
	ck_assert_str_eq(sandbox_call_name(SYS_openat), "openat");
	ck_assert_str_eq(sandbox_call_name(SYS_ioctl), "ioctl");
	ck_assert_ptr_null(sandbox_call_name(-1));
	ck_assert_ptr_null(sandbox_call_name(100000));
}
END_TEST

CHECK_MAIN("sandbox/filter", test_every_line_allows_what_it_says_and_nothing_else_does,
	   test_an_argument_that_no_line_has_is_refused, test_no_line_is_there_twice,
	   test_the_process_may_what_any_of_its_threads_may, test_nothing_opens_and_nothing_starts,
	   test_a_violation_is_told_by_name, test_calls_have_their_names)
