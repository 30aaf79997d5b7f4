/* SPDX-License-Identifier: Apache-2.0 */
/* A machine with a tiny guest on the host's own KVM, and what its console says. */
#ifndef TESTS_MACHINE_MACHINE_FOR_TEST_H
#define TESTS_MACHINE_MACHINE_FOR_TEST_H

#include <ferry/error.h>
#include <ferry/machine.h>
#include <ferry/reg.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "check_main.h"
#include "io/loop.h"

struct test_machine {
	struct machine *machine;
	struct vm *vm;
	struct loop_timer limit;
	char console[4096];
	size_t said;
	const char *until; /* the loop stops when the console has said this */
};

static size_t test_output(void *self, enum machine_console console, const void *buf, size_t len)
{
	struct test_machine *t = self;
	size_t room = sizeof(t->console) - 1 - t->said;

	(void)console;
	memcpy(t->console + t->said, buf, min_u64(len, room));
	t->said += min_u64(len, room);
	t->console[t->said] = '\0';
	if (t->until && strstr(t->console, t->until))
		loop_stop(vm_loop(t->vm));
	return len;
}

static void test_too_late(struct loop_timer *timer)
{
	struct test_machine *t = container_of(timer, struct test_machine, limit);

	vm_end(t->vm, VM_END_STOPPED, "the test's time is up");
}

static inline void test_machine_create_with(struct test_machine *t, struct machine_options options)
{
	int r;

	memset(t, 0, sizeof(*t));
	options.vm.name = "test";
	if (!options.memory)
		options.memory = 16 * MIB;
	options.output = test_output;
	options.self = t;
	r = machine_create(&options, &t->machine);
	ck_assert_msg(r == 0, "machine_create: %s", error_text(r));
	t->vm = machine_vm(t->machine);
}

static inline void test_machine_create(struct test_machine *t, const char *guest,
				       const char *cmdline, uint32_t vcpus)
{
	char path[512];

	snprintf(path, sizeof(path), GUEST_DIR "/%s", guest);
	test_machine_create_with(t, (struct machine_options){ .kernel = path, .cmdline = cmdline,
							      .vm.vcpus = vcpus });
}

/* Two minutes, for a host that is busy, and as many times longer as Check waits. */
static inline uint64_t test_limit_ns(void)
{
	const char *times = getenv("CK_TIMEOUT_MULTIPLIER");

	return 120000000000ULL * (times ? strtoul(times, NULL, 0) : 1);
}

/* Runs the guest, not for ever, until its console says text (NULL: until it has ended). */
static inline void test_machine_run(struct test_machine *t, const char *text, bool start)
{
	int r = loop_timer_arm(vm_loop(t->vm), &t->limit, test_limit_ns(), test_too_late);

	ck_assert_int_eq(r, 0);
	t->until = text;
	if (start)
		ck_assert_int_eq(vm_start(t->vm), 0);
	if (text)
		r = loop_run(vm_loop(t->vm));
	else
		r = vm_wait(t->vm);
	ck_assert_int_eq(r, 0);
	ck_assert_int_ne(vm_ended(t->vm), VM_END_STOPPED);
	loop_timer_disarm(vm_loop(t->vm), &t->limit);
	if (!text)
		machine_flush(t->machine);
}

static inline void test_machine_finish(struct test_machine *t)
{
	machine_destroy(t->machine);
}

/* The value of a register of at most 8 bytes, by its name. The VM is paused. */
static inline uint64_t test_register(struct test_machine *t, const char *wanted)
{
	struct reg_list list = { 0 };
	uint64_t value = 0;
	char name[64];

	ck_assert_int_eq(reg_file_list(vm_regs(t->vm), &list), 0);
	for (size_t i = 0; i < list.count; i++) {
		reg_file_name(vm_regs(t->vm), list.entries[i].key, name, sizeof(name));
		if (strcmp(name, wanted) == 0)
			ck_assert_int_eq(reg_file_get(vm_regs(t->vm), list.entries[i].key, &value),
					 0);
	}
	reg_list_finish(&list);
	return value;
}

/* CHECK_MAIN for tests that need /dev/kvm: exit status 77 and a reason where it is not there. */
#define CHECK_MAIN_KVM(name, ...)                                                                  \
	CHECK_SUITE(name, __VA_ARGS__)                                                             \
	int main(void)                                                                             \
	{                                                                                          \
		int fd = open("/dev/kvm", O_RDWR);                                                 \
                                                                                                   \
		if (fd < 0) {                                                                      \
			puts("skipped: /dev/kvm cannot be opened here");                           \
			return 77;                                                                 \
		}                                                                                  \
		close(fd);                                                                         \
		return run_suite();                                                                \
	}

#endif
