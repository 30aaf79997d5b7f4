/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binds the watchdog's interrupt to an event, and takes it in a loop with all interrupts masked: feeds it
 * three times, and says so; then it does no more, and is reset.
 */
#include <abi/sdei.h>

#include "lib/arm64/sdei_handler.h"
#include "lib/guest.h"

/* DDI 0270B, table 3-1 */
#define WDT_LOAD    (WDT_ADDRESS + 0x000)
#define WDT_CONTROL (WDT_ADDRESS + 0x008)
#define WDT_INTCLR  (WDT_ADDRESS + 0x00c)
#define WDT_INTEN   1
#define WDT_RESEN   2
#define WDT_PERIOD  (24000000 / 20)

#define WDT_INTID 36 /* src/machine/arm64.c */

#define MEALS 3

static volatile uint32_t meals;

void handle(void);
void handle(void)
{
	if (meals == MEALS)
		return;
	meals++;
	mmio_write32(WDT_INTCLR, 0);
}

void guest_main(const void *info)
{
	int64_t event = (int64_t)hvc(SDEI_INTERRUPT_BIND, WDT_INTID, 0, 0, 0, 0);

	(void)info;
	if (event < 0 || hvc(SDEI_EVENT_REGISTER, (uint64_t)event, (uintptr_t)handler_entry, 0, 0, 0) ||
	    hvc(SDEI_EVENT_ENABLE, (uint64_t)event, 0, 0, 0, 0)) {
		guest_puts("the watchdog cannot be bound\n");
		guest_panic();
	}
	hvc(SDEI_PE_UNMASK, 0, 0, 0, 0, 0);
	__asm__ volatile("msr daifset, #15");
	mmio_write32(WDT_LOAD, WDT_PERIOD);
	mmio_write32(WDT_CONTROL, WDT_INTEN);
	while (meals < MEALS)
		cpu_relax();
	guest_puts("fed 3 times\n");
	mmio_write32(WDT_CONTROL, WDT_INTEN | WDT_RESEN);
	for (;;)
		cpu_relax();
}
