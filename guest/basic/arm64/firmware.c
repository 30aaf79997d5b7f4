/* SPDX-License-Identifier: Apache-2.0 */
/* Says what firmware offers, one line: "psci 1.1 trng 1 pv-time 1 vendor 1". */
#include "lib/guest.h"

/* PSCI (DEN0022) 5.1.1; SMCCC (DEN0028) 7.2, 7.3; TRNG (DEN0098) 2.1; PV time (DEN0057) 3 */
#define PSCI_VERSION	    0x84000000
#define SMCCC_ARCH_FEATURES 0x80000001
#define TRNG_VERSION	    0x84000050
#define PV_TIME_FEATURES    0xc5000020
/* Linux Documentation/virt/kvm/arm/hypercalls.rst */
#define VENDOR_UID 0x8600ff01

#define NOT_SUPPORTED -1

static void say(const char *what, bool is_there)
{
	guest_puts(what);
	guest_put_dec(is_there);
}

void guest_main(const void *info)
{
	uint32_t version = (uint32_t)hvc(PSCI_VERSION, 0, 0, 0, 0, 0);

	(void)info;
	guest_puts("psci ");
	guest_put_dec(version >> 16);
	guest_puts(".");
	guest_put_dec(version & 0xffff);
	say(" trng ", (int32_t)hvc(TRNG_VERSION, 0, 0, 0, 0, 0) != NOT_SUPPORTED);
	say(" pv-time ", (int32_t)hvc(SMCCC_ARCH_FEATURES, PV_TIME_FEATURES, 0, 0, 0, 0) == 0);
	say(" vendor ", (int32_t)hvc(VENDOR_UID, 0, 0, 0, 0, 0) != NOT_SUPPORTED);
	guest_puts("\n");
}
