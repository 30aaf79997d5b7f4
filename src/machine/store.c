/* SPDX-License-Identifier: Apache-2.0 */
/* The writable disks as bytes that can be copied, each named in what goes wrong. */
#include "machine/machine.h"

#include <ferry/error.h>

#include <errno.h>

#include "dev/virtio/blk.h"
#include "io/disk_access.h"
#include "io/disk_image.h"

_Static_assert(MACHINE_STORE_BLOCK == DISK_DIRTY_BLOCK, "what is tracked is what is copied");

static int named(const struct machine_store *store, int r)
{
	return r < 0 ? because_of(r, "%s", store->id) : r;
}

size_t machine_store_count(struct machine *machine)
{
	return machine->store_count;
}

int machine_stores_check(struct machine *machine)
{
	for (size_t i = 0; i < machine->disk_count; i++) {
		if (blk_image(machine->disks[i])->overlay.bits)
			return because(-EOPNOTSUPP, "disk%zu has an overlay, which is not copied: have both "
				       "files there", i);
	}
	return 0;
}

struct machine_store *machine_store(struct machine *machine, size_t number)
{
	return &machine->stores[number];
}

const char *machine_store_id(const struct machine_store *store)
{
	return store->id;
}

uint64_t machine_store_size(const struct machine_store *store)
{
	return store->image->size;
}

int machine_store_read(struct machine_store *store, uint64_t offset, void *buf, size_t len)
{
	return named(store, disk_image_read(store->image, offset, buf, len));
}

int machine_store_write(struct machine_store *store, uint64_t offset, const void *buf, size_t len)
{
	return named(store, disk_image_write(store->image, offset, buf, len));
}

int machine_store_zero(struct machine_store *store, uint64_t offset, uint64_t len)
{
	return named(store, disk_image_zero(store->image, offset, len));
}

int machine_store_sync(struct machine_store *store)
{
	return named(store, disk_image_sync(store->image));
}

int machine_store_next_data(struct machine_store *store, uint64_t *offset, uint64_t *ret_len)
{
	return named(store, disk_image_next_data(store->image, offset, ret_len));
}

int machine_store_track(struct machine_store *store)
{
	return named(store, disk_dirty_start(&store->image->dirty, store->image->size));
}

void machine_store_collect(struct machine_store *store, uint64_t *bitmap)
{
	disk_dirty_collect(&store->image->dirty, bitmap);
}

void machine_store_untrack(struct machine_store *store)
{
	disk_dirty_stop(&store->image->dirty);
}
