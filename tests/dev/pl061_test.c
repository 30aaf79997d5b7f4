/* SPDX-License-Identifier: Apache-2.0 */
/* The GPIO pins: what a driver reads, and when it is interrupted. */
#include "fake_vm.h"

#include "check_main.h"
#include "dev/pl061.h"

#define BASE 0x9030000U
#define PIN  3U
#define BIT  (1U << PIN)

#define DATA(mask) (BASE + ((mask) << 2))
#define DIR	   (BASE + 0x400)
#define IS	   (BASE + 0x404)
#define IBE	   (BASE + 0x408)
#define IEV	   (BASE + 0x40c)
#define IE	   (BASE + 0x410)
#define RIS	   (BASE + 0x414)
#define MIS	   (BASE + 0x418)
#define IC	   (BASE + 0x41c)

static struct vm vm;
static struct pl061 *gpio;

static void setup(void)
{
	const struct pl061_options options = { .address = BASE, .gsi = 1, .button_pin = PIN };

	fake_vm_init(&vm);
	ck_assert_int_eq(pl061_create(&vm, &options, &gpio), 0);
}

static void teardown(void)
{
	pl061_destroy(gpio);
	fake_vm_finish(&vm);
}

START_TEST(test_a_driver_finds_the_part)
{
	static const uint8_t ids[] = { 0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	setup();
	for (unsigned i = 0; i < 8; i++)
		ck_assert_uint_eq(readl(&vm, BASE + 0xfe0 + 4 * i), ids[i]);
	teardown();
}
END_TEST

START_TEST(test_both_edges_of_the_button_interrupt)
{
	setup();
	writel(&vm, IBE, BIT);
	writel(&vm, IE, BIT);
	pl061_press(gpio);
	ck_assert_uint_eq(vm.pulses, 1);
	ck_assert_uint_eq(readl(&vm, DATA(0xffU)), BIT);
	ck_assert_uint_eq(readl(&vm, DATA(~BIT & 0xff)), 0);
	ck_assert_uint_eq(readl(&vm, MIS), BIT);
	writel(&vm, IC, BIT);
	ck_assert_uint_eq(readl(&vm, MIS), 0);
	for (int i = 0; i < 100 && vm.pulses == 1; i++)
		fake_run_ms(&vm, 20);
	ck_assert_uint_eq(vm.pulses, 2);
	ck_assert_uint_eq(readl(&vm, DATA(0xffU)), 0);
	ck_assert_uint_eq(readl(&vm, RIS), BIT);
	teardown();
}
END_TEST

START_TEST(test_an_edge_that_nobody_asked_for_is_none)
{
	setup();
	writel(&vm, IE, BIT); /* falling edges */
	pl061_press(gpio);
	ck_assert_uint_eq(vm.pulses, 0);
	ck_assert_uint_eq(readl(&vm, RIS), 0);
	teardown();
}
END_TEST

START_TEST(test_a_level_lasts_as_long_as_the_button_is_pressed)
{
	setup();
	writel(&vm, IS, BIT);
	writel(&vm, IEV, 0xff);
	writel(&vm, IE, BIT);
	ck_assert_uint_eq(readl(&vm, RIS), 0);
	pl061_press(gpio);
	writel(&vm, IC, BIT);
	ck_assert_uint_eq(readl(&vm, MIS), BIT);
	ck_assert_uint_eq(vm.pulses, 1);
	teardown();
}
END_TEST

START_TEST(test_only_pins_that_are_outputs_can_be_written)
{
	setup();
	writel(&vm, DIR, 0x81);
	writel(&vm, DATA(0xf0U), 0xff);
	ck_assert_uint_eq(readl(&vm, DATA(0xffU)), 0x80);
	teardown();
}
END_TEST

START_TEST(test_a_restored_guest_is_interrupted_once_more)
{
	struct reg_key ie = { REG_VM, REG_ID(REG_BANK_PL061, 0, 0, 0x410) };
	struct reg_key edges = { REG_VM, REG_ID(REG_BANK_PL061, 0, 0, 0x414) };
	uint8_t value = BIT;

	setup();
	ck_assert_int_eq(pl061_add_bank(gpio, &vm.regs), 0);
	pl061_hold(gpio);
	ck_assert_int_eq(reg_file_set(&vm.regs, ie, &value), 0);
	ck_assert_int_eq(reg_file_set(&vm.regs, edges, &value), 0);
	ck_assert_uint_eq(vm.pulses, 0);
	pl061_go_on(gpio, true);
	ck_assert_uint_eq(vm.pulses, 1);
	teardown();
}
END_TEST

CHECK_MAIN("pl061", test_a_driver_finds_the_part, test_both_edges_of_the_button_interrupt,
	   test_an_edge_that_nobody_asked_for_is_none,
	   test_a_level_lasts_as_long_as_the_button_is_pressed,
	   test_only_pins_that_are_outputs_can_be_written,
	   test_a_restored_guest_is_interrupted_once_more)
