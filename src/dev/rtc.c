/* SPDX-License-Identifier: Apache-2.0 */
/* The real-time clock: host time plus an offset, shown through MC146818 registers. */
#include "dev/rtc_chip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ferry/bus.h>
#include <ferry/vm.h>

#include "base/calendar.h"
#include "base/util.h"

#define NS_PER_SECOND 1000000000ULL
#define DAY	      86400

/* MC146818, "Update cycle": UIP is up for at least 244 us before the time changes. */
#define UIP_NS (244 * 1000ULL)

static uint64_t host_now(int64_t *ret_seconds)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*ret_seconds = now.tv_sec;
	return now.tv_nsec;
}

static int64_t guest_now(const struct rtc *rtc)
{
	int64_t seconds;

	host_now(&seconds);
	return seconds + rtc->offset;
}

static uint8_t encode(const struct rtc *rtc, unsigned value)
{
	return rtc->cmos[RTC_B] & RTC_B_DM ? value : (value / 10 << 4) | value % 10;
}

static unsigned decode(const struct rtc *rtc, uint8_t value)
{
	return rtc->cmos[RTC_B] & RTC_B_DM ? value : (value >> 4) * 10 + (value & 0xf);
}

/* Hours are 1 … 12 with bit 7 for p.m. unless the 24-hour bit is set. */
static uint8_t encode_hours(const struct rtc *rtc, unsigned hours)
{
	if (rtc->cmos[RTC_B] & RTC_B_24H)
		return encode(rtc, hours);
	return encode(rtc, hours % 12 ? hours % 12 : 12) | (hours >= 12 ? RTC_PM : 0);
}

static unsigned decode_hours(const struct rtc *rtc, uint8_t value)
{
	if (rtc->cmos[RTC_B] & RTC_B_24H)
		return decode(rtc, value);
	return decode(rtc, value & ~RTC_PM) % 12 + (value & RTC_PM ? 12 : 0);
}

/* The ten bytes of the clock at a time, and the century where PCs keep it. */
static void show_time(struct rtc *rtc, int64_t when)
{
	const struct calendar at = calendar_of(when);

	rtc->cmos[RTC_SECONDS] = encode(rtc, at.second);
	rtc->cmos[RTC_MINUTES] = encode(rtc, at.minute);
	rtc->cmos[RTC_HOURS] = encode_hours(rtc, at.hour);
	rtc->cmos[RTC_WEEKDAY] = encode(rtc, at.weekday + 1);
	rtc->cmos[RTC_DAY] = encode(rtc, at.day);
	rtc->cmos[RTC_MONTH] = encode(rtc, at.month);
	rtc->cmos[RTC_YEAR] = encode(rtc, (unsigned)(at.year % 100 + 100) % 100);
	rtc->cmos[RTC_CENTURY] = encode(rtc, (unsigned)(at.year / 100 % 100 + 100) % 100);
}

/* What those bytes say; a guest's impossible dates become the days that they amount to. */
static int64_t shown_time(const struct rtc *rtc)
{
	const struct calendar at = {
		.second = decode(rtc, rtc->cmos[RTC_SECONDS]),
		.minute = decode(rtc, rtc->cmos[RTC_MINUTES]),
		.hour = decode_hours(rtc, rtc->cmos[RTC_HOURS]),
		.day = decode(rtc, rtc->cmos[RTC_DAY]),
		.month = decode(rtc, rtc->cmos[RTC_MONTH]),
		.year = (int64_t)decode(rtc, rtc->cmos[RTC_YEAR]) +
			100 * (int64_t)decode(rtc, rtc->cmos[RTC_CENTURY]),
	};

	return calendar_seconds(&at);
}

static bool is_time(uint8_t index)
{
	return index == RTC_SECONDS || index == RTC_MINUTES || index == RTC_HOURS ||
	       (index >= RTC_WEEKDAY && index <= RTC_YEAR) || index == RTC_CENTURY;
}

static bool is_held(const struct rtc *rtc)
{
	return rtc->cmos[RTC_B] & RTC_B_SET;
}

static void adopt_time(struct rtc *rtc)
{
	int64_t seconds;

	host_now(&seconds);
	rtc->offset = shown_time(rtc) - seconds;
	rtc->seen = seconds + rtc->offset;
}

/* An alarm byte from 0xc0 on matches everything. */
static bool alarm_field_matches(unsigned now, uint8_t alarm, unsigned decoded)
{
	return alarm >= RTC_ALARM_ANY || now == decoded;
}

