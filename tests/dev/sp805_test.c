/* SPDX-License-Identifier: Apache-2.0 */
/* The watchdog: what a driver reads, when it interrupts, and when it ends the VM. */
#include "fake_vm.h"

#include "check_main.h"
#include "dev/sp805.h"

#define BASE	0x9040000U
#define LOAD	(BASE + 0x000)
#define VALUE	(BASE + 0x004)
#define CONTROL (BASE + 0x008)
#define INTCLR	(BASE + 0x00c)
#define RIS	(BASE + 0x010)
#define MIS	(BASE + 0x014)
#define LOCK	(BASE + 0xc00)

#define KEY   0x1acce551U
#define INTEN 1U
#define RESEN 2U

#define SHORT (SP805_HZ / 50)	/* 20 ms */
#define LONG  (SP805_HZ * 100U)

static struct vm vm, other;
static struct sp805 *watchdog;

static void make(struct vm *of, struct sp805 **ret_watchdog)
{
	const struct sp805_options options = { .address = BASE, .gsi = 1 };

	fake_vm_init(of);
	ck_assert_int_eq(sp805_create(of, &options, ret_watchdog), 0);
	ck_assert_int_eq(sp805_add_bank(*ret_watchdog, &of->regs), 0);
}

static void setup(void)
{
	make(&vm, &watchdog);
}

static void teardown(void)
{
	sp805_destroy(watchdog);
	fake_vm_finish(&vm);
}

static void run_until(const unsigned *count, unsigned n)
{
	for (int i = 0; i < 500 && *count < n; i++)
		fake_run_ms(&vm, 20);
	ck_assert_uint_ge(*count, n);
}

START_TEST(test_a_driver_finds_the_part)
{
	/* drivers/watchdog/sp805_wdt.c, 6.12, wants 0x00141805 of the first three. */
	static const uint8_t ids[] = { 0x05, 0x18, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	setup();
	for (unsigned i = 0; i < 8; i++)
		ck_assert_uint_eq(readl(&vm, BASE + 0xfe0 + 4 * i), ids[i]);
	ck_assert_uint_eq(readl(&vm, LOAD), 0xffffffff);
	ck_assert_uint_eq(readl(&vm, VALUE), 0xffffffff);
	ck_assert_uint_eq(readl(&vm, LOCK), 0);
	teardown();
}
END_TEST

START_TEST(test_it_sleeps_until_it_is_told_to_count)
{
	setup();
	writel(&vm, LOAD, SHORT);
	fake_run_ms(&vm, 60);
	ck_assert_uint_eq(readl(&vm, VALUE), SHORT);
	ck_assert_uint_eq(readl(&vm, RIS), 0);
	writel(&vm, CONTROL, INTEN);
	run_until(&vm.pulses, 1);
	ck_assert_uint_eq(readl(&vm, MIS), 1);
	teardown();
}
END_TEST

START_TEST(test_a_guest_that_never_feeds_it_is_interrupted_and_then_reset)
{
	setup();
	writel(&vm, LOAD, SHORT);
	writel(&vm, CONTROL, INTEN | RESEN);
	for (int i = 0; i < 500 && !vm.ended; i++)
		fake_run_ms(&vm, 20);
	ck_assert_int_eq(vm.ended, VM_END_RESET);
	ck_assert_uint_eq(vm.pulses, 1);
	teardown();
}
END_TEST

START_TEST(test_without_the_reset_it_only_interrupts)
{
	setup();
	writel(&vm, LOAD, SHORT);
	writel(&vm, CONTROL, INTEN);
	run_until(&vm.pulses, 1);
	fake_run_ms(&vm, 100);
	ck_assert_int_eq(vm.ended, VM_END_NONE);
	ck_assert_uint_eq(vm.pulses, 1);
	teardown();
}
END_TEST

START_TEST(test_who_feeds_it_begins_anew)
{
	setup();
	writel(&vm, LOAD, SHORT);
	writel(&vm, CONTROL, INTEN);
	run_until(&vm.pulses, 1);
	writel(&vm, LOAD, LONG);
	writel(&vm, INTCLR, 0);
	ck_assert_uint_eq(readl(&vm, RIS), 0);
	ck_assert_uint_gt(readl(&vm, VALUE), LONG / 2);
	ck_assert_uint_lt(readl(&vm, VALUE), LONG + 1);
	teardown();
}
END_TEST

START_TEST(test_what_is_locked_cannot_be_written)
{
	setup();
	writel(&vm, LOCK, 1);
	ck_assert_uint_eq(readl(&vm, LOCK), 1);
	writel(&vm, LOAD, SHORT);
	writel(&vm, CONTROL, INTEN | RESEN);
	ck_assert_uint_eq(readl(&vm, LOAD), 0xffffffff);
	ck_assert_uint_eq(readl(&vm, CONTROL), 0);
	writel(&vm, LOCK, KEY);
	writel(&vm, LOAD, SHORT);
	ck_assert_uint_eq(readl(&vm, LOAD), SHORT);
	teardown();
}
END_TEST

START_TEST(test_a_paused_guest_is_not_bitten)
{
	setup();
	writel(&vm, LOAD, SHORT);
	writel(&vm, CONTROL, INTEN | RESEN);
	vm.paused = true;
	fake_run_ms(&vm, 200);
	ck_assert_uint_eq(vm.pulses, 0);
	vm.paused = false;
	run_until(&vm.pulses, 1);
	teardown();
}
END_TEST

START_TEST(test_a_held_guest_is_not_bitten)
{
	setup();
	writel(&vm, LOAD, SHORT);
	writel(&vm, CONTROL, INTEN | RESEN);
	sp805_hold(watchdog);
	fake_run_ms(&vm, 200);
	ck_assert_uint_eq(vm.pulses, 0);
	sp805_go_on(watchdog, false);
	run_until(&vm.pulses, 1);
	teardown();
}
END_TEST

START_TEST(test_a_restored_guest_has_the_time_that_was_left)
{
	struct reg_key control = { REG_VM, REG_ID(REG_BANK_SP805, 0, 2, 0x008) };
	struct sp805 *its;
	uint32_t wrong = 4;

	setup();
	make(&other, &its);
	writel(&vm, LOAD, LONG);
	writel(&vm, CONTROL, INTEN | RESEN);
	fake_run_ms(&vm, 20);
	sp805_hold(watchdog);
	sp805_hold(its);
	fake_check_bank(&vm.regs, &other.regs);
	ck_assert_int_eq(reg_file_set(&other.regs, control, &wrong), -EINVAL);
	sp805_go_on(its, true);
	ck_assert_uint_eq(readl(&other, CONTROL), INTEN | RESEN);
	ck_assert_uint_lt(readl(&other, VALUE), LONG);
	ck_assert_uint_gt(readl(&other, VALUE), LONG / 2);
	ck_assert_uint_eq(other.pulses, 0);
	sp805_destroy(its);
	fake_vm_finish(&other);
	teardown();
}
END_TEST

CHECK_MAIN("sp805", test_a_driver_finds_the_part, test_it_sleeps_until_it_is_told_to_count,
	   test_a_guest_that_never_feeds_it_is_interrupted_and_then_reset,
	   test_without_the_reset_it_only_interrupts, test_who_feeds_it_begins_anew,
	   test_what_is_locked_cannot_be_written, test_a_paused_guest_is_not_bitten,
	   test_a_held_guest_is_not_bitten, test_a_restored_guest_has_the_time_that_was_left)
