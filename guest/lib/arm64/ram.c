/* SPDX-License-Identifier: Apache-2.0 */
/* All of the machine's RAM that the program does not occupy, as one row of numbered pages. */
#include "lib/ram.h"

#include "lib/guest.h"

/* What lies below belongs to the program and to who started it, and so does what lies behind. */
#define LOWEST  (16UL << 20)
#define HIGHEST (4UL << 20)

static uint64_t first;

/* Devicetree Specification 0.4, 3.4: base and size, of two cells each. */
uint64_t ram_init(const void *info)
{
	const uint8_t *reg = guest_fdt_property(info, "memory@", "reg");
	uint64_t words[2] = { 0 };

	for (unsigned i = 0; reg && i < sizeof(words); i++)
		words[i / 8] = words[i / 8] << 8 | reg[i];
	if (words[1] < LOWEST + HIGHEST)
		return 0;
	first = words[0] + LOWEST;
	return (words[1] - LOWEST - HIGHEST) / RAM_PAGE;
}

/* The map that start.S makes has all of it. */
void ram_map(void)
{
}

uint64_t ram_page(uint64_t n)
{
	return first + n * RAM_PAGE;
}
