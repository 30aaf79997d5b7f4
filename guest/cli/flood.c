/* SPDX-License-Identifier: Apache-2.0 */
/* Says as many numbered lines as its command line asks for: far more than a pipe holds. */
#include "lib/guest.h"

static uint32_t number(const char *s)
{
	uint32_t n = 0;

	while (*s >= '0' && *s <= '9')
		n = n * 10 + (uint32_t)(*s++ - '0');
	return n;
}

void guest_main(const void *info)
{
	uint32_t lines = number(guest_cmdline(info));

	for (uint32_t i = 0; i < lines; i++) {
		guest_puts("line ");
		guest_put_dec(i);
		guest_puts("\n");
	}
}
