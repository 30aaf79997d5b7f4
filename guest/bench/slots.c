/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a word into each page of an area, over and over: what tools/bench's slots moves under it. */
#include "lib/guest.h"

/* As in tools/bench.d/slots.c. */
struct control {
	uint64_t begin, size, stop; /* the monitor's */
	uint64_t rounds;
};

static volatile struct control *const control = (volatile struct control *)0x600000UL;

void guest_ap_main(uint32_t n)
{
	(void)n;
}

void guest_main(const void *info)
{
	(void)info;
	while (!control->stop) {
		uint64_t begin = control->begin, end = begin + control->size;

		for (uint64_t at = begin; at < end; at += 4096)
			*(volatile uint64_t *)at = 0x1122334455667788;
		control->rounds++;
	}
	for (;;)
		__asm__ volatile("cli; hlt");
}
