/* SPDX-License-Identifier: Apache-2.0 */
/* The table of disks, and records of their blocks that an enemy has made. */
#include "check_main.h"

#include <stdio.h>

#include "bytes.h"
#include "fake_store.h"
#include "migrate/store_receiver.h"
#include "migrate/stores.h"

static struct bytes bytes;

static struct fake_store fakes[3];
static struct migrate_store stores[3];

static struct migrate_guest guest_with(unsigned count)
{
	static const char *const ids[] = { "disk0", "disk1", "disk3" };

	for (unsigned i = 0; i < 3; i++)
		stores[i] = fake_store_init(&fakes[i], ids[i], 2 * BLOCK + 512 * (i + 1));
	return (struct migrate_guest){ .stores = stores, .store_count = count };
}

static void finish(void)
{
	for (unsigned i = 0; i < 3; i++)
		fake_store_finish(&fakes[i]);
	bytes_finish(&bytes);
}

static struct buffer table_of(const struct migrate_guest *guest)
{
	const struct stream stream = bytes_stream(&bytes);
	struct buffer table = { 0 };

	ck_assert_int_eq(stores_send(&stream, guest), 0);
	ck_assert_int_eq(stores_receive(&stream, &table), 0);
	return table;
}

START_TEST(test_a_table_says_what_the_disks_are)
{
	struct migrate_guest guest = guest_with(3);
	struct buffer table = table_of(&guest);

	ck_assert_uint_eq(table.size, 96);
	ck_assert_uint_eq(stores_table_count(&table), 3);
	ck_assert_uint_eq(stores_table_size(&table, 2), 2 * BLOCK + 1536);
	ck_assert_str_eq(stores_table_id(&table, 2), "disk3");
	ck_assert_uint_eq(stores_total(&guest), 6 * BLOCK + 3072);
	buffer_finish(&table);
	finish();
}
END_TEST

START_TEST(test_no_disks_are_an_empty_table)
{
	struct migrate_guest guest = { 0 };
	struct verdict verdict = { 0 };
	struct buffer table = table_of(&guest);

	ck_assert_uint_eq(stores_table_count(&table), 0);
	stores_compare(&table, &guest, &verdict);
	ck_assert_uint_eq(verdict.refusals, 0);
	buffer_finish(&table);
	bytes_finish(&bytes);
}
END_TEST

static void refused(const struct buffer *table, const struct migrate_guest *here,
		    const char *text)
{
	struct verdict verdict = { 0 };

	stores_compare(table, here, &verdict);
	ck_assert_uint_eq(verdict.refusals, text ? 1 : 0);
	if (text)
		ck_assert_str_eq(verdict_text(&verdict), text);
	verdict_finish(&verdict);
}

START_TEST(test_every_difference_is_refused_by_the_disks_name)
{
	struct migrate_guest guest = guest_with(2);
	struct buffer table = table_of(&guest);

	refused(&table, &guest, NULL);
	guest.store_count = 1;
	refused(&table, &guest, "disk disk1 is not here, or cannot be written\n");
	guest.store_count = 3;
	refused(&table, &guest, "disk disk3 is only here, or not written there\n");
	guest.store_count = 2;
	stores[1].size = 4096;
	refused(&table, &guest, "disk disk1 has 132096 bytes there, 4096 here\n");
	stores[1].size = 2 * BLOCK + 1024;
	stores[1].id = "disk2";
	refused(&table, &guest, "disk disk1 there is disk2 here\n");
	buffer_finish(&table);
	finish();
}
END_TEST

/* A table of one entry, good but for what the test does to it. */
static int receive_table(const uint8_t *entry, size_t size, uint64_t a)
{
	const struct stream stream = bytes_stream(&bytes);
	struct buffer table = { 0 };
	int err;

	bytes_finish(&bytes);
	error_clear();
	ck_assert_int_eq(stream_send(&stream, RECORD_DISKS, a, 0, entry, size), 0);
	err = stores_receive(&stream, &table);
	buffer_finish(&table);
	return err;
}

