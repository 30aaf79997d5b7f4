/* SPDX-License-Identifier: Apache-2.0 */
/* Says "ready", then every byte that it reads from the serial port, until an x. */
#include "lib/guest.h"

#define UART	  0x3f8
#define UART_LSR  (UART + 5)
#define LSR_READY 0x01

void guest_main(const void *info)
{
	char text[2] = "";

	(void)info;
	guest_puts("ready\n");
	while (text[0] != 'x') {
		while (!(inb(UART_LSR) & LSR_READY))
			cpu_relax();
		text[0] = (char)inb(UART);
		guest_puts(text);
	}
	guest_puts("\n");
}
