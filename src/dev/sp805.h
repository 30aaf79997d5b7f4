/* SPDX-License-Identifier: Apache-2.0 */
/* Arm's SP805 (DDI 0270B), a watchdog: it interrupts a guest that does not feed it, and then resets it. */
#ifndef DEV_SP805_H
#define DEV_SP805_H

#include <stdbool.h>
#include <stdint.h>

struct vm;
struct sp805;
struct reg_file;

#define SP805_HZ 24000000U /* its clock */

struct sp805_options {
	uint64_t address; /* 4 KiB */
	uint32_t gsi;	  /* edge-triggered */
};

/*
 * Claims the address. It sleeps until the guest has it count, and does not count while the VM is paused or
 * held. The second time that it comes to nothing it ends the VM (VM_END_RESET), if it may. -EEXIST; -errno
 * of the interrupt.
 */
int sp805_create(struct vm *vm, const struct sp805_options *options, struct sp805 **ret_watchdog);
/* On the loop's thread (or when it does not run), the vCPUs stopped. NULL is fine. */
void sp805_destroy(struct sp805 *watchdog);

/* Bank REG_BANK_SP805, number = offset. -errno of reg_file_add(). */
int sp805_add_bank(struct sp805 *watchdog, struct reg_file *file);

/* Between the two it does not count. arrived: the guest is interrupted once more. Loop thread. */
void sp805_hold(struct sp805 *watchdog);
void sp805_go_on(struct sp805 *watchdog, bool arrived);

#endif
