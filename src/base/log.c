/* SPDX-License-Identifier: Apache-2.0 */
/* Formats a message for the embedding program. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void log_write(const struct log *log, enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list args;

	if (!log || !log->emit)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	log->emit(log->self, level, line);
}
