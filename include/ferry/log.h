/* SPDX-License-Identifier: Apache-2.0 */
/* Where an embedding program receives the library's messages. */
#ifndef FERRY_LOG_H
#define FERRY_LOG_H

enum log_level {
	LOG_LEVEL_ERROR, /* the VM ends, or a device is lost */
	LOG_LEVEL_WARN,  /* something the user should know; the VM goes on */
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* emit is called on any thread, possibly on several at once, with one line without a newline. */
struct log {
	void (*emit)(void *self, enum log_level level, const char *line);
	void *self;
};

#endif
