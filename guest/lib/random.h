/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers that a seed decides. */
#ifndef GUEST_LIB_RANDOM_H
#define GUEST_LIB_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

void random_seed(uint64_t seed);
uint64_t any(void);
/* 0 to n - 1 */
uint64_t below(uint64_t n);
bool one_in(uint64_t n);

#endif
