/* SPDX-License-Identifier: Apache-2.0 */
/* Hands what the engine asks of a disk to the machine. */
#include "control/stores.h"

#include <ferry/error.h>
#include <ferry/machine.h>

#include <errno.h>
#include <stdlib.h>

_Static_assert(MIGRATE_STORE_BLOCK == MACHINE_STORE_BLOCK, "the engine's blocks are the machine's");

static int store_read(void *self, uint64_t offset, void *buf, size_t len)
{
	return machine_store_read(self, offset, buf, len);
}

static int store_next_data(void *self, uint64_t *offset, uint64_t *ret_len)
{
	return machine_store_next_data(self, offset, ret_len);
}

static int store_track(void *self)
{
	return machine_store_track(self);
}

static void store_collect(void *self, uint64_t *bitmap)
{
	machine_store_collect(self, bitmap);
}

static void store_untrack(void *self)
{
	machine_store_untrack(self);
}

static int store_write(void *self, uint64_t offset, const void *buf, size_t len)
{
	return machine_store_write(self, offset, buf, len);
}

static int store_zero(void *self, uint64_t offset, uint64_t len)
{
	return machine_store_zero(self, offset, len);
}

static int store_sync(void *self)
{
	return machine_store_sync(self);
}

int control_stores_create(struct machine *machine, struct migrate_store **ret_stores,
			  unsigned *ret_count)
{
	size_t count = machine_store_count(machine);
	struct migrate_store *stores = calloc(count + 1, sizeof(*stores));

	if (!stores)
		return because(-ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		struct machine_store *store = machine_store(machine, i);

		stores[i] = (struct migrate_store){
			.id = machine_store_id(store),
			.size = machine_store_size(store),
			.self = store,
			.read = store_read,
			.next_data = store_next_data,
			.track = store_track,
			.collect = store_collect,
			.untrack = store_untrack,
			.write = store_write,
			.zero = store_zero,
			.sync = store_sync,
		};
	}
	*ret_stores = stores;
	*ret_count = (unsigned)count;
	return 0;
}
