/* SPDX-License-Identifier: Apache-2.0 */
/* Checks whose blocks they are, and writes them. */
#include "migrate/store_receiver.h"

#include <errno.h>
#include <stdlib.h>

#include <ferry/error.h>

#include "base/util.h"
#include "migrate/stores.h"

int store_receiver_init(struct store_receiver *receiver, const struct migrate_guest *guest)
{
	*receiver = (struct store_receiver){ .guest = guest };
	receiver->payload = aligned_alloc(MIGRATE_STORE_BLOCK, RECORD_PAYLOAD_MAX);
	return receiver->payload ? 0 : because(-ENOMEM, "out of memory");
}

void store_receiver_finish(struct store_receiver *receiver)
{
	free(receiver->payload);
	*receiver = (struct store_receiver){ 0 };
}

/* The store that the record is for; NULL: none has such blocks. */
static const struct migrate_store *store_of(const struct store_receiver *receiver,
					    const struct record *record)
{
	uint64_t number = record->b >> STORE_NUMBER_SHIFT, len = record->b & STORE_LENGTH_MASK;
	const struct migrate_store *store;

	if (!receiver->guest || number >= receiver->guest->store_count)
		return NULL;
	store = &receiver->guest->stores[number];
	if (!len || (record->size && record->size != len) ||
	    !range_inside(record->a, len, store->size) ||
	    !is_aligned(record->a, MIGRATE_STORE_BLOCK) ||
	    (!is_aligned(len, MIGRATE_STORE_BLOCK) && record->a + len != store->size))
		return NULL;
	return store;
}

int store_receiver_receive(struct store_receiver *receiver, const struct stream *stream,
			   const struct record *record)
{
	const struct migrate_store *store = store_of(receiver, record);
	uint64_t len = record->b & STORE_LENGTH_MASK;
	int err;

	if (!store)
		return because(-EBADMSG, "%llu bytes at %llu of disk %llu, which has no such blocks",
			       (unsigned long long)len, (unsigned long long)record->a,
			       (unsigned long long)(record->b >> STORE_NUMBER_SHIFT));
	err = stream_receive_payload(stream, record, receiver->payload);
	if (err)
		return err;
	receiver->is_dirty = true;
	if (record->size)
		return store->write(store->self, record->a, receiver->payload, len);
	return store->zero(store->self, record->a, len);
}

int store_receiver_sync(struct store_receiver *receiver)
{
	int err = 0;

	if (!receiver->is_dirty)
		return 0;
	for (unsigned i = 0; i < receiver->guest->store_count && !err; i++)
		err = receiver->guest->stores[i].sync(receiver->guest->stores[i].self);
	receiver->is_dirty = err != 0;
	return err;
}
