/* SPDX-License-Identifier: Apache-2.0 */
/* Starts every other CPU by its id, which on x86 may be above 255, and waits for all of them. */
#include "lib/guest.h"

static uint32_t arrived;

static uint32_t number(const char *s)
{
	uint32_t n = 0;

	while (*s >= '0' && *s <= '9')
		n = n * 10 + (uint32_t)(*s++ - '0');
	return n;
}

void guest_ap_main(uint32_t n)
{
	(void)n;
	__atomic_fetch_add(&arrived, 1 + (guest_cpu_id() << 16), __ATOMIC_SEQ_CST);
}

/* The command line is the number of CPUs. */
void guest_main(const void *info)
{
	uint32_t cpus = number(guest_cmdline(info));
	uint32_t sum = 0;

#ifndef __aarch64__
	guest_x2apic();
#endif
	for (uint32_t id = 1; id < cpus; id++) {
		sum += 1 + (id << 16);
		guest_start_cpu(id);
		while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) != sum)
			cpu_relax();
	}
	guest_puts("all ");
	guest_put_dec(cpus);
	guest_puts(" CPUs run\n");
}