START_TEST(test_tables_that_are_none_are_refused)
{
	static const char *const names[] = { "", " ", "disk 0", "a\nb", "a\x7f", "\xc3\xa4",
					     "sixteen-letters." };
	static const uint64_t sizes[] = { 0, 511, 513, 1ULL << 63, UINT64_MAX };
	uint8_t entry[64] = { [0] = 0, [1] = 2, [16] = 'd', [32] = 0, [33] = 2, [48] = 'e' };

	ck_assert_int_eq(receive_table(entry, 32, 1), 0);
	ck_assert_int_eq(receive_table(entry, 64, 2), 0);
	ck_assert_int_eq(receive_table(entry, 32, 2), -EBADMSG);
	ck_assert_int_eq(receive_table(entry, 31, 1), -EBADMSG);
	ck_assert_int_eq(receive_table(entry, 33, 1), -EBADMSG);
	ck_assert_int_eq(receive_table(entry, 32, UINT64_MAX), -EBADMSG);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		put_u64(entry, sizes[i]);
		ck_assert_int_eq(receive_table(entry, 32, 1), -EBADMSG);
	}
	put_u64(entry, 512);
	entry[8] = 1;
	ck_assert_int_eq(receive_table(entry, 32, 1), -EBADMSG);
	entry[8] = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		memset(entry + 16, 0, 16);
		memcpy(entry + 16, names[i], strlen(names[i]));
		ck_assert_int_eq(receive_table(entry, 32, 1), -EBADMSG);
	}
	memcpy(entry + 16, "d\0x", 3);
	ck_assert_int_eq(receive_table(entry, 32, 1), -EBADMSG);
	bytes_finish(&bytes);
}
END_TEST

static int receive_blocks(struct store_receiver *receiver, uint64_t offset, uint64_t b, size_t size)
{
	static uint8_t payload[3 * BLOCK];
	const struct stream stream = bytes_stream(&bytes);
	struct record record;

	bytes_finish(&bytes);
	error_clear();
	memset(payload, 0x33, sizeof(payload));
	ck_assert_int_eq(stream_send(&stream, RECORD_DISK_BLOCKS, offset, b, payload, size), 0);
	ck_assert_int_eq(stream_receive(&stream, &record), 0);
	return store_receiver_receive(receiver, &stream, &record);
}

#define OF(number, len) ((uint64_t)(number) << 48 | (len))

START_TEST(test_blocks_are_written_and_zeroed_where_they_belong)
{
	struct migrate_guest guest = guest_with(2);
	struct store_receiver receiver;

	ck_assert_int_eq(store_receiver_init(&receiver, &guest), 0);
	memset(fakes[1].data, 0x77, fakes[1].size);
	ck_assert_int_eq(receive_blocks(&receiver, 0, OF(0, BLOCK), BLOCK), 0);
	ck_assert_int_eq(receive_blocks(&receiver, BLOCK, OF(1, BLOCK), 0), 0);
	ck_assert_int_eq(receive_blocks(&receiver, 2 * BLOCK, OF(1, 1024), 1024), 0);
	ck_assert_uint_eq(fakes[0].data[BLOCK - 1], 0x33);
	ck_assert_uint_eq(fakes[0].data[BLOCK], 0);
	ck_assert_uint_eq(fakes[1].data[BLOCK - 1], 0x77);
	ck_assert_uint_eq(fakes[1].data[BLOCK], 0);
	ck_assert_uint_eq(fakes[1].data[2 * BLOCK - 1], 0);
	ck_assert_uint_eq(fakes[1].data[2 * BLOCK], 0x33);
	ck_assert_int_eq(store_receiver_sync(&receiver), 0);
	ck_assert_int_eq(store_receiver_sync(&receiver), 0);
	ck_assert_uint_eq(fakes[1].syncs, 1);
	store_receiver_finish(&receiver);
	finish();
}
END_TEST

