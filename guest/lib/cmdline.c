/* SPDX-License-Identifier: Apache-2.0 */
/* Words NAME=VALUE on a guest program's command line. */
#include "lib/cmdline.h"

#include <stddef.h>

const char *cmdline_value(const char *cmdline, const char *name)
{
	while (*cmdline) {
		const char *at = name;

		while (*at && *cmdline == *at) {
			at++;
			cmdline++;
		}
		if (!*at && *cmdline == '=')
			return cmdline + 1;
		while (*cmdline && *cmdline++ != ' ')
			;
	}
	return NULL;
}

uint64_t cmdline_number(const char *cmdline, const char *name, uint64_t otherwise)
{
	const char *s = cmdline_value(cmdline, name);
	uint64_t v = 0;

	if (!s || *s < '0' || *s > '9')
		return otherwise;
	while (*s >= '0' && *s <= '9')
		v = v * 10 + (uint64_t)(*s++ - '0');
	return *s == 'K' ? v << 10 : *s == 'M' ? v << 20 : *s == 'G' ? v << 30 : v;
}
