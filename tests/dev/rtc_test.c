/* SPDX-License-Identifier: Apache-2.0 */
/* The real-time clock as Linux's rtc-cmos uses it. */
#include "check_main.h"
#include "dev/fake_vm.h"

#include <stdlib.h>
#include <time.h>

#include "dev/rtc.h"

#define PORT 0x70

static struct vm vm;
static struct rtc *rtc;

static void setup_with(struct vm *to, struct rtc **ret_rtc, struct rtc_options options)
{
	options.port = PORT;
	options.gsi = 8;
	fake_vm_init(to);
	ck_assert_int_eq(rtc_create(to, &options, ret_rtc), 0);
	ck_assert_int_eq(rtc_add_bank(*ret_rtc, &to->regs), 0);
}

static void setup(struct vm *to, struct rtc **ret_rtc)
{
	setup_with(to, ret_rtc, (struct rtc_options){ 0 });
}

static void teardown(struct vm *of, struct rtc *its)
{
	rtc_destroy(its);
	fake_vm_finish(of);
}

static uint8_t cmos_read(uint8_t index)
{
	outb(&vm, PORT, index);
	return inb(&vm, PORT + 1);
}

static void cmos_write(uint8_t index, uint8_t value)
{
	outb(&vm, PORT, index);
	outb(&vm, PORT + 1, value);
}

static int bcd(uint8_t value)
{
	return (value >> 4) * 10 + (value & 0xf);
}

/* The guest's clock by its registers, read as Linux does: not across an update. */
static time_t clock_bcd(void)
{
	struct tm tm;
	uint8_t seconds;

	do {
		seconds = cmos_read(0);
		tm = (struct tm){
			.tm_sec = bcd(seconds),
			.tm_min = bcd(cmos_read(2)),
			.tm_hour = bcd(cmos_read(4)),
			.tm_mday = bcd(cmos_read(7)),
			.tm_mon = bcd(cmos_read(8)) - 1,
			.tm_year = bcd(cmos_read(9)) + bcd(cmos_read(0x32)) * 100 - 1900,
		};
	} while (seconds != cmos_read(0));
	return timegm(&tm);
}

static void set_clock(const uint8_t fields[7], uint8_t b)
{
	static const uint8_t places[] = { 0, 2, 4, 7, 8, 9, 0x32 };

	cmos_write(0x0b, b | 0x80);
	for (int i = 0; i < 7; i++)
		cmos_write(places[i], fields[i]);
	cmos_write(0x0b, b);
}

START_TEST(test_clock_shows_the_hosts_utc_in_bcd)
{
	setup(&vm, &rtc);
	ck_assert_int_le(llabs((long long)(clock_bcd() - time(NULL))), 1);
	ck_assert_uint_eq(cmos_read(0x0d), 0x80);
	ck_assert_uint_eq(cmos_read(0x0b), 0x02);
	teardown(&vm, rtc);
}
END_TEST

START_TEST(test_weekday_counts_from_sunday_as_one)
{
	time_t now;
	struct tm tm;

	setup(&vm, &rtc);
	do {
		now = time(NULL);
		gmtime_r(&now, &tm);
		ck_assert_int_ge(cmos_read(6), 1);
	} while (cmos_read(6) != tm.tm_wday + 1 && time(NULL) != now);
	ck_assert_uint_eq(cmos_read(6), tm.tm_wday + 1);
	teardown(&vm, rtc);
}
END_TEST

