/* SPDX-License-Identifier: Apache-2.0 */
/* Disks copied over a connection while somebody writes to them. */
#include "io/channel_pair.h"

#include <sched.h>

#include "base/clock.h"
#include "fake_store.h"
#include "migrate/store_copier.h"
#include "migrate/store_receiver.h"
#include "migrate/stores.h"
#include "migrate/stream.h"

#define SIZE (70 * BLOCK + 1024)

static struct {
	struct pair pair;
	struct fake_store from[2], to[2];
	struct migrate_store from_stores[2], to_stores[2];
	struct migrate_guest source, dest;
	struct store_copier *copier;
	pthread_t receiver;
	unsigned records;
	uint64_t payload;
} t;

/* The other side, until END. */
static void *receive(void *arg)
{
	const struct stream stream = stream_of_channel(t.pair.far);
	struct store_receiver receiver;
	struct record record = { 0 };
	int err = store_receiver_init(&receiver, &t.dest);

	(void)arg;
	while (!err && channel_wait_readable(t.pair.far, -1) == 1) {
		err = stream_receive(&stream, &record);
		if (err || record.type == RECORD_END)
			break;
		t.records++;
		t.payload += record.size;
		if (record.type == RECORD_DISK_BLOCKS)
			err = store_receiver_receive(&receiver, &stream, &record);
		else
			err = store_receiver_sync(&receiver);
		if (!err && record.type == RECORD_DISK_SYNC)
			err = stream_send(&stream, RECORD_DISK_SYNC, 0, 0, NULL, 0);
	}
	if (err)
		stream_abort(&stream, err);
	store_receiver_finish(&receiver);
	return NULL;
}

static void setup(unsigned timeout_ms)
{
	const struct channel_options options = { .timeout_ms = timeout_ms };
	char uri[64];

	memset(&t, 0, sizeof(t));
	snprintf(uri, sizeof(uri), "unix:/tmp/ferry-stores-%d", getpid());
	pair_open(&t.pair, uri, &options);
	for (unsigned i = 0; i < 2; i++) {
		const char *id = i ? "disk1" : "disk0";

		t.from_stores[i] = fake_store_init(&t.from[i], id, SIZE);
		t.to_stores[i] = fake_store_init(&t.to[i], id, SIZE);
		memset(t.to[i].data, 0xee, SIZE);
	}
	t.source = (struct migrate_guest){ .stores = t.from_stores, .store_count = 2 };
	t.dest = (struct migrate_guest){ .stores = t.to_stores, .store_count = 2 };
	ck_assert_int_eq(pthread_create(&t.receiver, NULL, receive, NULL), 0);
}

static void create(uint64_t bandwidth)
{
	int err = store_copier_create(&t.source, t.pair.near, bandwidth, &t.copier);

	ck_assert_msg(err == 0, "%s", error_text(err));
}

static void copy_round(void)
{
	int err = store_copier_round(t.copier);

	ck_assert_msg(err == 0, "%s", error_text(err));
}

static void teardown(void)
{
	const struct stream stream = stream_of_channel(t.pair.near);

	stream_send(&stream, RECORD_END, 0, 0, NULL, 0);
	pthread_join(t.receiver, NULL);
	store_copier_destroy(t.copier);
	pair_close(&t.pair);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert(!t.from[i].dirty.tracked);
		fake_store_finish(&t.from[i]);
		fake_store_finish(&t.to[i]);
	}
}

static void expect_same(void)
{
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_mem_eq(t.from[i].data, t.to[i].data, SIZE);
		ck_assert(t.to[i].is_synced);
	}
}

START_TEST(test_the_first_round_copies_everything_and_holes_cost_nothing)
{
	setup(LONG_MS);
	memset(t.from[0].data + 3 * BLOCK + 5, 0x5a, 1000);
	memset(t.from[1].data + 20 * BLOCK, 0xa5, 30 * BLOCK);
	t.from[1].data[SIZE - 1] = 1;
	create(0);
	ck_assert_uint_eq(store_copier_pending(t.copier), 2 * SIZE);
	copy_round();
	expect_same();
	ck_assert_uint_eq(store_copier_pending(t.copier), 0);
	ck_assert_uint_eq(store_copier_copied(t.copier), 2 * SIZE);
	ck_assert_uint_eq(store_copier_loaded(t.copier), 31 * BLOCK + 1024);
	ck_assert_uint_eq(t.payload, 31 * BLOCK + 1024);
	/* Holes: 2 and 2; data: 1, 2 (16 blocks at a time) and 1; one sync. */
	ck_assert_uint_eq(t.records, 9);
	teardown();
}
END_TEST

START_TEST(test_zeros_that_are_data_are_sent_as_none)
{
	setup(LONG_MS);
	t.from[0].holes = t.from[1].holes = false;
	t.from[0].data[5 * BLOCK] = 1;
	t.from[0].data[6 * BLOCK - 1] = 1;
	t.from[0].data[7 * BLOCK + 4096] = 1;
	create(0);
	copy_round();
	expect_same();
	ck_assert_uint_eq(t.payload, 2 * BLOCK);
	ck_assert_uint_gt(t.to[1].zeroings, 0);
	teardown();
}
END_TEST