START_TEST(test_blocks_that_no_disk_has_are_refused_and_nothing_is_written)
{
	static const struct {
		uint64_t offset, b;
		size_t size;
	} bad[] = {
		{ 0, OF(0, 0), 0 },
		{ 0, OF(2, BLOCK), BLOCK },
		{ 0, OF(0xffff, BLOCK), 0 },
		{ 0, OF(0, BLOCK), 512 },
		{ 0, OF(0, 512), BLOCK },
		{ 0, OF(0, 512), 512 },
		{ 512, OF(0, BLOCK), BLOCK },
		{ 512, OF(0, 2 * BLOCK), 0 },
		{ 0, OF(0, 3 * BLOCK), 0 },
		{ 2 * BLOCK, OF(0, BLOCK), BLOCK },
		{ 2 * BLOCK, OF(0, 1024), 1024 },
		{ 3 * BLOCK, OF(0, 512), 512 },
		{ UINT64_MAX - BLOCK + 1, OF(0, BLOCK), 0 },
		{ UINT64_MAX - BLOCK + 1, OF(0, 2 * BLOCK), 0 },
		{ 1ULL << 63, OF(0, 1ULL << 47), 0 },
		{ 0, OF(0, (1ULL << 48) - 1), 0 },
		{ 0, OF(0, (1ULL << 48) - BLOCK), 0 },
	};
	struct migrate_guest guest = guest_with(2);
	struct store_receiver receiver, none = { 0 };

	ck_assert_int_eq(store_receiver_init(&receiver, &guest), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		ck_assert_int_eq(receive_blocks(&receiver, bad[i].offset, bad[i].b, bad[i].size),
				 -EBADMSG);
		ck_assert_ptr_nonnull(strstr(error_text(-EBADMSG), "no such blocks"));
	}
	ck_assert_int_eq(receive_blocks(&none, 0, OF(0, BLOCK), BLOCK), -EBADMSG);
	ck_assert(fake_store_is_zero(&fakes[0], 0) && fake_store_is_zero(&fakes[0], 2));
	ck_assert_uint_eq(fakes[0].zeroings + fakes[1].zeroings, 0);
	store_receiver_finish(&receiver);
	finish();
}
END_TEST

START_TEST(test_damaged_blocks_are_not_written)
{
	const struct stream stream = bytes_stream(&bytes);
	struct migrate_guest guest = guest_with(1);
	struct store_receiver receiver;
	struct record record;
	uint8_t *payload = calloc(1, BLOCK);

	ck_assert_int_eq(store_receiver_init(&receiver, &guest), 0);
	payload[5] = 1;
	ck_assert_int_eq(stream_send(&stream, RECORD_DISK_BLOCKS, 0, BLOCK, payload, BLOCK), 0);
	bytes.buffer.data[40 + 77] ^= 1;
	ck_assert_int_eq(stream_receive(&stream, &record), 0);
	ck_assert_int_eq(store_receiver_receive(&receiver, &stream, &record), -EBADMSG);
	ck_assert(fake_store_is_zero(&fakes[0], 0));
	store_receiver_finish(&receiver);
	free(payload);
	finish();
}
END_TEST

START_TEST(test_a_disk_that_fails_is_told)
{
	struct migrate_guest guest = guest_with(1);
	struct store_receiver receiver;

	ck_assert_int_eq(store_receiver_init(&receiver, &guest), 0);
	fakes[0].fails = true;
	ck_assert_int_eq(receive_blocks(&receiver, 0, BLOCK, BLOCK), -EIO);
	ck_assert_int_eq(receive_blocks(&receiver, 0, BLOCK, 0), -EIO);
	ck_assert_int_eq(store_receiver_sync(&receiver), -EIO);
	ck_assert_int_eq(store_receiver_sync(&receiver), -EIO);
	fakes[0].fails = false;
	ck_assert_int_eq(store_receiver_sync(&receiver), 0);
	store_receiver_finish(&receiver);
	finish();
}
END_TEST

CHECK_MAIN("stores", test_a_table_says_what_the_disks_are, test_no_disks_are_an_empty_table,
	   test_every_difference_is_refused_by_the_disks_name,
	   test_tables_that_are_none_are_refused,
	   test_blocks_are_written_and_zeroed_where_they_belong,
	   test_blocks_that_no_disk_has_are_refused_and_nothing_is_written,
	   test_damaged_blocks_are_not_written, test_a_disk_that_fails_is_told)
