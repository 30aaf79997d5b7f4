/* SPDX-License-Identifier: Apache-2.0 */
/* SynIC and synthetic timers as a guest finds them; and that they go on elsewhere. */
#include "pv/hyperv/hyperv_fixture.h"

#include <abi/hyperv.h>

#include "machine/image.h"

#define FEATURES "default,stimer-direct,reenlightenment"

static struct test_machine t;

static void check_timers(unsigned cpu)
{
	static const char *const good[] = {
		"off", "the same, masked", "on", "once", "by itself", "in the past", "sint",
		"periodic", "stopped", "periodic by itself", "busy", "message without interrupt",
		"direct", "direct periodic", "over",
	};
	static const char *const faults[] = {
		"an exception's vector", "another version", "no such timer", "eom",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		hyperv_check_says(&t, cpu, good[i], 1);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		hyperv_check_says(&t, cpu, faults[i], 0);
	hyperv_check_says(&t, cpu, "version", 1);
	hyperv_check_says(&t, cpu, "masked", HV_SYNIC_SINTS);
	hyperv_check_says(&t, cpu, "an end by itself", hyperv_is_kernel());
	/* KVM looks whether it was on before. */
	hyperv_check_says(&t, cpu, "no sint", hyperv_is_kernel());
}

START_TEST(test_messages_and_timers_reach_every_cpu)
{
	hyperv_machine_create(&t, "timers", "cpus=2 direct=1", 2, FEATURES);
	test_machine_run(&t, NULL, true);
	ck_assert_int_eq(vm_ended(t.vm), VM_END_POWEROFF);
	check_timers(0);
	check_timers(1);
	ck_assert_ptr_null(strstr(t.console, "0 sint 0"));
	ck_assert_ptr_null(strstr(t.console, "1 sint 0"));
	test_machine_finish(&t);
}
END_TEST

/* Everything but what was not promised: its MSR faults, and there is no handler. */
START_TEST(test_a_timer_that_was_not_promised_to_be_direct_is_a_fault)
{
	hyperv_machine_create(&t, "timers", "direct=1", 1, "default,stimer");
	test_machine_run(&t, NULL, true);
	ck_assert_int_eq(vm_ended(t.vm), VM_END_RESET);
	hyperv_check_says(&t, 0, "message without interrupt", 1);
	ck_assert_ptr_null(strstr(t.console, "direct"));
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_a_guest_without_them_has_none_of_their_registers)
{
	static const struct reg_key key = { 0, 0x2030000200000000 | HV_MSR_SINT0 };
	uint64_t masked = HV_SINT_MASKED;

	if (hyperv_is_kernel()) /* KVM has them of every guest, masked */
		return;
	hyperv_machine_create(&t, "calls", "", 1, "");
	ck_assert_int_eq(reg_file_set(vm_regs(t.vm), key, &masked), -ENOENT);
	ck_assert_int_eq(reg_file_get(vm_regs(t.vm), key, &masked), -ENOENT);
	test_machine_finish(&t);
}
END_TEST

static void stop_loop(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(vm_loop(t.vm));
}

START_TEST(test_no_timer_changes_what_is_paused)
{
	struct loop_timer timer = { 0 };
	void *before = malloc(16 * MIB);
	struct image first, second;

	hyperv_machine_create(&t, "timers", "tick=1", 1, FEATURES);
	test_machine_run(&t, "ten ticks\n", true);
	vm_pause(t.vm);
	machine_flush(t.machine);
	image_save(vm_regs(t.vm), &first);
	memcpy(before, mem_ptr(vm_mem(t.vm), 0, 16 * MIB), 16 * MIB);
	ck_assert_int_eq(loop_timer_arm(vm_loop(t.vm), &timer, 20000000, stop_loop), 0);
	ck_assert_int_eq(loop_run(vm_loop(t.vm)), 0);
	ck_assert_int_eq(memcmp(before, mem_ptr(vm_mem(t.vm), 0, 16 * MIB), 16 * MIB), 0);
	image_save(vm_regs(t.vm), &second);
	image_compare(vm_regs(t.vm), &first, &second);
	image_finish(&first);
	image_finish(&second);
	free(before);
	t.said = 0;
	t.console[0] = '\0';
	vm_resume(t.vm);
	test_machine_run(&t, "ten ticks\n", false);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_a_timer_goes_on_in_another_machine)
{
	struct test_machine other;
	struct image image;

	hyperv_machine_create(&t, "timers", "tick=1", 1, FEATURES);
	test_machine_run(&t, "ten ticks\nten ticks\n", true);
	vm_pause(t.vm);
	image_save(vm_regs(t.vm), &image);
	hyperv_machine_create(&other, "timers", "tick=1", 1, FEATURES);
	memcpy(mem_ptr_rw(vm_mem(other.vm), 0, 16 * MIB), mem_ptr(vm_mem(t.vm), 0, 16 * MIB),
	       16 * MIB);
	image_restore(vm_regs(other.vm), &image);
	test_machine_run(&other, "ten ticks\nten ticks\n", true);
	image_finish(&image);
	test_machine_finish(&other);
	vm_resume(t.vm);
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("timers", test_messages_and_timers_reach_every_cpu,
	       test_a_timer_that_was_not_promised_to_be_direct_is_a_fault,
	       test_a_guest_without_them_has_none_of_their_registers,
	       test_no_timer_changes_what_is_paused, test_a_timer_goes_on_in_another_machine)
