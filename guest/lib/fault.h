/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that may fault, tried: an exception is an answer. One CPU, supervisor mode. */
#ifndef GUEST_LIB_FAULT_H
#define GUEST_LIB_FAULT_H

#include <stdbool.h>
#include <stdint.h>

/* Before the others: exceptions come here from then on. */
void fault_init(void);

/* False: it faulted. What was to be read is zero then. */
bool fault_rdmsr(uint32_t msr, uint64_t *ret_value);
bool fault_wrmsr(uint32_t msr, uint64_t value);
/* An access of 1, 2, 4 or 8 bytes. */
bool fault_load(uint64_t address, unsigned size, uint64_t *ret_value);
bool fault_store(uint64_t address, unsigned size, uint64_t value);

#endif
