/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes into the pages that a test asks for: port 0x1000 answers with a page number, or with an end.
 * Each write adds one to the page's first word. Port 0x1004 is told the word that was there.
 */
#include "lib/guest.h"

#define PORT_PAGE 0x1000
#define PORT_WORD 0x1004
#define PAGE_SIZE 4096UL
#define NO_PAGE	  0xffffffff /* ask again */
#define READ	  0x80000000 /* look only */

void guest_main(const void *info)
{
	(void)info;
	for (;;) {
		uint32_t page = inl(PORT_PAGE);
		volatile uint32_t *word =
			(volatile uint32_t *)((uint64_t)(page & ~READ) * PAGE_SIZE);

		if (page == NO_PAGE)
			continue;
		outl(PORT_WORD, *word);
		if (!(page & READ))
			*word = *word + 1;
	}
}
