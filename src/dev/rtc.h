/* SPDX-License-Identifier: Apache-2.0 */
/* The real-time clock of a PC: an MC146818 (Motorola data sheet) with 128 bytes of CMOS memory. */
#ifndef DEV_RTC_H
#define DEV_RTC_H

#include <stdbool.h>
#include <stdint.h>

struct vm;
struct rtc;
struct reg_file;

struct rtc_options {
	uint16_t port; /* index; data is at port + 1 */
	uint32_t gsi;  /* edge-triggered */
	bool freeze;   /* the time in which the guest was carried elsewhere does not count */
};

/* Claims the two ports. The clock shows the host's UTC. -EEXIST; -errno of the interrupt. */
int rtc_create(struct vm *vm, const struct rtc_options *options, struct rtc **ret_rtc);
/* On the loop's thread (or when it does not run), the vCPUs stopped. NULL is fine. */
void rtc_destroy(struct rtc *rtc);

/*
 * Bank REG_BANK_RTC, number = CMOS index (the index port itself: 0x70), field: enum rtc_field.
 * -errno of reg_file_add().
 */
int rtc_add_bank(struct rtc *rtc, struct reg_file *file);

enum rtc_field {
	RTC_FIELD_CMOS = 0, /* one byte; index 0x0e: all of the memory behind the clock */
	/*
	 * Number 0. Seconds by which the guest's clock is ahead of UTC, int64_t. It means the same
	 * on every host and can be written back at any time; a battery-backed clock goes on while
	 * its machine is saved or carried elsewhere, and so does this one, unless it is told not to.
	 */
	RTC_FIELD_OFFSET = 1,
	/* Number 0. Bytes 0 … 9 and 0x32 as the guest holds them while it sets the clock, else
	 * zeros. */
	RTC_FIELD_HELD = 2,
	/* Number 0. Seconds, int64_t: the guest's clock up to which alarms have been noticed. */
	RTC_FIELD_SEEN = 3,
};

/*
 * Between the two its registers stay as they are. What was due meanwhile is noticed at the end, if
 * the time counts. go_on, for a guest that arrived from elsewhere, interrupts it once more when there
 * is a cause. Loop thread; hold also before the loop runs.
 */
void rtc_hold(struct rtc *rtc);
void rtc_go_on(struct rtc *rtc, bool arrived);

#endif
