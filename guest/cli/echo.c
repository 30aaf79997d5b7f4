/* SPDX-License-Identifier: Apache-2.0 */
/* Says "ready", then every byte that it reads from the serial port, until an x. */
#include "lib/guest.h"

#define UART_RBR  0
#define UART_LSR  5
#define LSR_READY 0x01

void guest_main(const void *info)
{
	char text[2] = "";

	(void)info;
	guest_puts("ready\n");
	while (text[0] != 'x') {
		while (!(uart_read(UART_LSR) & LSR_READY))
			cpu_relax();
		text[0] = (char)uart_read(UART_RBR);
		guest_puts(text);
	}
	guest_puts("\n");
}
