/* SPDX-License-Identifier: Apache-2.0 */
/* The locks of a machine's writable disks: all of them or none. */
#include "machine/machine.h"

#include "io/disk.h"

static void unlock_disks(struct machine *machine, size_t count)
{
	while (count > 0)
		disk_unlock(machine->disks[--count]);
}

void machine_surrender_disks(struct machine *machine)
{
	pthread_mutex_lock(&machine->hold.lock);
	machine->hold.disks_given_up = true;
	unlock_disks(machine, machine->disk_count);
	pthread_mutex_unlock(&machine->hold.lock);
}

int machine_take_disks(struct machine *machine)
{
	struct machine_hold *hold = &machine->hold;
	int r = 0;

	pthread_mutex_lock(&hold->lock);
	for (size_t i = 0; hold->disks_given_up && i < machine->disk_count && r == 0; i++) {
		r = disk_lock(machine->disks[i]);
		if (r < 0)
			unlock_disks(machine, i);
	}
	if (r == 0)
		hold->disks_given_up = false;
	pthread_mutex_unlock(&hold->lock);
	return r;
}
