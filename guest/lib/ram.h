/* SPDX-License-Identifier: Apache-2.0 */
/* All of the machine's RAM that the program does not occupy, as one row of numbered pages. */
#ifndef GUEST_LIB_RAM_H
#define GUEST_LIB_RAM_H

#include <stdint.h>

#define RAM_PAGE 4096UL

/*
 * Reads PVH's memory map, or the device tree, and maps it one to one for supervisor and user, up to
 * 64 GiB. Once, before anything else here; returns how many pages there are.
 */
uint64_t ram_init(const void *info);
/* Makes this CPU use that map; ram_init() did so for its own. */
void ram_map(void);
/* The address of page N, in the order of addresses. */
uint64_t ram_page(uint64_t n);

#endif
