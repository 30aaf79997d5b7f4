/* SPDX-License-Identifier: Apache-2.0 */
/* Asks who is there, as a guest that has booted does, and waits. */
#include "lib/guest.h"

void guest_main(const void *info)
{
	(void)info;
	guest_puts("Welcome\nhost login: ");
	for (;;)
		cpu_relax();
}
