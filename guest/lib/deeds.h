/* SPDX-License-Identifier: Apache-2.0 */
/* What guest/hostile finds and does on its kind of machine only. */
#ifndef GUEST_LIB_DEEDS_H
#define GUEST_LIB_DEEDS_H

#include <stdint.h>

/* Where RAM begins, configuration space, and room for 32 BARs of a MiB. */
extern const uint64_t deeds_ram, deeds_ecam, deeds_bars;

/* An address at which something begins or ends. */
uint64_t deeds_edge(void);

/* One thing at random, that does not end the machine; address is one that may be used in it. */
void deeds_do(uint64_t address);

#endif
