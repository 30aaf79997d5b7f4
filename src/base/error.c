/* SPDX-License-Identifier: Apache-2.0 */
/* The calling thread's error text. */
#include <ferry/error.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char text[ERROR_TEXT_MAX];

int because(int err, const char *fmt, ...)
{
	char fresh[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(fresh, sizeof(fresh), fmt, args);
	va_end(args);
	memcpy(text, fresh, sizeof(text));
	return err;
}

int because_of(int err, const char *fmt, ...)
{
	char prefix[ERROR_TEXT_MAX];
	char whole[2 * ERROR_TEXT_MAX + 2];
	va_list args;

	va_start(args, fmt);
	vsnprintf(prefix, sizeof(prefix), fmt, args);
	va_end(args);
	snprintf(whole, sizeof(whole), "%s: %s", prefix, error_text(err));
	whole[ERROR_TEXT_MAX - 1] = '\0';
	memcpy(text, whole, sizeof(text));
	return err;
}

const char *error_text(int err)
{
	return text[0] ? text : strerror(err < 0 ? -err : err);
}

void error_clear(void)
{
	text[0] = '\0';
}
