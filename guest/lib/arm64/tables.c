/* SPDX-License-Identifier: Apache-2.0 */
/* The page tables that a guest program runs on. */
#include "lib/tables.h"

#include "lib/guest.h"

/* start.S: one table of blocks, which the CPU writes nothing to; the first two differ. */
void tables_read(uint64_t ret_entries[2])
{
	const volatile uint64_t *table = (const volatile uint64_t *)read_sysreg(ttbr0_el1);

	ret_entries[0] = table[0];
	ret_entries[1] = table[1];
}

void tables_flush(void)
{
	__asm__ volatile("dsb nshst\n\ttlbi vmalle1\n\tdsb nsh\n\tisb" : : : "memory");
}
