/* SPDX-License-Identifier: Apache-2.0 */
/* Bitmaps in words of 64 bits, the lowest bit first. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdint.h>

/* Which bits of a word belong to [first, end), which reaches into it. */
static inline uint64_t bits_word_mask(uint64_t word, uint64_t first, uint64_t end)
{
	uint64_t mask = UINT64_MAX;

	if (first > word * 64)
		mask <<= first - word * 64;
	if (end < (word + 1) * 64)
		mask &= UINT64_MAX >> ((word + 1) * 64 - end);
	return mask;
}

#endif
