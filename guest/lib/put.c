/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text, for guests of both architectures. */
#include "lib/guest.h"

void guest_put_hex(uint64_t v)
{
	char text[19] = "0x";

	for (int i = 0; i < 16; i++)
		text[2 + i] = "0123456789abcdef"[v >> (60 - 4 * i) & 0xf];
	text[18] = '\0';
	guest_puts(text);
}

void guest_put_dec(uint64_t v)
{
	char text[21];
	char *at = &text[20];

	*at = '\0';
	do {
		*--at = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	guest_puts(at);
}
