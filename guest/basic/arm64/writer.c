/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes into the pages that a test asks for: a register answers with a page number, counted from
 * the beginning of RAM, or with an end. Each write adds one to the page's first word. Another
 * register is told the word that was there.
 */
#include "lib/guest.h"

#define REGISTER_PAGE 0x0f000000UL
#define REGISTER_WORD 0x0f000004UL
#define RAM	      0x40000000UL
#define PAGE_SIZE     4096UL
#define NO_PAGE	      0xffffffff /* ask again */
#define READ	      0x80000000 /* look only */

void guest_main(const void *info)
{
	(void)info;
	for (;;) {
		uint32_t page = mmio_read32(REGISTER_PAGE);
		volatile uint32_t *word =
			(volatile uint32_t *)(RAM + (uint64_t)(page & ~READ) * PAGE_SIZE);

		if (page == NO_PAGE)
			continue;
		mmio_write32(REGISTER_WORD, *word);
		if (!(page & READ))
			*word = *word + 1;
	}
}
