/* SPDX-License-Identifier: Apache-2.0 */
/* The calendar, beside the C library's. */
#include "base/calendar.h"

#include <stdlib.h>
#include <time.h>

#include "base/util.h"
#include "check_main.h"

#define DAY 86400LL

static void check_one(int64_t seconds)
{
	const struct calendar at = calendar_of(seconds);
	time_t when = seconds;
	struct tm tm;

	ck_assert_ptr_nonnull(gmtime_r(&when, &tm));
	ck_assert_msg(at.year == tm.tm_year + 1900LL && at.month == (unsigned)tm.tm_mon + 1 &&
			      at.day == (unsigned)tm.tm_mday && at.hour == (unsigned)tm.tm_hour &&
			      at.minute == (unsigned)tm.tm_min && at.second == (unsigned)tm.tm_sec &&
			      at.weekday == (unsigned)tm.tm_wday,
		      "%lld is not %lld-%u-%u", (long long)seconds, (long long)at.year, at.month,
		      at.day);
	ck_assert_int_eq(calendar_seconds(&at), seconds);
}

START_TEST(test_every_day_of_twelve_centuries_is_what_the_c_library_says)
{
	for (int64_t day = -300 * 366; day < 900 * 366; day++) {
		check_one(day * DAY);
		check_one(day * DAY + DAY - 1);
	}
}
END_TEST

START_TEST(test_days_far_away_come_back)
{
	static const int64_t far[] = { -(1LL << 55), -(1LL << 40), 1LL << 40, 1LL << 55 };

	for (size_t i = 0; i < ARRAY_SIZE(far); i++)
		check_one(far[i]);
}
END_TEST

START_TEST(test_impossible_dates_are_what_they_amount_to)
{
	const struct calendar wrong[] = {
		{ 2023, 2, 29, 0, 0, 0, 0 }, { 2023, 14, 1, 25, 61, 61, 0 }, { 2024, 0, 0, 0, 0, 0, 0 },
		{ 9999, 99, 99, 99, 99, 99, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		const struct calendar *at = &wrong[i];
		struct tm tm = {
			.tm_year = (int)at->year - 1900, .tm_mon = (int)at->month - 1,
			.tm_mday = (int)at->day,	 .tm_hour = (int)at->hour,
			.tm_min = (int)at->minute,	 .tm_sec = (int)at->second,
		};

		ck_assert_int_eq(calendar_seconds(at), timegm(&tm));
	}
}
END_TEST

CHECK_MAIN("base/calendar", test_every_day_of_twelve_centuries_is_what_the_c_library_says,
	   test_days_far_away_come_back, test_impossible_dates_are_what_they_amount_to)
