/* SPDX-License-Identifier: Apache-2.0 */
/* The real-time clock's registers as the register file sees them. */
#include "dev/rtc_chip.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <ferry/error.h>

#include "base/util.h"

#define MEMORY_SIZE (RTC_CMOS_SIZE - RTC_MEMORY)

/* Further from UTC than a guest can set its clock: 25500 years. */
#define OFFSET_MAX (1LL << 40)

#define ROW(name, field, size_log2, number) \
	name, REG_ID(REG_BANK_RTC, RTC_FIELD_##field, size_log2, number)

/* Order: B says whether the held time counts. */
static const struct reg_row rows[] = {
	{ ROW("offset", OFFSET, 3, 0), 0 },
	{ ROW("seen", SEEN, 3, 0), REG_TIME }, /* after it, which makes it now */
	{ ROW("seconds_alarm", CMOS, 0, RTC_SECONDS_ALARM), 0 },
	{ ROW("minutes_alarm", CMOS, 0, RTC_MINUTES_ALARM), 0 },
	{ ROW("hours_alarm", CMOS, 0, RTC_HOURS_ALARM), 0 },
	{ ROW("a", CMOS, 0, RTC_A), 0 },
	{ ROW("b", CMOS, 0, RTC_B), 0 },
	{ ROW("c", CMOS, 0, RTC_C), 0 },
	{ ROW("held", HELD, 4, 0), 0 },
	{ ROW("memory", CMOS, 7, RTC_MEMORY), 0 },
	{ ROW("index", CMOS, 0, RTC_INDEX_PORT), 0 },
};

static uint8_t *byte_of(struct rtc *rtc, uint32_t number)
{
	return number == RTC_INDEX_PORT ? &rtc->index : &rtc->cmos[number];
}

/* The ten bytes and, behind them, the century. */
static void get_held(const struct rtc *rtc, void *val)
{
	static const uint8_t places[] = { RTC_SECONDS, RTC_MINUTES, RTC_HOURS, RTC_WEEKDAY,
					  RTC_DAY,     RTC_MONTH,   RTC_YEAR };
	uint8_t held[16] = { 0 };

	if (rtc->cmos[RTC_B] & RTC_B_SET) {
		for (size_t i = 0; i < ARRAY_SIZE(places); i++)
			held[places[i]] = rtc->cmos[places[i]];
		held[10] = rtc->cmos[RTC_CENTURY];
	}
	memcpy(val, held, sizeof(held));
}

static void get_memory(const struct rtc *rtc, void *val)
{
	uint8_t memory[128] = { 0 };

	memcpy(memory, rtc->cmos + RTC_MEMORY, MEMORY_SIZE);
	memory[RTC_CENTURY - RTC_MEMORY] = 0; /* follows from the time */
	memcpy(val, memory, sizeof(memory));
}

static void get(void *self, const struct reg_row *row, void *val)
{
	unsigned field = REG_ID_FIELD(row->id);
	uint32_t number = REG_ID_NUMBER(row->id);
	struct rtc *rtc = self;

	if (field == RTC_FIELD_OFFSET)
		memcpy(val, &rtc->offset, sizeof(rtc->offset));
	else if (field == RTC_FIELD_SEEN)
		memcpy(val, &rtc->seen, sizeof(rtc->seen));
	else if (field == RTC_FIELD_HELD)
		get_held(rtc, val);
	else if (number == RTC_MEMORY)
		get_memory(rtc, val);
	else
		*(uint8_t *)val = *byte_of(rtc, number);
}

static int set_offset(struct rtc *rtc, const void *val)
{
	int64_t offset;

	memcpy(&offset, val, sizeof(offset));
	if (offset > OFFSET_MAX || offset < -OFFSET_MAX)
		return because(-EINVAL, "rtc: %lld seconds from UTC", (long long)offset);
	rtc->offset = offset;
	rtc->seen = time(NULL) + offset;
	return 0;
}

static int set_seen(struct rtc *rtc, const void *val)
{
	int64_t seen;

	memcpy(&seen, val, sizeof(seen));
	if (seen > 2 * OFFSET_MAX || seen < -2 * OFFSET_MAX)
		return because(-EINVAL, "rtc: a time of %lld seconds", (long long)seen);
	rtc->seen = seen;
	return 0;
}

static void set_held(struct rtc *rtc, const uint8_t *held)
{
	if (!(rtc->cmos[RTC_B] & RTC_B_SET))
		return;
	for (unsigned i = RTC_SECONDS; i <= RTC_YEAR; i++)
		if (i != RTC_SECONDS_ALARM && i != RTC_MINUTES_ALARM && i != RTC_HOURS_ALARM)
			rtc->cmos[i] = held[i];
	rtc->cmos[RTC_CENTURY] = held[10];
}

static void set_memory(struct rtc *rtc, const void *val)
{
	uint8_t century = rtc->cmos[RTC_CENTURY];

	memcpy(rtc->cmos + RTC_MEMORY, val, MEMORY_SIZE);
	rtc->cmos[RTC_CENTURY] = century;
}

static int set_byte(struct rtc *rtc, const struct reg_row *row, uint8_t value)
{
	uint32_t number = REG_ID_NUMBER(row->id);

	if ((number == RTC_A && (value & RTC_A_UIP)) ||
	    (number == RTC_C && (value & ~(RTC_FLAGS | RTC_IRQF))) ||
	    (number == RTC_INDEX_PORT && value >= RTC_CMOS_SIZE))
		return because(-EINVAL, "rtc: %s cannot hold %#x", row->name, value);
	*byte_of(rtc, number) = value;
	rtc_watch(rtc);
	return 0;
}

static int set(void *self, const struct reg_row *row, const void *val)
{
	unsigned field = REG_ID_FIELD(row->id);
	struct rtc *rtc = self;

	if (field == RTC_FIELD_OFFSET)
		return set_offset(rtc, val);
	if (field == RTC_FIELD_SEEN)
		return set_seen(rtc, val);
	if (field == RTC_FIELD_CMOS && REG_ID_NUMBER(row->id) != RTC_MEMORY)
		return set_byte(rtc, row, *(const uint8_t *)val);
	if (field == RTC_FIELD_HELD)
		set_held(rtc, val);
	else
		set_memory(rtc, val);
	return 0;
}

int rtc_add_bank(struct rtc *rtc, struct reg_file *file)
{
	rtc->regs = (struct reg_table){
		.rows = rows,
		.count = ARRAY_SIZE(rows),
		.lock = &rtc->lock,
		.get = get,
		.set = set,
		.self = rtc,
	};
	return reg_table_add(&rtc->regs, file, "rtc", REG_BANK_RTC);
}
