/* SPDX-License-Identifier: Apache-2.0 */
/* What tests write to their disks, and images that are not raw. */
#include "smoke/disks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check_main.h"

START_TEST(test_an_overlay_is_copied_with_its_holes)
{
	struct smoke_disks disks = { 0 };
	struct smoke_overlays first, second;
	struct smoke_words words = { 0 };
	struct stat info;
	char byte = 0;

	ck_assert_int_eq(smoke_disks_add(&disks, "a.img,readonly", false), 0);
	ck_assert_int_eq(smoke_disks_add(&disks, "b.img", true), 0);
	ck_assert_int_eq(smoke_overlays_make(&first, &disks, NULL), 0);
	ck_assert_int_eq(first.fds[0], -1);
	ck_assert_int_eq(ftruncate(first.fds[1], 1 << 30), 0);
	ck_assert_int_eq(pwrite(first.fds[1], "x", 1, 700 << 20), 1);
	ck_assert_int_eq(smoke_overlays_make(&second, &disks, &first), 0);
	ck_assert_int_eq(fstat(second.fds[1], &info), 0);
	ck_assert_int_eq(info.st_size, 1 << 30);
	ck_assert_int_eq(info.st_nlink, 0);
	ck_assert_int_lt(info.st_blocks, 4096);
	ck_assert_int_eq(pread(second.fds[1], &byte, 1, 700 << 20), 1);
	ck_assert_int_eq(byte, 'x');
	smoke_overlays_words(&second, &disks, &words);
	ck_assert_uint_eq(words.count, 2);
	ck_assert_str_eq(words.all[0], "--disk=a.img,readonly");
	ck_assert_ptr_nonnull(strstr(words.all[1], "--disk=b.img,overlay=/proc/"));
	ck_assert_int_eq(access(strchr(words.all[1], '/'), R_OK | W_OK), 0);
	smoke_words_finish(&words);
	smoke_overlays_finish(&first);
	smoke_overlays_finish(&second);
	smoke_disks_finish(&disks);
}
END_TEST

/* qemu-img makes it and reads it; without it the text says where it is from. */
START_TEST(test_a_qcow2_image_is_read_into_a_raw_one)
{
	char path[] = "/tmp/disks-XXXXXX", command[256], byte = 0;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(path));
	if (system("command -v qemu-img >/dev/null") == 0) {
		snprintf(command, sizeof(command),
			 "cd %s && truncate -s 4M a && printf x | dd of=a bs=1 seek=1M conv=notrunc "
			 "status=none && qemu-img convert -f raw -O qcow2 a b", path);
		ck_assert_int_eq(system(command), 0);
		snprintf(command, sizeof(command), "%s/a", path);
		ck_assert(!smoke_disk_is_qcow2(command));
		snprintf(command, sizeof(command), "%s/b", path);
		ck_assert(smoke_disk_is_qcow2(command));
		ck_assert_int_eq(smoke_disk_convert(command, &fd), 0);
		ck_assert_int_eq(lseek(fd, 0, SEEK_END), 4 << 20);
		ck_assert_int_eq(pread(fd, &byte, 1, 1 << 20), 1);
		ck_assert_int_eq(byte, 'x');
		close(fd);
	}
	ck_assert_int_eq(setenv("PATH", path, 1), 0);
	ck_assert_int_eq(smoke_disk_convert("x.qcow2", &fd), -ENOENT);
	ck_assert_int_eq(setenv("PATH", "/usr/bin:/bin", 1), 0);
	snprintf(command, sizeof(command), "rm -r %s", path);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

CHECK_MAIN("smoke/disks", test_an_overlay_is_copied_with_its_holes,
	   test_a_qcow2_image_is_read_into_a_raw_one)