static bool alarm_matches(const struct rtc *rtc, int64_t when)
{
	unsigned second = (unsigned)((when % DAY + DAY) % DAY);
	const uint8_t *cmos = rtc->cmos;

	return alarm_field_matches(second % 60, cmos[RTC_SECONDS_ALARM],
				   decode(rtc, cmos[RTC_SECONDS_ALARM])) &&
	       alarm_field_matches(second / 60 % 60, cmos[RTC_MINUTES_ALARM],
				   decode(rtc, cmos[RTC_MINUTES_ALARM])) &&
	       alarm_field_matches(second / 3600, cmos[RTC_HOURS_ALARM],
				   decode_hours(rtc, cmos[RTC_HOURS_ALARM]));
}

/* Sets the flags for the updates that happened since the last look; an alarm recurs within a day.
 */
static void catch_up(struct rtc *rtc)
{
	int64_t now = guest_now(rtc), t;

	if (is_held(rtc) || rtc->held || now <= rtc->seen)
		return;
	rtc->cmos[RTC_C] |= RTC_UF;
	for (t = now - rtc->seen > DAY ? now - DAY : rtc->seen; t < now; t++)
		if (!(rtc->cmos[RTC_C] & RTC_AF) && alarm_matches(rtc, t + 1))
			rtc->cmos[RTC_C] |= RTC_AF;
	rtc->seen = now;
}

/* The interrupt output rises when the first enabled flag comes up, and falls when C is read. */
static void update_irq(struct rtc *rtc)
{
	bool before = rtc->cmos[RTC_C] & RTC_IRQF;

	rtc->cmos[RTC_C] &= ~RTC_IRQF;
	if (rtc->cmos[RTC_C] & rtc->cmos[RTC_B] & RTC_FLAGS)
		rtc->cmos[RTC_C] |= RTC_IRQF;
	if (!before && (rtc->cmos[RTC_C] & RTC_IRQF))
		irq_pulse_raise(&rtc->irq);
}

static bool wants_ticks(const struct rtc *rtc)
{
	return !is_held(rtc) && !rtc->held && (rtc->cmos[RTC_B] & (RTC_AF | RTC_UF));
}

static void ticked(struct loop_timer *timer);

/* Loop thread: looks at every change of the second, for as long as that can interrupt. */
static void tick(struct rtc *rtc)
{
	uint64_t ns;
	int64_t seconds;
	bool again;

	pthread_mutex_lock(&rtc->lock);
	catch_up(rtc);
	update_irq(rtc);
	again = wants_ticks(rtc);
	rtc->ticking = again;
	pthread_mutex_unlock(&rtc->lock);
	if (!again)
		return;
	ns = NS_PER_SECOND - host_now(&seconds);
	if (loop_timer_arm(rtc->loop, &rtc->timer, ns, ticked) == 0)
		return;
	pthread_mutex_lock(&rtc->lock);
	rtc->ticking = false;
	pthread_mutex_unlock(&rtc->lock);
}

static void ticked(struct loop_timer *timer)
{
	tick(container_of(timer, struct rtc, timer));
}

static void kicked(struct kick *kick)
{
	tick(container_of(kick, struct rtc, kick));
}

void rtc_watch(struct rtc *rtc)
{
	if (!rtc->ticking && wants_ticks(rtc))
		rtc->ticking = kick_give(&rtc->kick) == 0;
}

static void write_b(struct rtc *rtc, uint8_t value)
{
	bool was_held = is_held(rtc);

	catch_up(rtc);
	if (!was_held) /* before the bits that say how it is shown change */
		show_time(rtc, guest_now(rtc));
	rtc->cmos[RTC_B] = value;
	/* SET forbids the update-ended interrupt (MC146818, register B). */
	if (value & RTC_B_SET)
		rtc->cmos[RTC_B] &= ~RTC_UF;
	else if (was_held)
		adopt_time(rtc);
}

static void write_time(struct rtc *rtc, uint8_t index, uint8_t value)
{
	catch_up(rtc);
	if (!is_held(rtc))
		show_time(rtc, guest_now(rtc));
	rtc->cmos[index] = value;
	if (!is_held(rtc))
		adopt_time(rtc);
}

