/* SPDX-License-Identifier: Apache-2.0 */
/* A guest goes from one engine to the other, in the middle of whatever it does. */
#include "pv/hyperv/hyperv_fixture.h"

#include "kvm/kvm.h"

#define CMDLINE "cpus=2 flushers=1 targets=2"

static const struct {
	enum machine_hyperv_engine from, to;
} ways[] = {
	{ MACHINE_HYPERV_PORTABLE, MACHINE_HYPERV_KERNEL },
	{ MACHINE_HYPERV_KERNEL, MACHINE_HYPERV_PORTABLE },
	{ MACHINE_HYPERV_KERNEL, MACHINE_HYPERV_KERNEL },
};

static struct test_machine here, there;
static struct flush_counts counts, moved;

static void start(enum machine_hyperv_engine engine)
{
	memset(&counts, 0, sizeof(counts));
	memset(&moved, 0, sizeof(moved));
	hyperv_machine_create_on(&here, "flush", CMDLINE, 2, "", engine);
	flush_count(&here, &counts);
	ck_assert_int_eq(vm_start(here.vm), 0);
	flush_await(&here, &counts, 0, 3);
}

/* What is unknown over there must be neutral, as in a move. */
static void set_there(struct reg_key key, const void *value)
{
	static const uint8_t zeros[REG_SIZE_MAX];
	int r = reg_file_set(vm_regs(there.vm), key, value);

	if (r == -ENOENT && memcmp(value, zeros, reg_size(key.id)) == 0)
		return;
	ck_assert_msg(r == 0, "%#llx of vCPU %u: %s", (unsigned long long)key.id, key.vcpu,
		      error_text(r));
}

/* Memory and registers, of a guest that is paused. */
static void carry(void)
{
	static uint8_t value[REG_SIZE_MAX];
	struct reg_list list = { 0 };

	memcpy(mem_ptr_rw(vm_mem(there.vm), 0, 16 * MIB), mem_ptr(vm_mem(here.vm), 0, 16 * MIB),
	       16 * MIB);
	ck_assert_int_eq(reg_file_list(vm_regs(here.vm), &list), 0);
	for (size_t i = 0; i < list.count; i++) {
		ck_assert_int_eq(reg_file_get(vm_regs(here.vm), list.entries[i].key, value), 0);
		set_there(list.entries[i].key, value);
	}
	reg_list_finish(&list);
}

/* It goes on over there. */
static void move(enum machine_hyperv_engine engine)
{
	hyperv_machine_create_on(&there, "flush", CMDLINE, 2, "", engine);
	flush_count(&there, &moved);
	carry();
	ck_assert_int_eq(vm_start(there.vm), 0);
}

static void finish(void)
{
	ck_assert_uint_eq(atomic_load(&counts.failed), 0);
	ck_assert_uint_eq(atomic_load(&moved.failed), 0);
	test_machine_finish(&there);
	test_machine_finish(&here);
}

START_TEST(test_a_guest_goes_on_with_the_other_engine)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		start(ways[i].from);
		vm_pause(here.vm);
		move(ways[i].to);
		flush_await(&there, &moved, 0, 5);
		finish();
	}
}
END_TEST

START_TEST(test_who_waits_with_one_engine_is_released_with_the_other)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		start(ways[i].from);
		hyperv_inhibit(&here, 1, true);
		hyperv_await_wait(&here, 0, 1);
		vm_pause(here.vm);
		move(ways[i].to);
		hyperv_await_wait(&there, 0, 1);
		ck_assert_uint_eq(atomic_load(&moved.begun[0]), 0);
		hyperv_inhibit(&there, 1, false);
		flush_await(&there, &moved, 0, 3);
		finish();
	}
}
END_TEST

START_TEST(test_a_timer_goes_on_with_the_other_engine)
{
	const char *features = "default,stimer,reenlightenment";

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		hyperv_machine_create_on(&here, "timers", "tick=1", 1, features, ways[i].from);
		test_machine_run(&here, "ten ticks\n", true);
		vm_pause(here.vm);
		hyperv_machine_create_on(&there, "timers", "tick=1", 1, features, ways[i].to);
		carry();
		test_machine_run(&there, "ten ticks\nten ticks\n", true);
		test_machine_finish(&there);
		test_machine_finish(&here);
	}
}
END_TEST

CHECK_SUITE("engines", test_a_guest_goes_on_with_the_other_engine,
	    test_a_timer_goes_on_with_the_other_engine,
	    test_who_waits_with_one_engine_is_released_with_the_other)

int main(void)
{
	int fd = open("/dev/kvm", O_RDWR);

	if (fd < 0 || kvm_check_extension(fd, KVM_CAP_HYPERV_ENFORCE_CPUID) <= 0) {
		puts("skipped: /dev/kvm has no Hyper-V of its own here");
		return 77;
	}
	close(fd);
	return run_suite();
}
