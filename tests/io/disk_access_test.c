/* SPDX-License-Identifier: Apache-2.0 */
/* What is read of images and written to them by who copies disks, and where holes stay holes. */
#include "check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ferry/error.h>

#include "io/disk_access.h"
#include "io/disk_image.h"

#define BLOCK DISK_DIRTY_BLOCK
#define SIZE  (8 * BLOCK + 4096)

static struct disk_image image;
static char path[64];
static uint8_t *buf, *zeroes; /* SIZE bytes each, aligned */

/* tmpfs makes holes and no zeros; /var/tmp is a disk's file system. */
static void setup(const char *dir, bool direct)
{
	int fd, r;

	snprintf(path, sizeof(path), "%s/ferry-access-XXXXXX", dir);
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, SIZE), 0);
	close(fd);
	r = disk_image_init(&image, path, false, direct);
	ck_assert_msg(r == 0, "%s", error_text(r));
	buf = aligned_alloc(BLOCK, 9 * BLOCK);
	zeroes = aligned_alloc(BLOCK, 9 * BLOCK);
	memset(zeroes, 0, 9 * BLOCK);
}

static void teardown(void)
{
	disk_image_finish(&image);
	unlink(path);
	free(buf);
	free(zeroes);
}

static blkcnt_t blocks(void)
{
	struct stat st;

	ck_assert_int_eq(fstat(image.fd, &st), 0);
	return st.st_blocks;
}

static void write_and_read_back(const char *dir, bool direct)
{
	setup(dir, direct);
	memset(buf, 0x5a, SIZE);
	ck_assert_int_eq(disk_image_write(&image, 2 * BLOCK, buf, BLOCK), 0);
	ck_assert_int_eq(disk_image_write(&image, 8 * BLOCK, buf, 4096), 0);
	ck_assert_int_eq(disk_image_read(&image, 0, buf, SIZE), 0);
	for (uint64_t i = 0; i < SIZE; i++)
		if (buf[i] != (i / BLOCK == 2 || i / BLOCK == 8 ? 0x5a : 0))
			ck_abort_msg("byte %llu is %#x", (unsigned long long)i, buf[i]);
	teardown();
}

START_TEST(test_what_is_written_is_read)
{
	write_and_read_back("/dev/shm", false);
}
END_TEST

START_TEST(test_direct_io_has_all_of_the_disk)
{
	write_and_read_back("/var/tmp", true);
}
END_TEST

START_TEST(test_what_are_no_blocks_of_the_disk_is_refused)
{
	static const struct {
		uint64_t offset, len;
	} bad[] = { { 1, BLOCK },	  { 0, BLOCK - 1 },  { 8 * BLOCK, 512 },
		    { 8 * BLOCK, BLOCK }, { 9 * BLOCK, 0 },  { UINT64_MAX - BLOCK + 1, BLOCK },
		    { BLOCK, UINT64_MAX } };

	setup("/dev/shm", false);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(disk_image_read(&image, bad[i].offset, buf, bad[i].len), -EINVAL);
		ck_assert_int_eq(disk_image_write(&image, bad[i].offset, buf, bad[i].len), -EINVAL);
		ck_assert_int_eq(disk_image_zero(&image, bad[i].offset, bad[i].len), -EINVAL);
	}
	ck_assert_int_eq(blocks(), 0);
	teardown();
}
END_TEST

START_TEST(test_an_image_that_became_shorter_is_an_error)
{
	setup("/dev/shm", false);
	ck_assert_int_eq(truncate(path, 4 * BLOCK), 0);
	ck_assert_int_eq(disk_image_read(&image, 3 * BLOCK, buf, 2 * BLOCK), -EIO);
	ck_assert_ptr_nonnull(strstr(error_text(-EIO), "shorter"));
	teardown();
}
END_TEST

static void zero_and_look(const char *dir)
{
	blkcnt_t full;

	setup(dir, false);
	ck_assert_int_eq(disk_image_zero(&image, 0, SIZE), 0);
	ck_assert_int_eq(blocks(), 0);
	memset(buf, 0x5a, SIZE);
	ck_assert_int_eq(disk_image_write(&image, 0, buf, SIZE), 0);
	full = blocks();
	ck_assert_int_eq(disk_image_zero(&image, BLOCK, 4 * BLOCK), 0);
	ck_assert_int_le(blocks(), full - 4 * (blkcnt_t)BLOCK / 512);
	ck_assert_int_eq(disk_image_zero(&image, 8 * BLOCK, 4096), 0);
	ck_assert_int_eq(disk_image_read(&image, 0, buf, SIZE), 0);
	for (uint64_t block = 0; block < 8; block++) {
		bool is_zero = memcmp(buf + block * BLOCK, zeroes, BLOCK) == 0;

		ck_assert_int_eq(is_zero, block >= 1 && block <= 4);
	}
	ck_assert_mem_eq(buf + 8 * BLOCK, zeroes, 4096);
	ck_assert_int_eq(lseek(image.fd, 0, SEEK_END), SIZE);
	teardown();
}

START_TEST(test_zeros_are_holes_where_that_can_be)
{
	zero_and_look("/dev/shm");
	zero_and_look("/var/tmp");
}
END_TEST

START_TEST(test_data_is_found_behind_holes)
{
	uint64_t offset = 0, len = 0;

	setup("/dev/shm", false);
	ck_assert_int_eq(disk_image_next_data(&image, &offset, &len), 0);
	memset(buf, 1, BLOCK);
	ck_assert_int_eq(disk_image_write(&image, 3 * BLOCK, buf, BLOCK), 0);
	ck_assert_int_eq(disk_image_next_data(&image, &offset, &len), 1);
	ck_assert_uint_eq(offset, 3 * BLOCK);
	ck_assert_uint_eq(len, BLOCK);
	offset = 3 * BLOCK + 512;
	ck_assert_int_eq(disk_image_next_data(&image, &offset, &len), 1);
	ck_assert_uint_eq(offset, 3 * BLOCK + 512);
	ck_assert_uint_eq(len, BLOCK - 512);
	offset = 4 * BLOCK;
	ck_assert_int_eq(disk_image_next_data(&image, &offset, &len), 0);
	offset = UINT64_MAX;
	ck_assert_int_eq(disk_image_next_data(&image, &offset, &len), 0);
	/* A file that has grown since is no larger a disk. */
	ck_assert_int_eq(disk_image_write(&image, 8 * BLOCK, buf, 4096), 0);
	ck_assert_int_eq(truncate(path, 64 * BLOCK), 0);
	ck_assert_int_eq(pwrite(image.fd, buf, BLOCK, 8 * BLOCK + 4096), BLOCK);
	offset = 5 * BLOCK;
	ck_assert_int_eq(disk_image_next_data(&image, &offset, &len), 1);
	ck_assert_uint_eq(offset, 8 * BLOCK);
	ck_assert_uint_eq(len, 4096);
	offset = SIZE;
	ck_assert_int_eq(disk_image_next_data(&image, &offset, &len), 0);
	teardown();
}
END_TEST

CHECK_MAIN("disk_access", test_what_is_written_is_read, test_direct_io_has_all_of_the_disk,
	   test_what_are_no_blocks_of_the_disk_is_refused,
	   test_an_image_that_became_shorter_is_an_error, test_zeros_are_holes_where_that_can_be,
	   test_data_is_found_behind_holes)
