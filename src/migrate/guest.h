/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine knows of a VM: memory, registers, and how to make them stand still. */
#ifndef MIGRATE_GUEST_H
#define MIGRATE_GUEST_H

#include <stdbool.h>
#include <stddef.h>

struct mem;
struct reg_file;

/*
 * Filled in by whoever owns the machine; everything outlives the migration. The functions are called
 * on the migration's threads and may block. machine_hold() and its neighbours (ferry/machine.h) say
 * what they must do.
 */
struct migrate_guest {
	struct mem *mem;
	struct reg_file *regs;
	void *self;
	/* Runs fn(arg) while the vCPUs stand still for a moment. Its result, or why it was not run. */
	int (*glance)(void *self, int (*fn)(void *arg), void *arg);
	/* Brings everything to rest; the guest stays as it is then until go_on or arrive. */
	int (*hold)(void *self);
	/* Ends hold() on the same side. */
	int (*go_on)(void *self);
	/* Begins to run a guest that came from elsewhere. On failure nothing has run. */
	int (*arrive)(void *self);
	/* Gives up what only one side may have, before the other side is told to run. */
	void (*surrender)(void *self);
	/* Takes it back: -EBUSY when the other side has it, so runs. */
	int (*retake)(void *self);
	/* Slows the vCPUs down by percent, 0 … 99. */
	void (*throttle)(void *self, unsigned percent);
};

#endif
