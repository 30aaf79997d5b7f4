/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of the real-time clock share: the chip and its registers' bank. */
#ifndef DEV_RTC_CHIP_H
#define DEV_RTC_CHIP_H

#include <pthread.h>
#include <stdbool.h>

#include "dev/rtc.h"
#include "io/kick.h"
#include "io/loop.h"
#include "reg/reg_table.h"
#include "vm/irq.h"

#define RTC_CMOS_SIZE 128

/* MC146818, "Address map"; the century's place is the PC's convention. */
enum {
	RTC_SECONDS = 0x00,
	RTC_SECONDS_ALARM = 0x01,
	RTC_MINUTES = 0x02,
	RTC_MINUTES_ALARM = 0x03,
	RTC_HOURS = 0x04,
	RTC_HOURS_ALARM = 0x05,
	RTC_WEEKDAY = 0x06,
	RTC_DAY = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_A = 0x0a,
	RTC_B = 0x0b,
	RTC_C = 0x0c,
	RTC_D = 0x0d,
	RTC_MEMORY = 0x0e,
	RTC_CENTURY = 0x32,
	RTC_INDEX_PORT = 0x70,
};

enum {
	RTC_A_32KHZ = 0x26, /* the divider for a 32768 Hz crystal, and the PC's 1024 Hz rate */
	RTC_A_UIP = 0x80,
	RTC_B_24H = 0x02,
	RTC_B_DM = 0x04, /* binary, not BCD */
	RTC_B_SET = 0x80,
	RTC_D_VRT = 0x80, /* the battery is good */

	/* Flags in C; the same bits in B enable their interrupts. */
	RTC_UF = 0x10,
	RTC_AF = 0x20,
	RTC_FLAGS = RTC_UF | RTC_AF,
	RTC_IRQF = 0x80,

	RTC_PM = 0x80,
	RTC_ALARM_ANY = 0xc0,
};

struct rtc {
	struct vm *vm;
	struct loop *loop;
	struct rtc_options options;
	bool claimed; /* the ports */
	struct irq_pulse irq;
	struct kick kick;	 /* vCPU threads: an interrupt was enabled */
	struct loop_timer timer; /* loop thread: the next change of the second */
	struct reg_table regs;

	pthread_mutex_t lock; /* all below */
	uint8_t index;
	uint8_t cmos[RTC_CMOS_SIZE]; /* time bytes are current only while SET holds them */
	int64_t offset;		     /* the guest's clock minus the host's UTC, seconds */
	int64_t seen;		     /* the guest's time up to which the flags are set */
	bool ticking;		     /* the loop looks at every second */
	bool held;		     /* between rtc_hold() and rtc_go_on() */
};

/* With the lock held: has the loop look at every second from now on, if that can interrupt. */
void rtc_watch(struct rtc *rtc);

#endif
