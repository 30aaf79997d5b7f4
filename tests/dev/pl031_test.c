/* SPDX-License-Identifier: Apache-2.0 */
/* The PL031: the time that it shows, and its alarm. */
#include "fake_vm.h"

#include <time.h>

#include "check_main.h"
#include "dev/pl031.h"

#define BASE 0x9010000U
#define DR   (BASE + 0x00)
#define MR   (BASE + 0x04)
#define LR   (BASE + 0x08)
#define CR   (BASE + 0x0c)
#define IMSC (BASE + 0x10)
#define RIS  (BASE + 0x14)
#define MIS  (BASE + 0x18)
#define ICR  (BASE + 0x1c)

static struct vm vm;
static struct pl031 *rtc;

static void setup(bool freeze)
{
	const struct pl031_options options = { .address = BASE, .gsi = 1, .freeze = freeze };

	fake_vm_init(&vm);
	ck_assert_int_eq(pl031_create(&vm, &options, &rtc), 0);
	ck_assert_int_eq(pl031_add_bank(rtc, &vm.regs), 0);
}

static void teardown(void)
{
	pl031_destroy(rtc);
	fake_vm_finish(&vm);
}

/* Within a second: it may change between two looks. */
static void check_time(uint32_t shown, int64_t expected)
{
	ck_assert_int_ge((int64_t)shown, expected);
	ck_assert_int_le((int64_t)shown, expected + 1);
}

START_TEST(test_it_shows_utc)
{
	setup(false);
	ck_assert_uint_eq(readl(&vm, BASE + 0xfe0), 0x31);
	check_time(readl(&vm, DR), time(NULL));
	ck_assert_uint_eq(readl(&vm, CR), 1);
	teardown();
}
END_TEST

START_TEST(test_it_can_be_set)
{
	setup(false);
	writel(&vm, LR, 1000);
	check_time(readl(&vm, DR), 1000);
	writel(&vm, LR, 0xfffffff0);
	check_time(readl(&vm, DR), 0xfffffff0);
	teardown();
}
END_TEST

START_TEST(test_a_match_interrupts)
{
	setup(false);
	writel(&vm, IMSC, 1);
	writel(&vm, MR, readl(&vm, DR) + 1);
	for (int i = 0; i < 200 && !vm.pulses; i++)
		fake_run_ms(&vm, 20);
	ck_assert_uint_eq(vm.pulses, 1);
	ck_assert_uint_eq(readl(&vm, MIS), 1);
	writel(&vm, ICR, 1);
	ck_assert_uint_eq(readl(&vm, RIS), 0);
	teardown();
}
END_TEST

START_TEST(test_a_masked_match_waits_for_its_mask)
{
	setup(false);
	writel(&vm, MR, readl(&vm, DR) + 1);
	for (int i = 0; i < 200 && !readl(&vm, RIS); i++)
		fake_run_ms(&vm, 20);
	ck_assert_uint_eq(vm.pulses, 0);
	writel(&vm, IMSC, 1);
	ck_assert_uint_eq(vm.pulses, 1);
	teardown();
}
END_TEST

START_TEST(test_a_frozen_clock_goes_on_where_it_was_seen)
{
	struct reg_key seen = { REG_VM, REG_ID(REG_BANK_PL031, PL031_FIELD_SEEN, 2, 0) };
	uint32_t then = 1234567;

	setup(true);
	pl031_hold(rtc);
	ck_assert_int_eq(reg_file_set(&vm.regs, seen, &then), 0);
	pl031_go_on(rtc, true);
	check_time(readl(&vm, DR), then);
	teardown();
}
END_TEST

START_TEST(test_a_match_that_was_missed_is_noticed_on_arrival)
{
	struct reg_key seen = { REG_VM, REG_ID(REG_BANK_PL031, PL031_FIELD_SEEN, 2, 0) };
	struct reg_key mr = { REG_VM, REG_ID(REG_BANK_PL031, PL031_FIELD_REGISTER, 2, 4) };
	struct reg_key imsc = { REG_VM, REG_ID(REG_BANK_PL031, PL031_FIELD_REGISTER, 2, 0x10) };
	uint32_t now, value;

	setup(false);
	now = readl(&vm, DR);
	pl031_hold(rtc);
	value = now - 100;
	ck_assert_int_eq(reg_file_set(&vm.regs, seen, &value), 0);
	value = now - 50;
	ck_assert_int_eq(reg_file_set(&vm.regs, mr, &value), 0);
	value = 1;
	ck_assert_int_eq(reg_file_set(&vm.regs, imsc, &value), 0);
	value = 2;
	ck_assert_int_eq(reg_file_set(&vm.regs, imsc, &value), -EINVAL);
	pl031_go_on(rtc, true);
	ck_assert_uint_eq(vm.pulses, 1);
	teardown();
}
END_TEST

CHECK_MAIN("pl031", test_it_shows_utc, test_it_can_be_set, test_a_match_interrupts,
	   test_a_masked_match_waits_for_its_mask, test_a_frozen_clock_goes_on_where_it_was_seen,
	   test_a_match_that_was_missed_is_noticed_on_arrival)
