/* SPDX-License-Identifier: Apache-2.0 */
/* Disk images: what is opened, what is refused, and what is said about it. */
#include "check_main.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ferry/error.h>

#include "io/disk_image.h"

static char path[64];

static void make(off_t size)
{
	int fd;

	snprintf(path, sizeof(path), "/var/tmp/ferry-image-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	close(fd);
}

static void refused(int expected, const char *name, bool readonly, const char *text)
{
	struct disk_image image;
	int r = disk_image_init(&image, name, readonly, false);

	ck_assert_int_eq(r, expected);
	ck_assert_int_eq(image.fd, -1);
	ck_assert_msg(strstr(error_text(r), text) && strstr(error_text(r), name), "%s",
		      error_text(r));
}

START_TEST(test_a_file_has_its_size_and_sectors_of_512)
{
	struct disk_image image;

	make(1 << 20);
	ck_assert_int_eq(disk_image_init(&image, path, false, false), 0);
	ck_assert_uint_eq(image.size, 1 << 20);
	ck_assert_uint_eq(image.block_size, 512);
	ck_assert_uint_eq(image.buffer_align, 1);
	disk_image_finish(&image);
	disk_image_finish(&image);
	unlink(path);
}
END_TEST

START_TEST(test_what_is_no_image_is_refused_with_a_reason)
{
	refused(-ENOENT, "/nonexistent/disk.img", false, "No such file");
	refused(-EISDIR, "/tmp", false, "cannot open");
	refused(-EINVAL, "/tmp", true, "not a file or a block device");
	refused(-EINVAL, "/dev/null", false, "not a file or a block device");
	make(0);
	refused(-EINVAL, path, false, "empty");
	ck_assert_int_eq(truncate(path, 513), 0);
	refused(-EINVAL, path, false, "truncate -s 1024");
	unlink(path);
}
END_TEST

static void lock_refused(bool readonly)
{
	struct disk_image image;
	int r;

	ck_assert_int_eq(disk_image_init(&image, path, readonly, false), 0);
	r = disk_image_lock(&image, path, readonly);
	ck_assert_int_eq(r, -EBUSY);
	ck_assert_ptr_nonnull(strstr(error_text(r), path));
	ck_assert_ptr_nonnull(strstr(error_text(r), "another process uses it"));
	disk_image_finish(&image);
}

START_TEST(test_a_second_writer_is_refused)
{
	struct disk_image first, second;

	make(4096);
	ck_assert_int_eq(disk_image_init(&first, path, false, false), 0);
	ck_assert_int_eq(disk_image_lock(&first, path, false), 0);
	lock_refused(false);
	lock_refused(true);
	disk_image_finish(&first);
	ck_assert_int_eq(disk_image_init(&first, path, true, false), 0);
	ck_assert_int_eq(disk_image_init(&second, path, true, false), 0);
	ck_assert_int_eq(disk_image_lock(&first, path, true), 0);
	ck_assert_int_eq(disk_image_lock(&second, path, true), 0);
	lock_refused(false);
	disk_image_finish(&first);
	disk_image_finish(&second);
	unlink(path);
}
END_TEST

START_TEST(test_a_lock_is_handed_over)
{
	struct disk_image first, second;

	make(4096);
	ck_assert_int_eq(disk_image_init(&first, path, false, false), 0);
	ck_assert_int_eq(disk_image_init(&second, path, false, false), 0);
	ck_assert_int_eq(disk_image_lock(&first, path, false), 0);
	ck_assert_int_eq(disk_image_lock(&second, path, false), -EBUSY);
	disk_image_unlock(&first);
	disk_image_unlock(&first);
	ck_assert_int_eq(disk_image_lock(&second, path, false), 0);
	ck_assert_int_eq(disk_image_lock(&second, path, false), 0);
	ck_assert_int_eq(disk_image_lock(&first, path, false), -EBUSY);
	disk_image_finish(&first);
	disk_image_finish(&second);
	unlink(path);
}
END_TEST

START_TEST(test_direct_io_gives_its_alignment)
{
	struct disk_image image;

	make(1 << 20);
	if (disk_image_init(&image, path, false, true) == 0) { /* not every file system has it */
		ck_assert_uint_ge(image.block_size, 512);
		ck_assert_uint_ge(image.buffer_align, 2);
		disk_image_finish(&image);
		ck_assert_int_eq(truncate(path, (1 << 20) + 256), 0);
		ck_assert_int_eq(disk_image_init(&image, path, false, true), -EINVAL);
	}
	unlink(path);
}
END_TEST

CHECK_MAIN("disk_image", test_a_file_has_its_size_and_sectors_of_512,
	   test_what_is_no_image_is_refused_with_a_reason, test_a_second_writer_is_refused,
	   test_a_lock_is_handed_over, test_direct_io_gives_its_alignment)
