/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the other side which disks there are, and compares. */
#include "migrate/stores.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "migrate/state.h"

/* An entry: size, a reserved word, id. */
enum {
	AT_SIZE = 0,
	AT_RESERVED = 8,
	AT_ID = 16,
	ENTRY_SIZE = AT_ID + STORE_ID_SIZE,
};

#define COUNT_MAX   2048
#define SECTOR_SIZE 512

int stores_send(const struct stream *stream, const struct migrate_guest *guest)
{
	AUTO_FREE uint8_t *table = calloc(guest->store_count + 1, ENTRY_SIZE);

	if (!table)
		return because(-ENOMEM, "out of memory");
	if (guest->store_count > COUNT_MAX)
		return because(-EINVAL, "%u disks: at most %d can be copied", guest->store_count,
			       COUNT_MAX);
	for (unsigned i = 0; i < guest->store_count; i++) {
		const struct migrate_store *store = &guest->stores[i];
		uint8_t *entry = table + (size_t)i * ENTRY_SIZE;

		if (strlen(store->id) >= STORE_ID_SIZE)
			return because(-EINVAL, "%s: a name of at most %d bytes is possible",
				       store->id, STORE_ID_SIZE - 1);
		put_u64(entry + AT_SIZE, store->size);
		memcpy(entry + AT_ID, store->id, strlen(store->id));
	}
	return stream_send(stream, RECORD_DISKS, guest->store_count, 0, table,
			   (size_t)guest->store_count * ENTRY_SIZE);
}

static const uint8_t *entry_of(const struct buffer *table, size_t number)
{
	return table->data + number * ENTRY_SIZE;
}

static int check_entry(const uint8_t *entry)
{
	uint64_t size = get_u64(entry + AT_SIZE);
	unsigned len = 0;

	while (len < STORE_ID_SIZE && entry[AT_ID + len] > ' ' && entry[AT_ID + len] <= '~')
		len++;
	for (unsigned i = len; i < STORE_ID_SIZE; i++)
		if (entry[AT_ID + i])
			return because(-EBADMSG, "a disk's name is no name");
	if (!len || len == STORE_ID_SIZE)
		return because(-EBADMSG, "a disk's name is no name");
	if (!size || size % SECTOR_SIZE || size > INT64_MAX || get_u64(entry + AT_RESERVED))
		return because(-EBADMSG, "a disk of %llu bytes", (unsigned long long)size);
	return 0;
}

int stores_receive(const struct stream *stream, struct buffer *ret_table)
{
	struct record record;
	int err = stream_expect(stream, RECORD_DISKS, &record);

	if (!err)
		err = stream_receive_buffer(stream, &record, ret_table);
	if (!err && (record.size % ENTRY_SIZE || record.a != record.size / ENTRY_SIZE))
		err = because(-EBADMSG, "a table of disks of %u bytes", record.size);
	for (unsigned i = 0; !err && i < stores_table_count(ret_table); i++)
		err = check_entry(entry_of(ret_table, i));
	return err;
}

unsigned stores_table_count(const struct buffer *table)
{
	return (unsigned)(table->size / ENTRY_SIZE);
}

uint64_t stores_table_size(const struct buffer *table, unsigned number)
{
	return get_u64(entry_of(table, number) + AT_SIZE);
}

const char *stores_table_id(const struct buffer *table, unsigned number)
{
	return (const char *)entry_of(table, number) + AT_ID;
}

void stores_compare(const struct buffer *table, const struct migrate_guest *guest,
		    struct verdict *verdict)
{
	unsigned count = stores_table_count(table);

	for (unsigned i = 0; i < count || i < guest->store_count; i++) {
		const char *there = i < count ? stores_table_id(table, i) : NULL;
		const char *here = i < guest->store_count ? guest->stores[i].id : NULL;

		if (!here)
			verdict_refuse(verdict, "disk %s is not here, or cannot be written", there);
		else if (!there)
			verdict_refuse(verdict, "disk %s is only here, or not written there", here);
		else if (strcmp(there, here) != 0)
			verdict_refuse(verdict, "disk %s there is %s here", there, here);
		else if (stores_table_size(table, i) != guest->stores[i].size)
			verdict_refuse(verdict, "disk %s has %llu bytes there, %llu here", here,
				       (unsigned long long)stores_table_size(table, i),
				       (unsigned long long)guest->stores[i].size);
	}
}

uint64_t stores_total(const struct migrate_guest *guest)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < guest->store_count; i++)
		total += guest->stores[i].size;
	return total;
}