START_TEST(test_binary_and_12_hour_mode_show_the_same_time)
{
	setup(&vm, &rtc);
	set_clock((uint8_t[]){ 0x10, 0x59, 0x23, 0x31, 0x12, 0x29, 0x20 }, 0x02);
	ck_assert_uint_eq(cmos_read(4), 0x23);
	cmos_write(0x0b, 0x06);
	ck_assert_uint_eq(cmos_read(4), 23);
	ck_assert_uint_eq(cmos_read(2), 59);
	cmos_write(0x0b, 0x04);
	ck_assert_uint_eq(cmos_read(4), 11 | 0x80);
	cmos_write(0x0b, 0x00);
	ck_assert_uint_eq(cmos_read(4), 0x11 | 0x80);
	set_clock((uint8_t[]){ 0x10, 0x00, 0x12, 0x31, 0x12, 0x29, 0x20 }, 0x00); /* 12 a.m. */
	cmos_write(0x0b, 0x02);
	ck_assert_uint_eq(cmos_read(4), 0x00);
	set_clock((uint8_t[]){ 0x10, 0x00, 0x83, 0x31, 0x12, 0x29, 0x20 }, 0x00); /* 3 p.m. */
	cmos_write(0x0b, 0x02);
	ck_assert_uint_eq(cmos_read(4), 0x15);
	teardown(&vm, rtc);
}
END_TEST

START_TEST(test_time_that_the_guest_sets_stays_and_runs)
{
	struct tm set = { .tm_sec = 30, .tm_mday = 29, .tm_mon = 1, .tm_year = 100 };
	time_t expected = timegm(&set);

	setup(&vm, &rtc);
	set_clock((uint8_t[]){ 0x30, 0x00, 0x00, 0x29, 0x02, 0x00, 0x20 }, 0x02);
	ck_assert_int_ge(clock_bcd(), expected);
	ck_assert_int_le(clock_bcd(), expected + 2);
	fake_run_ms(&vm, 1100);
	ck_assert_int_gt(clock_bcd(), expected);
	teardown(&vm, rtc);
}
END_TEST

START_TEST(test_held_clock_stands_still)
{
	setup(&vm, &rtc);
	cmos_write(0x0b, 0x82);
	cmos_write(0, 0x42);
	fake_run_ms(&vm, 1100);
	ck_assert_uint_eq(cmos_read(0), 0x42);
	ck_assert_uint_eq(cmos_read(0x0a) & 0x80, 0);
	teardown(&vm, rtc);
}
END_TEST

START_TEST(test_every_byte_value_in_every_register_is_survived)
{
	setup(&vm, &rtc);
	for (unsigned b = 0; b < 256; b++) {
		for (unsigned index = 0; index < 256; index++)
			cmos_write(index, b);
		for (unsigned index = 0; index < 256; index++)
			cmos_read(index);
		cmos_write(0x0b, b & 0x06);
		clock_bcd();
	}
	teardown(&vm, rtc);
}
END_TEST

START_TEST(test_update_ended_interrupts_once_a_second)
{
	setup(&vm, &rtc);
	cmos_write(0x0b, 0x12);
	fake_run_ms(&vm, 1100);
	ck_assert_uint_ge(fake_pulses(&vm), 1);
	ck_assert_uint_eq(cmos_read(0x0c), 0x90);
	ck_assert_uint_eq(cmos_read(0x0c), 0x00);
	fake_run_ms(&vm, 1100);
	ck_assert_uint_eq(fake_pulses(&vm), 1);
	cmos_read(0x0c);
	cmos_write(0x0b, 0x02);
	fake_run_ms(&vm, 1100);
	ck_assert_uint_eq(fake_pulses(&vm), 0);
	ck_assert_uint_eq(cmos_read(0x0c), 0x10); /* the flag comes up without an interrupt */
	teardown(&vm, rtc);
}
END_TEST

START_TEST(test_alarm_interrupts_when_its_time_comes)
{
	setup(&vm, &rtc);
	set_clock((uint8_t[]){ 0x58, 0x59, 0x23, 0x28, 0x02, 0x25, 0x20 }, 0x02);
	cmos_write(1, 0x00);
	cmos_write(3, 0x00);
	cmos_write(5, 0xff); /* any hour */
	cmos_read(0x0c);
	cmos_write(0x0b, 0x22);
	ck_assert_uint_eq(fake_pulses(&vm), 0);
	for (int i = 0; i < 400 && !vm.pulses; i++)
		fake_run_ms(&vm, 10);
	ck_assert_uint_eq(cmos_read(0), 0x00);
	ck_assert_uint_eq(cmos_read(0x0c) & 0xa0, 0xa0);
	fake_run_ms(&vm, 1100);
	ck_assert_uint_eq(fake_pulses(&vm), 1);
	ck_assert_uint_eq(bcd(cmos_read(8)), 3); /* 28 February 2025 ended */
	teardown(&vm, rtc);
}
END_TEST

