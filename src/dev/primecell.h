/* SPDX-License-Identifier: Apache-2.0 */
/* What all of Arm's PrimeCell peripherals have in their last 32 bytes. */
#ifndef DEV_PRIMECELL_H
#define DEV_PRIMECELL_H

#include <stdbool.h>
#include <stdint.h>

#define PRIMECELL_SIZE 0x1000

/*
 * The identification registers (DDI 0224B 3.3.9, DDI 0190B 3.3.14): a byte each, the part's number in
 * the first two, then designer and revision, then what marks them all. False: offset is none.
 */
static inline bool primecell_read(uint32_t part, uint64_t offset, uint32_t *ret_value)
{
	static const uint8_t cell[] = { 0x0d, 0xf0, 0x05, 0xb1 };
	const uint8_t peripheral[] = { part & 0xff, (part >> 8 & 0xf) | 0x10, 0x04, 0x00 };
	unsigned i = (unsigned)(offset - 0xfe0) / 4;

	if (offset < 0xfe0 || offset >= PRIMECELL_SIZE)
		return false;
	*ret_value = i < 4 ? peripheral[i] : cell[i - 4];
	return true;
}

#endif
