/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's writable disks as the migration engine sees them. */
#ifndef CONTROL_STORES_H
#define CONTROL_STORES_H

#include "migrate/guest.h"

struct machine;

/* The machine outlives them; the caller frees them. -ENOMEM. */
int control_stores_create(struct machine *machine, struct migrate_store **ret_stores,
			  unsigned *ret_count);

#endif
