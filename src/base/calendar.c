/* SPDX-License-Identifier: Apache-2.0 */
/* Days to dates, and back. Years begin in March here: so the leap day is a year's last. */
#include "base/calendar.h"

#define DAY 86400

/* From March 1 of the year 0 to January 1, 1970. */
#define EPOCH 719468

static int64_t divide_down(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days before such a year, counted from the year 0. */
static int64_t days_before(int64_t year)
{
	return 365 * year + divide_down(year, 4) - divide_down(year, 100) + divide_down(year, 400);
}

/* Days before a month of such a year: from March on 31, 30, 31, 30, 31 days, over and over. */
static unsigned days_before_month(unsigned month)
{
	return (153 * month + 2) / 5;
}

int64_t calendar_seconds(const struct calendar *at)
{
	int64_t months = 12 * at->year + (int64_t)at->month - 3;
	int64_t year = divide_down(months, 12);
	int64_t days = days_before(year) + days_before_month((unsigned)(months - 12 * year)) +
		       (int64_t)at->day - 1 - EPOCH;

	return days * DAY + 3600 * (int64_t)at->hour + 60 * (int64_t)at->minute + at->second;
}

struct calendar calendar_of(int64_t seconds)
{
	int64_t since = divide_down(seconds, DAY), days = since + EPOCH;
	unsigned second = (unsigned)(seconds - since * DAY), month = 11;
	/* 400 years have 146097 days: the guess is the year, or one beside it. */
	int64_t year = divide_down(days * 400, 146097);

	if (days_before(year) > days)
		year--;
	else if (days_before(year + 1) <= days)
		year++;
	days -= days_before(year);
	while (days_before_month(month) > days)
		month--;
	return (struct calendar){
		.year = year + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = (unsigned)(days - days_before_month(month)) + 1,
		.hour = second / 3600,
		.minute = second / 60 % 60,
		.second = second % 60,
		.weekday = (unsigned)(since + 4 - 7 * divide_down(since + 4, 7)),
	};
}