static void write_cmos(struct rtc *rtc, uint8_t index, uint8_t value)
{
	if (is_time(index)) {
		write_time(rtc, index, value);
	} else if (index == RTC_B) {
		write_b(rtc, value);
	} else if (index == RTC_A) {
		rtc->cmos[RTC_A] = value & ~RTC_A_UIP;
	} else if (index != RTC_C && index != RTC_D) {
		catch_up(rtc); /* by the alarm as it was */
		rtc->cmos[index] = value;
	}
	update_irq(rtc);
	rtc_watch(rtc);
}

static uint8_t read_a(const struct rtc *rtc)
{
	int64_t seconds;
	bool updating = !is_held(rtc) && host_now(&seconds) >= NS_PER_SECOND - UIP_NS;

	return rtc->cmos[RTC_A] | (updating ? RTC_A_UIP : 0);
}

static uint8_t read_c(struct rtc *rtc)
{
	uint8_t value;

	catch_up(rtc);
	update_irq(rtc);
	value = rtc->cmos[RTC_C];
	rtc->cmos[RTC_C] = 0;
	return value;
}

static uint8_t read_cmos(struct rtc *rtc, uint8_t index)
{
	if (index == RTC_A)
		return read_a(rtc);
	if (index == RTC_C)
		return read_c(rtc);
	if (is_time(index) && !is_held(rtc))
		show_time(rtc, guest_now(rtc));
	return rtc->cmos[index];
}

static void port_read(void *self, uint64_t offset, void *data, unsigned len)
{
	struct rtc *rtc = self;

	(void)len;
	pthread_mutex_lock(&rtc->lock);
	if (offset == 1)
		*(uint8_t *)data = read_cmos(rtc, rtc->index);
	pthread_mutex_unlock(&rtc->lock);
}

/* Bit 7 of the index port masks NMIs on a PC; nothing here raises one. */
static void port_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct rtc *rtc = self;
	const uint8_t *bytes = data;

	pthread_mutex_lock(&rtc->lock);
	for (unsigned i = 0; i < len; i++) {
		if (offset + i == 0)
			rtc->index = bytes[i] % RTC_CMOS_SIZE;
		else
			write_cmos(rtc, rtc->index, bytes[i]);
	}
	pthread_mutex_unlock(&rtc->lock);
}

static const struct bus_ops port_ops = { .read = port_read, .write = port_write };

void rtc_hold(struct rtc *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	catch_up(rtc);
	update_irq(rtc);
	rtc->held = true;
	pthread_mutex_unlock(&rtc->lock);
}

void rtc_go_on(struct rtc *rtc, bool arrived)
{
	int64_t seconds;

	pthread_mutex_lock(&rtc->lock);
	rtc->held = false;
	if (arrived && rtc->options.freeze) {
		host_now(&seconds);
		rtc->offset = rtc->seen - seconds;
	}
	if (arrived && rtc->cmos[RTC_C] & RTC_IRQF)
		irq_pulse_raise(&rtc->irq);
	catch_up(rtc);
	update_irq(rtc);
	rtc_watch(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

int rtc_create(struct vm *vm, const struct rtc_options *options, struct rtc **ret_rtc)
{
	struct rtc *rtc = calloc(1, sizeof(*rtc));
	int r;

	if (!rtc)
		return -ENOMEM;
	rtc->vm = vm;
	rtc->loop = vm_loop(vm);
	rtc->options = *options;
	rtc->irq.fd = -1;
	rtc->cmos[RTC_A] = RTC_A_32KHZ;
	rtc->cmos[RTC_B] = RTC_B_24H;
	rtc->cmos[RTC_D] = RTC_D_VRT;
	rtc->seen = guest_now(rtc);
	pthread_mutex_init(&rtc->lock, NULL);
	kick_init(&rtc->kick, rtc->loop, kicked);
	r = irq_pulse_init(&rtc->irq, vm, options->gsi);
	if (r < 0)
		goto fail;
	r = bus_add(vm_pio(vm), "rtc", options->port, 2, &port_ops, rtc);
	if (r < 0)
		goto fail;
	rtc->claimed = true;
	*ret_rtc = rtc;
	return 0;
fail:
	rtc_destroy(rtc);
	return r;
}

void rtc_destroy(struct rtc *rtc)
{
	if (!rtc)
		return;
	if (rtc->claimed)
		bus_remove(vm_pio(rtc->vm), rtc->options.port);
	kick_finish(&rtc->kick);
	loop_timer_disarm(rtc->loop, &rtc->timer);
	irq_pulse_finish(&rtc->irq);
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
}
