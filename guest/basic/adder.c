/* SPDX-License-Identifier: Apache-2.0 */
/* Uses the device of examples/tiny.c. */
#include "lib/guest.h"

#define ADDER_PORT 0x510

void guest_main(const void *info)
{
	(void)info;
	for (uint32_t i = 1; i <= 10; i++)
		outl(ADDER_PORT, i);
	guest_puts("1 + … + 10 = ");
	guest_put_dec(inl(ADDER_PORT));
	guest_puts("\n");
}
