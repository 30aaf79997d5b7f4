/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions that may fault, tried: an exception is an answer. One CPU, supervisor mode. */
#ifndef GUEST_LIB_FAULT_H
#define GUEST_LIB_FAULT_H

#include <stdbool.h>
#include <stdint.h>

/* Before the others: exceptions come here from then on. */
void fault_init(void);

#ifdef __aarch64__
/* Two registers at once, of 8 bytes each: an access that the CPU does not describe to a hypervisor. */
bool fault_load_pair(uint64_t address);
bool fault_store_pair(uint64_t address, uint64_t value);
/*
 * SMCCC with x0 to x5 in arguments, the first of which is the result afterwards. What is called may go
 * anywhere, and change x0 to x17: what comes of it is an exception.
 */
bool fault_hvc(uint64_t arguments[6]);
bool fault_smc(uint64_t arguments[6]);
#else
/* False: it faulted. What was to be read is zero then. */
bool fault_rdmsr(uint32_t msr, uint64_t *ret_value);
bool fault_wrmsr(uint32_t msr, uint64_t value);
#endif
/* An access of 1, 2, 4 or 8 bytes. */
bool fault_load(uint64_t address, unsigned size, uint64_t *ret_value);
bool fault_store(uint64_t address, unsigned size, uint64_t value);

#endif
