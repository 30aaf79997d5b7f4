/* SPDX-License-Identifier: Apache-2.0 */
/* The real-time clock's registers as the register file sees them. */
#include "dev/rtc_chip.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <ferry/error.h>

#include "base/util.h"
#include "reg/reg_file.h"

#define MEMORY_SIZE (RTC_CMOS_SIZE - RTC_MEMORY)

/* Further from UTC than a guest can set its clock: 25500 years. */
#define OFFSET_MAX (1LL << 40)

/* Order: B says whether the held time counts. */
static const struct rtc_reg {
	const char *name;
	uint8_t field, size_log2, number;
} rtc_regs[] = {
	{ "offset", RTC_FIELD_OFFSET, 3, 0 },
	{ "seen", RTC_FIELD_SEEN, 3, 0 }, /* after it, which makes it now */
	{ "seconds_alarm", RTC_FIELD_CMOS, 0, RTC_SECONDS_ALARM },
	{ "minutes_alarm", RTC_FIELD_CMOS, 0, RTC_MINUTES_ALARM },
	{ "hours_alarm", RTC_FIELD_CMOS, 0, RTC_HOURS_ALARM },
	{ "a", RTC_FIELD_CMOS, 0, RTC_A },
	{ "b", RTC_FIELD_CMOS, 0, RTC_B },
	{ "c", RTC_FIELD_CMOS, 0, RTC_C },
	{ "held", RTC_FIELD_HELD, 4, 0 },
	{ "memory", RTC_FIELD_CMOS, 7, RTC_MEMORY },
	{ "index", RTC_FIELD_CMOS, 0, RTC_INDEX_PORT },
};

static uint64_t reg_id(const struct rtc_reg *reg)
{
	return REG_ID(REG_BANK_RTC, reg->field, reg->size_log2, reg->number);
}

static const struct rtc_reg *find(uint64_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(rtc_regs); i++)
		if (reg_id(&rtc_regs[i]) == id)
			return &rtc_regs[i];
	return NULL;
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	int r = 0;

	(void)self;
	for (size_t i = 0; i < ARRAY_SIZE(rtc_regs) && r == 0; i++)
		r = reg_list_add(out, vcpu, reg_id(&rtc_regs[i]),
				 rtc_regs[i].field == RTC_FIELD_SEEN ? REG_TIME : 0);
	return r;
}

static uint8_t *byte_of(struct rtc *rtc, const struct rtc_reg *reg)
{
	return reg->number == RTC_INDEX_PORT ? &rtc->index : &rtc->cmos[reg->number];
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

static int get(void *self, struct reg_key key, void *val)
{
	struct rtc *rtc = self;
	const struct rtc_reg *reg = find(key.id);

	if (!reg)
		return -ENOENT;
	pthread_mutex_lock(&rtc->lock);
	if (reg->field == RTC_FIELD_OFFSET)
		memcpy(val, &rtc->offset, sizeof(rtc->offset));
	else if (reg->field == RTC_FIELD_SEEN)
		memcpy(val, &rtc->seen, sizeof(rtc->seen));
	else if (reg->field == RTC_FIELD_HELD)
		get_held(rtc, val);
	else if (reg->number == RTC_MEMORY)
		get_memory(rtc, val);
	else
		*(uint8_t *)val = *byte_of(rtc, reg);
	pthread_mutex_unlock(&rtc->lock);
	return 0;
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

static int set_byte(struct rtc *rtc, const struct rtc_reg *reg, uint8_t value)
{
	if ((reg->number == RTC_A && (value & RTC_A_UIP)) ||
	    (reg->number == RTC_C && (value & ~(RTC_FLAGS | RTC_IRQF))) ||
	    (reg->number == RTC_INDEX_PORT && value >= RTC_CMOS_SIZE))
		return because(-EINVAL, "rtc: %s cannot hold %#x", reg->name, value);
	*byte_of(rtc, reg) = value;
	rtc_watch(rtc);
	return 0;
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct rtc *rtc = self;
	const struct rtc_reg *reg = find(key.id);
	int r = 0;

	if (!reg)
		return -ENOENT;
	pthread_mutex_lock(&rtc->lock);
	if (reg->field == RTC_FIELD_OFFSET)
		r = set_offset(rtc, val);
	else if (reg->field == RTC_FIELD_SEEN)
		r = set_seen(rtc, val);
	else if (reg->field == RTC_FIELD_HELD)
		set_held(rtc, val);
	else if (reg->number == RTC_MEMORY)
		set_memory(rtc, val);
	else
		r = set_byte(rtc, reg, *(const uint8_t *)val);
	pthread_mutex_unlock(&rtc->lock);
	return r;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	const struct rtc_reg *reg = find(key.id);

	(void)self;
	if (!reg)
		return -ENOENT;
	snprintf(name, size, "%s", reg->name);
	return 0;
}

static const struct reg_bank rtc_bank = {
	.name = "rtc",
	.mask = REG_BANK_MASK,
	.match = REG_BANK(REG_BANK_RTC),
	.list = list,
	.get = get,
	.set = set,
	.name_of = name_of,
};

int rtc_add_bank(struct rtc *rtc, struct reg_file *file)
{
	return reg_file_add(file, &rtc_bank, 0, 0, rtc);
}
