/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a guest's time on the host's own KVM, as ferry, KVM and the scheduler tell it. */
#include "machine/machine_for_test.h"

#include <sched.h>

#include "base/clock.h"
#include "kvm/uapi.h"
#include "vm/stat.h"
#include "vm/vm.h"

static struct test_machine t;
static struct vcpu_stat before, after;

static uint64_t sum_of(const struct vcpu_stat *stat)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < VCPU_TIMES; i++)
		sum += stat->time_ns[i];
	return sum;
}

/*
 * Reads before and after, so much time apart or more; how long all of it took. Not before the guest
 * runs: the first KVM_RUN waits for the host's other CPUs.
 */
static uint64_t watch(uint64_t ns)
{
	uint64_t begin, read;

	do {
		begin = clock_now();
		vm_stat_vcpu(t.vm, 0, &before);
	} while (!before.has_task || !before.exits[KVM_EXIT_IO]);
	read = clock_now();
	while (clock_now() < read + ns)
		sched_yield();
	vm_stat_vcpu(t.vm, 0, &after);
	return clock_now() - begin;
}

START_TEST(test_all_the_time_is_told)
{
	uint64_t passed, told;

	test_machine_create(&t, "basic/count", "in", 1);
	ck_assert_int_eq(vm_start(t.vm), 0);
	passed = watch(200000000);
	told = sum_of(&after) - sum_of(&before);
	/* Reading takes time itself, and a busy host takes it where it likes: between the two
	 * reads. */
	ck_assert_uint_le(told, passed + passed / 100);
	ck_assert_uint_ge(told, 198000000);
	ck_assert_uint_gt(after.exits[KVM_EXIT_IO], before.exits[KVM_EXIT_IO]);
	ck_assert_uint_gt(after.time_ns[VCPU_TIME_PIO], before.time_ns[VCPU_TIME_PIO]);
	ck_assert_uint_gt(after.time_ns[VCPU_TIME_RUN], before.time_ns[VCPU_TIME_RUN]);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_a_paused_guest_is_suspended_all_the_time)
{
	test_machine_create(&t, "basic/count", "in", 1);
	ck_assert_int_eq(vm_start(t.vm), 0);
	watch(20000000);
	vm_pause(t.vm);
	watch(100000000);
	/* Nothing but the rounding of the ticks' rate. */
	ck_assert_uint_lt(after.time_ns[VCPU_TIME_RUN], before.time_ns[VCPU_TIME_RUN] + 5000000);
	ck_assert_uint_ge(after.time_ns[VCPU_TIME_SUSPENDED] - before.time_ns[VCPU_TIME_SUSPENDED],
			  90000000);
	vm_resume(t.vm);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_the_scheduler_knows_the_thread)
{
	test_machine_create(&t, "basic/count", "in", 1);
	vm_stat_vcpu(t.vm, 0, &before);
	ck_assert(!before.has_task);
	ck_assert_uint_eq(sum_of(&before), 0);
	ck_assert_int_eq(vm_start(t.vm), 0);
	watch(100000000);
	ck_assert(after.has_task);
	/* It never sleeps: it is on a CPU, or waits for one. */
	ck_assert_uint_ge(after.task.cpu + after.task.delay, 50000000);
	vm_end(t.vm, VM_END_STOPPED, NULL);
	vm_stop(t.vm);
	vm_stat_vcpu(t.vm, 0, &after);
	ck_assert(!after.has_task);
	test_machine_finish(&t);
}
END_TEST

struct seen {
	unsigned count;
	uint64_t exits;
};

static void see(void *self, const struct vm_kvm_stat *stat)
{
	struct seen *seen = self;

	seen->count++;
	if (strcmp(stat->name, "exits") == 0)
		seen->exits = stat->values[0];
}

START_TEST(test_kvm_tells_its_statistics_while_the_guest_runs)
{
	struct seen vcpu = { 0 }, vm = { 0 };

	test_machine_create(&t, "basic/count", "in", 1);
	if (!t.vm->caps.binary_stats_fd) {
		ck_assert_int_eq(vm_stat_kvm(t.vm, 0, see, &vcpu), -ENODEV);
		test_machine_finish(&t);
		return;
	}
	ck_assert_int_eq(vm_start(t.vm), 0);
	watch(20000000);
	ck_assert_int_eq(vm_stat_kvm(t.vm, 0, see, &vcpu), 0);
	ck_assert_int_eq(vm_stat_kvm(t.vm, VM_STAT_VM, see, &vm), 0);
	ck_assert_uint_gt(vcpu.count, 10);
	ck_assert_uint_gt(vcpu.exits, 0);
	ck_assert_uint_gt(vm.count, 0);
	ck_assert(after.has_halts);
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("stat", test_all_the_time_is_told, test_a_paused_guest_is_suspended_all_the_time,
	       test_the_scheduler_knows_the_thread,
	       test_kvm_tells_its_statistics_while_the_guest_runs)
