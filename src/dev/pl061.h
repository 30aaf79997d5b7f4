/* SPDX-License-Identifier: Apache-2.0 */
/* Arm's PL061 (DDI 0190B), eight GPIO pins: the power button is one of them. */
#ifndef DEV_PL061_H
#define DEV_PL061_H

#include <stdbool.h>
#include <stdint.h>

struct vm;
struct pl061;
struct reg_file;

struct pl061_options {
	uint64_t address;    /* 4 KiB */
	uint32_t gsi;	     /* edge-triggered */
	unsigned button_pin; /* high while the button is pressed */
};

/* Claims the address. -EEXIST; -errno of the interrupt. */
int pl061_create(struct vm *vm, const struct pl061_options *options, struct pl061 **ret_gpio);
/* On the loop's thread (or when it does not run), the vCPUs stopped. NULL is fine. */
void pl061_destroy(struct pl061 *gpio);

/* Bank REG_BANK_PL061, number = offset; DATA is the level of all pins. -errno of reg_file_add(). */
int pl061_add_bank(struct pl061 *gpio, struct reg_file *file);

/* Presses the button, and lets it go a little later. Loop thread, as the next two. */
void pl061_press(struct pl061 *gpio);
/* Between the two its registers stay as they are. arrived: the guest is interrupted once more. */
void pl061_hold(struct pl061 *gpio);
void pl061_go_on(struct pl061 *gpio, bool arrived);

#endif
