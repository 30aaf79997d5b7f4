/* SPDX-License-Identifier: Apache-2.0 */
/* Initial RAM disks that are made here, as the kernel reads them. */
#include "smoke/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check_main.h"

static char seen[8192];

static unsigned field(const char *header, unsigned number)
{
	char digits[9] = "";

	memcpy(digits, header + 6 + 8 * number, 8);
	return (unsigned)strtoul(digits, NULL, 16);
}

/* "name:mode:size " for each entry; every byte of the archive belongs to one. */
static const char *list(int fd)
{
	static char data[1 << 20];
	ssize_t size = pread(fd, data, sizeof(data), 0), at = 0;

	seen[0] = '\0';
	while (at < size) {
		unsigned name_len = field(data + at, 11), len = field(data + at, 6);
		const char *name = data + at + 110;

		ck_assert_int_eq(memcmp(data + at, "070701", 6), 0);
		ck_assert_uint_eq(strlen(name) + 1, name_len);
		sprintf(seen + strlen(seen), "%s:%o:%u ", name, field(data + at, 1), len);
		at = (at + 110 + name_len + 3) & ~3;
		at = (at + len + 3) & ~3;
	}
	ck_assert_int_eq(at, size);
	close(fd);
	return seen;
}

START_TEST(test_a_directory_is_packed_in_order)
{
	char path[] = "/tmp/overlay-XXXXXX", command[256];
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(path));
	snprintf(command, sizeof(command),
		 "cd %s && mkdir -m 755 b && printf 12345 >b/x && chmod 600 b/x && "
		 "ln -s b/x a && mkfifo -m 644 c && : >d && chmod 755 d",
		 path);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(smoke_overlay_directory(path, &fd), 0);
	ck_assert_str_eq(list(fd), "a:120777:3 b:40755:0 b/x:100600:5 c:10644:0 d:100755:0 "
				   "TRAILER!!!:0:0 ");
	snprintf(command, sizeof(command), "rm -r %s", path);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(test_a_command_comes_with_its_init)
{
	int fd;

	ck_assert_int_eq(smoke_overlay_command("true", &fd), 0);
	list(fd);
	ck_assert_ptr_nonnull(strstr(seen, "dev/console:20600:0 "));
	ck_assert_ptr_nonnull(strstr(seen, "ferry/init:100755:"));
	ck_assert_ptr_nonnull(strstr(seen, "ferry/command:100644:4 "));
}
END_TEST

START_TEST(test_what_cannot_be_packed_is_an_error)
{
	int fd;

	ck_assert_int_eq(smoke_overlay_directory("/nonexistent", &fd), -ENOENT);
	ck_assert_int_eq(smoke_overlay_directory("/dev/null", &fd), -ENOTDIR);
	ck_assert_int_eq(smoke_overlay_command("", &fd), -EINVAL);
}
END_TEST

CHECK_MAIN("smoke/overlay", test_a_directory_is_packed_in_order,
	   test_a_command_comes_with_its_init, test_what_cannot_be_packed_is_an_error)
