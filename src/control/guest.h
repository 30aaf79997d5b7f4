/* SPDX-License-Identifier: Apache-2.0 */
/* A machine as the migration engine sees it. */
#ifndef CONTROL_GUEST_H
#define CONTROL_GUEST_H

#include <stdatomic.h>
#include <stdbool.h>

#include "migrate/guest.h"

struct machine;

struct control_guest {
	struct migrate_guest ops; /* its self is this */
	struct machine *machine;
	struct migrate_store *stores;
	atomic_bool is_held;   /* by the engine: from hold() to go_on() */
	atomic_bool is_absent; /* a blank machine, and nothing has arrived */
};

/* The machine outlives it. is_absent: the machine is blank. -ENOMEM. */
int control_guest_init(struct control_guest *guest, struct machine *machine, bool is_absent);

/* A zeroed one is fine. */
void control_guest_finish(struct control_guest *guest);

/*
 * vm_set_suspended(), on the loop's thread. -EBUSY: the engine holds the guest, whose registers it may
 * have read already, or the guest is not here yet.
 */
int control_guest_suspend(struct control_guest *guest, bool suspend);

#endif
