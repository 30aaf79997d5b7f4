/* SPDX-License-Identifier: Apache-2.0 */
/* The page tables that a guest program runs on. */
#include "lib/tables.h"

#define ADDRESS	 ~0xfffUL
#define ACCESSED 0x20UL /* SDM 3A 4.5.4 */

void tables_read(uint64_t ret_entries[2])
{
	const volatile uint64_t *table;
	uint64_t cr3;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	table = (const volatile uint64_t *)(cr3 & ADDRESS);
	ret_entries[0] = table[0] | ACCESSED;
	table = (const volatile uint64_t *)(ret_entries[0] & ADDRESS);
	ret_entries[1] = table[0] | ACCESSED;
}

void tables_flush(void)
{
	__asm__ volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax", "memory");
}
