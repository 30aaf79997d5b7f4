/* SPDX-License-Identifier: Apache-2.0 */
/* Messages from the library to whoever embeds it; the library itself never prints. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <ferry/log.h>

/* Formats and hands one line (no newline) to log->emit; a NULL log or emit drops it. Any thread. */
void log_write(const struct log *log, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
