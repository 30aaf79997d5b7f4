/* SPDX-License-Identifier: Apache-2.0 */
/* The real-time clock of an arm64 machine: Arm's PL031 (DDI 0224B), a counter of seconds. */
#ifndef DEV_PL031_H
#define DEV_PL031_H

#include <stdbool.h>
#include <stdint.h>

struct vm;
struct pl031;
struct reg_file;

struct pl031_options {
	uint64_t address; /* 4 KiB */
	uint32_t gsi;	  /* edge-triggered */
	bool freeze;	  /* the time in which the guest was carried elsewhere does not count */
};

/* Claims the address. The clock shows the host's UTC. -EEXIST; -errno of the interrupt. */
int pl031_create(struct vm *vm, const struct pl031_options *options, struct pl031 **ret_rtc);
/* On the loop's thread (or when it does not run), the vCPUs stopped. NULL is fine. */
void pl031_destroy(struct pl031 *rtc);

/* Bank REG_BANK_PL031, number = offset, field: enum pl031_field. -errno of reg_file_add(). */
int pl031_add_bank(struct pl031 *rtc, struct reg_file *file);

enum pl031_field {
	PL031_FIELD_REGISTER = 0, /* as it is read at the offset */
	PL031_FIELD_AHEAD = 1,	  /* of LR. Seconds by which it is ahead of UTC, int64_t */
	PL031_FIELD_SEEN = 2,	  /* of DR. The guest's clock up to which a match has been noticed */
};

/* As rtc_hold() and rtc_go_on() of a PC's clock (dev/rtc.h). */
void pl031_hold(struct pl031 *rtc);
void pl031_go_on(struct pl031 *rtc, bool arrived);

#endif
