/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates of the Gregorian calendar, in UTC and without leap seconds, as POSIX counts them. The C library's
 * functions read the host's time zone from a file first, for which the sandbox has no call.
 */
#ifndef BASE_CALENDAR_H
#define BASE_CALENDAR_H

#include <stdint.h>

struct calendar {
	int64_t year;
	unsigned month, day; /* from 1 on */
	unsigned hour, minute, second;
	unsigned weekday; /* 0: Sunday */
};

/* seconds: since 1970; at most 2^55 of them, before or after. */
struct calendar calendar_of(int64_t seconds);

/* Seconds since 1970. Fields out of range count as what they amount to; weekday does not count. */
int64_t calendar_seconds(const struct calendar *at);

#endif
