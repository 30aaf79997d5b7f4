/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two CPUs that never rest, and tell again and again how much of their time was stolen, as PV time has it:
 * CPU n writes the low word, in microseconds, to 0x0b000000 + 4 * n.
 */
#include <abi/steal.h>

#include "lib/guest.h"

#define TOLD	  0x0b000000UL
#define NS_PER_US 1000

static void __attribute__((noreturn)) tell(uint32_t n)
{
	const volatile struct pv_time_stolen *time;

	time = (const volatile struct pv_time_stolen *)hvc(PV_TIME_ST, 0, 0, 0, 0, 0);
	for (;;) {
		for (unsigned i = 0; i < 200; i++)
			cpu_relax();
		mmio_write32(TOLD + 4 * n, (uint32_t)(time->stolen / NS_PER_US));
	}
}

void guest_ap_main(uint32_t n)
{
	tell(n);
}

void guest_main(const void *info)
{
	(void)info;
	if ((int64_t)hvc(PV_TIME_FEATURES, PV_TIME_ST, 0, 0, 0, 0) != 0 ||
	    (int64_t)hvc(PV_TIME_ST, 0, 0, 0, 0, 0) == -1) {
		guest_puts("no steal time\n");
		return;
	}
	guest_start_cpu(1);
	tell(0);
}
