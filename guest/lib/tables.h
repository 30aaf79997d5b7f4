/* SPDX-License-Identifier: Apache-2.0 */
/* The page tables that a guest program runs on. */
#ifndef GUEST_LIB_TABLES_H
#define GUEST_LIB_TABLES_H

#include <stdint.h>

/* Two entries of them, as they are in memory, without what the CPU notes there by itself. */
void tables_read(uint64_t ret_entries[2]);
/* This CPU forgets what it has read of them. */
void tables_flush(void);

#endif
