/* SPDX-License-Identifier: Apache-2.0 */
/* Registers every event that ferry triggers, says "ready", and tells which came, nested as they are. */
#include <abi/sdei.h>

#include "lib/arm64/sdei_handler.h"
#include "lib/guest.h"

static volatile uint32_t critical;

/* A normal handler waits for a critical one to interrupt it. */
void handle(uint64_t event);
void handle(uint64_t event)
{
	uint32_t before = critical;

	guest_puts("begin ");
	guest_put_hex(event);
	guest_puts("\n");
	if (event == SDEI_EVENT_PRIVATE_CRITICAL)
		critical = before + 1;
	while (event == SDEI_EVENT_PRIVATE_NORMAL && critical == before)
		cpu_relax();
	guest_puts("end ");
	guest_put_hex(event);
	guest_puts("\n");
}

void guest_main(const void *info)
{
	static const uint32_t events[] = { SDEI_EVENT_PRIVATE_NORMAL, SDEI_EVENT_PRIVATE_CRITICAL,
					   SDEI_EVENT_SHARED_NORMAL, SDEI_EVENT_SHARED_CRITICAL };

	(void)info;
	for (unsigned i = 0; i < 4; i++) {
		hvc(SDEI_EVENT_REGISTER, events[i], (uintptr_t)handler_entry, 0, 0, 0);
		hvc(SDEI_EVENT_ENABLE, events[i], 0, 0, 0, 0);
	}
	hvc(SDEI_PE_UNMASK, 0, 0, 0, 0, 0);
	guest_puts("ready\n");
	for (;;)
		cpu_relax();
}
