/* SPDX-License-Identifier: Apache-2.0 */
/* pvpanic: the register in which a guest says that it panicked (QEMU docs/specs/pvpanic). */
#ifndef DEV_PVPANIC_H
#define DEV_PVPANIC_H

#include <stdint.h>

struct vm;
struct pvpanic;
struct reg_file;

/* Events: bits of the register. Reading gives those that are listened to. */
enum {
	PVPANIC_PANICKED = 1 << 0,     /* ends the VM with VM_END_PANIC */
	PVPANIC_CRASH_LOADED = 1 << 1, /* the guest goes on with its crash kernel */
	PVPANIC_EVENTS = PVPANIC_PANICKED | PVPANIC_CRASH_LOADED,
};

/* How many bytes it takes at an address: PVPANIC_MMIO_SIZE there. */
#define PVPANIC_MMIO_SIZE 2

struct pvpanic_options {
	uint16_t port;	  /* one byte; 0x505 by convention. 0: there is none, but */
	uint32_t address; /* a guest address */
};

/* Claims the port, or the address. -EEXIST. */
int pvpanic_create(struct vm *vm, const struct pvpanic_options *options,
		   struct pvpanic **ret_pvpanic);
/* The vCPUs are stopped. NULL is fine. */
void pvpanic_destroy(struct pvpanic *pvpanic);

/* Bank REG_BANK_PVPANIC, number = port or address: the events offered to the guest. -errno of reg_file_add().
 */
int pvpanic_add_bank(struct pvpanic *pvpanic, struct reg_file *file);

#endif
