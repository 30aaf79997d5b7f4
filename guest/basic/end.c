/* SPDX-License-Identifier: Apache-2.0 */
/* Ends in the way that its command line names: poweroff, reset, panic, fault, spin. */
#include "lib/guest.h"

static bool is(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

void guest_main(const void *info)
{
	const char *how = guest_cmdline(info);

	guest_puts(how);
	guest_puts("\n");
	if (is(how, "reset"))
		guest_reset();
	if (is(how, "panic"))
		guest_panic();
#ifndef __aarch64__
	if (is(how, "fault"))
		guest_triple_fault();
#endif
	while (is(how, "spin"))
		cpu_relax();
}