START_TEST(test_registers_carry_the_clock_to_another_vm)
{
	static struct vm other_vm;
	struct rtc *other;

	setup(&vm, &rtc);
	setup(&other_vm, &other);
	cmos_write(1, 0x12);
	cmos_write(0x40, 0x99);
	set_clock((uint8_t[]){ 0x00, 0x00, 0x12, 0x01, 0x01, 0x30, 0x20 }, 0x02);
	fake_check_bank(&vm.regs, &other_vm.regs);
	cmos_write(0x0b, 0x82); /* again, while the guest sets the clock */
	cmos_write(7, 0x17);
	fake_check_bank(&vm.regs, &other_vm.regs);
	outb(&other_vm, PORT, 0x40);
	ck_assert_uint_eq(inb(&other_vm, PORT + 1), 0x99);
	outb(&other_vm, PORT, 7);
	ck_assert_uint_eq(inb(&other_vm, PORT + 1), 0x17);
	outb(&other_vm, PORT, 9);
	ck_assert_uint_eq(inb(&other_vm, PORT + 1), 0x30);
	teardown(&vm, rtc);
	teardown(&other_vm, other);
}
END_TEST

/* A clock with its alarm interrupt on, that stood still 100 seconds ago. */
static void arrive(bool freeze)
{
	struct reg_key seen = { REG_VM, REG_ID(REG_BANK_RTC, RTC_FIELD_SEEN, 3, 0) };
	int64_t then = time(NULL) - 100;

	setup_with(&vm, &rtc, (struct rtc_options){ .freeze = freeze });
	rtc_hold(rtc);
	for (uint8_t alarm = 1; alarm <= 5; alarm += 2)
		cmos_write(alarm, 0xff); /* at any time */
	cmos_write(0x0b, 0x22);
	ck_assert_int_eq(reg_file_set(&vm.regs, seen, &then), 0);
	fake_pulses(&vm);
	fake_run_ms(&vm, 10);
	ck_assert_uint_eq(fake_pulses(&vm), 0);
	rtc_go_on(rtc, true);
}

START_TEST(test_alarm_that_was_due_in_transit_interrupts_on_arrival)
{
	arrive(false);
	ck_assert_uint_eq(fake_pulses(&vm), 1);
	ck_assert_uint_eq(cmos_read(0x0c) & 0x20, 0x20);
	ck_assert_int_le(llabs((long long)(clock_bcd() - time(NULL))), 1);
	teardown(&vm, rtc);
}
END_TEST

START_TEST(test_frozen_clock_has_missed_the_time_in_transit)
{
	arrive(true);
	ck_assert_uint_eq(fake_pulses(&vm), 0);
	ck_assert_int_le(llabs((long long)(clock_bcd() - (time(NULL) - 100))), 1);
	teardown(&vm, rtc);
}
END_TEST

CHECK_MAIN("rtc", test_clock_shows_the_hosts_utc_in_bcd, test_weekday_counts_from_sunday_as_one,
	   test_binary_and_12_hour_mode_show_the_same_time,
	   test_time_that_the_guest_sets_stays_and_runs, test_held_clock_stands_still,
	   test_every_byte_value_in_every_register_is_survived,
	   test_update_ended_interrupts_once_a_second, test_alarm_interrupts_when_its_time_comes,
	   test_registers_carry_the_clock_to_another_vm,
	   test_alarm_that_was_due_in_transit_interrupts_on_arrival,
	   test_frozen_clock_has_missed_the_time_in_transit)