START_TEST(test_later_rounds_copy_what_was_written_since)
{
	setup(LONG_MS);
	memset(t.from[0].data, 1, SIZE);
	create(0);
	copy_round();
	store_copier_collect(t.copier);
	ck_assert_uint_eq(store_copier_pending(t.copier), 0);
	t.records = t.payload = 0;
	copy_round();
	ck_assert_uint_eq(t.records, 0);
	fake_store_put(&t.from[0], 4 * BLOCK, 9);
	fake_store_put(&t.from[0], SIZE - 1, 9);
	/* A hole that was seen to be one in the round before. */
	fake_store_put(&t.from[1], 63 * BLOCK, 9);
	store_copier_collect(t.copier);
	ck_assert_uint_eq(store_copier_pending(t.copier), 2 * BLOCK + 1024);
	copy_round();
	ck_assert_uint_eq(t.payload, 2 * BLOCK + 1024);
	/* And data that has become one. */
	memset(t.from[0].data + 10 * BLOCK, 0, 2 * BLOCK);
	disk_dirty_mark(&t.from[0].dirty, 10 * BLOCK, 2 * BLOCK);
	store_copier_collect(t.copier);
	copy_round();
	ck_assert_uint_eq(t.payload, 2 * BLOCK + 1024);
	expect_same();
	teardown();
}
END_TEST

static atomic_bool writing;
static atomic_uint writes;

static void *keep_writing(void *arg)
{
	uint32_t random = 7;

	(void)arg;
	while (atomic_load(&writing)) {
		random = random * 1664525 + 1013904223;
		fake_store_put(&t.from[random >> 31], (random >> 4) % SIZE, (uint8_t)(random >> 8));
		writes++;
	}
	return NULL;
}

START_TEST(test_nothing_is_missed_while_a_guest_writes)
{
	pthread_t writer;

	setup(LONG_MS);
	writing = true;
	ck_assert_int_eq(pthread_create(&writer, NULL, keep_writing, NULL), 0);
	create(0);
	for (unsigned round = 0; round < 8; round++) {
		unsigned goal = atomic_load(&writes) + 1000;

		while (atomic_load(&writes) < goal)
			sched_yield();
		store_copier_collect(t.copier);
		ck_assert_uint_gt(store_copier_expected_ns(t.copier), 0);
		copy_round();
	}
	atomic_store(&writing, false);
	pthread_join(writer, NULL);
	store_copier_collect(t.copier);
	copy_round();
	expect_same();
	teardown();
}
END_TEST

START_TEST(test_a_disk_that_takes_long_to_sync_is_waited_for)
{
	setup(SHORT_MS);
	t.from[0].data[0] = 1;
	t.to[0].slow_sync_ms = 3 * SHORT_MS;
	create(0);
	copy_round();
	expect_same();
	teardown();
}
END_TEST

static void *stop_soon(void *arg)
{
	(void)arg;
	while (!store_copier_loaded(t.copier))
		usleep(1000);
	store_copier_stop(t.copier);
	return NULL;
}

START_TEST(test_a_round_that_is_limited_can_be_stopped)
{
	uint64_t begun;
	pthread_t stopper;

	setup(LONG_MS);
	memset(t.from[0].data, 1, SIZE);
	create(MIB / 16);
	begun = clock_now();
	ck_assert_int_eq(pthread_create(&stopper, NULL, stop_soon, NULL), 0);
	ck_assert_int_eq(store_copier_round(t.copier), -ECANCELED);
	pthread_join(stopper, NULL);
	/* Unlimited it is there at once, with the limit after 70 s. */
	ck_assert_uint_lt(clock_now() - begun, 20000000000ULL);
	ck_assert_uint_gt(store_copier_pending(t.copier), SIZE);
	ck_assert_int_eq(store_copier_round(t.copier), -ECANCELED);
	teardown();
}
END_TEST

START_TEST(test_a_disk_that_cannot_be_read_ends_it)
{
	setup(LONG_MS);
	t.from[1].data[BLOCK] = 1;
	create(0);
	t.from[1].fails = true;
	ck_assert_int_eq(store_copier_round(t.copier), -EIO);
	ck_assert_str_eq(error_text(-EIO), "the disk is broken");
	teardown();
}
END_TEST

START_TEST(test_a_disk_that_cannot_be_written_there_ends_it_with_its_words)
{
	setup(LONG_MS);
	t.from[1].data[BLOCK] = 1;
	t.to[1].fails = true;
	create(0);
	ck_assert_int_eq(store_copier_round(t.copier), -EREMOTEIO);
	ck_assert_ptr_nonnull(strstr(error_text(-EREMOTEIO), "the disk is broken"));
	teardown();
}
END_TEST

START_TEST(test_what_cannot_be_tracked_leaves_nothing_behind)
{
	setup(LONG_MS);
	t.from[1].fails = true;
	ck_assert_int_eq(store_copier_create(&t.source, t.pair.near, 0, &t.copier), -EIO);
	ck_assert_ptr_null(t.copier);
	teardown();
}
END_TEST

CHECK_MAIN("store_copier", test_the_first_round_copies_everything_and_holes_cost_nothing,
	   test_zeros_that_are_data_are_sent_as_none,
	   test_later_rounds_copy_what_was_written_since,
	   test_nothing_is_missed_while_a_guest_writes,
	   test_a_disk_that_takes_long_to_sync_is_waited_for,
	   test_a_round_that_is_limited_can_be_stopped, test_a_disk_that_cannot_be_read_ends_it,
	   test_a_disk_that_cannot_be_written_there_ends_it_with_its_words,
	   test_what_cannot_be_tracked_leaves_nothing_behind)
