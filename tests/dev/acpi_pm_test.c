/* SPDX-License-Identifier: Apache-2.0 */
/* Poweroff, reset and the power button. */
#include "check_main.h"
#include "dev/fake_vm.h"

#include "dev/acpi_pm.h"

static const struct acpi_pm_options options = {
	.sleep_control_port = 0x600,
	.sleep_status_port = 0x601,
	.reset_port = 0x602,
	.reset_value = 0x42,
	.ged_port = 0x603,
	.ged_gsi = 9,
};

static struct vm vm;
static struct acpi_pm *pm;

static void setup(struct vm *to, struct acpi_pm **ret_pm)
{
	fake_vm_init(to);
	ck_assert_int_eq(acpi_pm_create(to, &options, ret_pm), 0);
	ck_assert_int_eq(acpi_pm_add_bank(*ret_pm, &to->regs), 0);
}

static void teardown(struct vm *of, struct acpi_pm *its)
{
	acpi_pm_destroy(its);
	fake_vm_finish(of);
}

START_TEST(test_only_s5_with_the_enable_bit_powers_off)
{
	setup(&vm, &pm);
	for (unsigned value = 0; value < 256; value++) {
		vm.ended = VM_END_NONE;
		outb(&vm, 0x600, value);
		ck_assert_int_eq(vm.ended == VM_END_POWEROFF, (value & 0x3c) == 0x34);
		ck_assert_uint_eq(inb(&vm, 0x600), value & 0x1c);
	}
	teardown(&vm, pm);
}
END_TEST

START_TEST(test_only_the_reset_value_resets)
{
	setup(&vm, &pm);
	outb(&vm, 0x602, 0x41);
	ck_assert_int_eq(vm.ended, VM_END_NONE);
	outb(&vm, 0x602, 0x42);
	ck_assert_int_eq(vm.ended, VM_END_RESET);
	ck_assert_uint_eq(inb(&vm, 0x602), 0);
	teardown(&vm, pm);
}
END_TEST

START_TEST(test_power_button_interrupts_and_reading_clears_it)
{
	setup(&vm, &pm);
	ck_assert_uint_eq(inb(&vm, 0x603), 0);
	acpi_pm_power_button(pm);
	ck_assert_uint_eq(fake_pulses(&vm), 1);
	outb(&vm, 0x603, 0);
	ck_assert_uint_eq(inb(&vm, 0x603), 1);
	ck_assert_uint_eq(inb(&vm, 0x603), 0);
	acpi_pm_power_button(pm);
	ck_assert_uint_eq(fake_pulses(&vm), 1);
	teardown(&vm, pm);
}
END_TEST

START_TEST(test_registers_carry_a_pressed_button_to_another_vm)
{
	static struct vm other_vm;
	struct acpi_pm *other;
	struct reg_key ged = { REG_VM, REG_ID(REG_BANK_ACPI, 0, 0, 0x603) };

	setup(&vm, &pm);
	setup(&other_vm, &other);
	acpi_pm_power_button(pm);
	outb(&vm, 0x600, 0x0c);
	fake_check_bank(&vm.regs, &other_vm.regs);
	ck_assert_uint_eq(inb(&other_vm, 0x603), 1);
	ck_assert_int_eq(reg_file_set(&vm.regs, ged, "\x02"), -EINVAL);
	teardown(&vm, pm);
	teardown(&other_vm, other);
}
END_TEST

START_TEST(test_a_taken_port_leaves_nothing_behind)
{
	struct acpi_pm_options clash = options;
	struct acpi_pm *second = NULL;

	setup(&vm, &pm);
	clash.sleep_control_port = 0x700;
	ck_assert_int_eq(acpi_pm_create(&vm, &clash, &second), -EEXIST);
	ck_assert_ptr_null(second);
	ck_assert_uint_eq(vm.pio.count, 4);
	teardown(&vm, pm);
}
END_TEST

CHECK_MAIN("acpi_pm", test_only_s5_with_the_enable_bit_powers_off, test_only_the_reset_value_resets,
	   test_power_button_interrupts_and_reading_clears_it,
	   test_registers_carry_a_pressed_button_to_another_vm,
	   test_a_taken_port_leaves_nothing_behind)
