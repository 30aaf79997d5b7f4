/* SPDX-License-Identifier: Apache-2.0 */
/* Marsaglia's xorshift64*. */
#include "lib/random.h"

static uint64_t state = 1;

void random_seed(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15 + 1;
}

uint64_t any(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 2685821657736338717ULL;
}

uint64_t below(uint64_t n)
{
	return any() % n;
}

bool one_in(uint64_t n)
{
	return below(n) == 0;
}
