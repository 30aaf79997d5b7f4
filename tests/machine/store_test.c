/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's writable disks as bytes that are copied. */
#include "machine_for_test.h"

#define BLOCK MACHINE_STORE_BLOCK
#define SIZE  (4 * BLOCK + 512)

static char paths[3][64];
static uint8_t *buf;

static void make_images(void)
{
	for (unsigned i = 0; i < 3; i++) {
		int fd;

		snprintf(paths[i], sizeof(paths[i]), "/dev/shm/ferry-store-XXXXXX");
		fd = mkstemp(paths[i]);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(ftruncate(fd, SIZE), 0);
		close(fd);
	}
	buf = aligned_alloc(BLOCK, 5 * BLOCK);
	memset(buf, 0x77, 5 * BLOCK);
}

static void remove_images(void)
{
	for (unsigned i = 0; i < 3; i++)
		unlink(paths[i]);
	free(buf);
}

/* The second disk is only read. */
static void create(struct test_machine *t, bool blank)
{
	const struct machine_disk disks[] = {
		{ .path = paths[0] },
		{ .path = paths[1], .readonly = true },
		{ .path = paths[2] },
	};
	char kernel[512];

	snprintf(kernel, sizeof(kernel), GUEST_DIR "/basic/hello");
	test_machine_create_with(t, (struct machine_options){ .kernel = kernel,
							      .vm.vcpus = 1,
							      .disks = disks,
							      .disk_count = 3,
							      .blank = blank });
}

START_TEST(test_the_writable_disks_are_the_stores)
{
	struct test_machine t;

	make_images();
	create(&t, false);
	ck_assert_uint_eq(machine_store_count(t.machine), 2);
	ck_assert_str_eq(machine_store_id(machine_store(t.machine, 0)), "disk0");
	ck_assert_str_eq(machine_store_id(machine_store(t.machine, 1)), "disk2");
	ck_assert_uint_eq(machine_store_size(machine_store(t.machine, 1)), SIZE);
	test_machine_finish(&t);
	remove_images();
}
END_TEST

START_TEST(test_a_store_is_written_read_and_zeroed)
{
	struct machine_store *store;
	struct test_machine t;
	uint64_t offset = 0, len;

	make_images();
	create(&t, true);
	ck_assert_int_eq(machine_take_disks(t.machine), 0);
	store = machine_store(t.machine, 1);
	ck_assert_int_eq(machine_store_next_data(store, &offset, &len), 0);
	ck_assert_int_eq(machine_store_write(store, BLOCK, buf, 3 * BLOCK + 512), 0);
	ck_assert_int_eq(machine_store_zero(store, 2 * BLOCK, BLOCK), 0);
	ck_assert_int_eq(machine_store_sync(store), 0);
	ck_assert_int_eq(machine_store_next_data(store, &offset, &len), 1);
	ck_assert_uint_eq(offset, BLOCK);
	ck_assert_uint_eq(len, BLOCK);
	ck_assert_int_eq(machine_store_read(store, 0, buf, SIZE), 0);
	for (uint64_t i = 0; i < SIZE; i++)
		if (buf[i] != (i / BLOCK == 0 || i / BLOCK == 2 ? 0 : 0x77))
			ck_abort_msg("byte %llu is %#x", (unsigned long long)i, buf[i]);
	ck_assert_int_eq(machine_store_read(machine_store(t.machine, 0), 0, buf, SIZE), 0);
	ck_assert_uint_eq(buf[BLOCK], 0);
	test_machine_finish(&t);
	remove_images();
}
END_TEST

START_TEST(test_what_goes_wrong_names_the_disk)
{
	struct machine_store *store;
	struct test_machine t;

	make_images();
	create(&t, false);
	store = machine_store(t.machine, 1);
	ck_assert_int_eq(machine_store_read(store, 1, buf, BLOCK), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(-EINVAL), "disk2: "));
	ck_assert_int_eq(machine_store_track(store), 0);
	ck_assert_int_eq(machine_store_track(store), -EBUSY);
	ck_assert_ptr_nonnull(strstr(error_text(-EBUSY), "disk2: "));
	machine_store_untrack(store);
	machine_store_untrack(store);
	test_machine_finish(&t);
	remove_images();
}
END_TEST

CHECK_MAIN_KVM("store", test_the_writable_disks_are_the_stores,
	       test_a_store_is_written_read_and_zeroed, test_what_goes_wrong_names_the_disk)
