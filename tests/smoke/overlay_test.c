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

#include <ferry/error.h>

#include "check_main.h"

/* What the kernel opens for the first process comes first. */
#define CONSOLE "dev:40755:0 dev/console:20600:0 "

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
	struct smoke_root root;

	ck_assert_ptr_nonnull(mkdtemp(path));
	snprintf(command, sizeof(command),
		 "cd %s && mkdir -m 755 b && printf 12345 >b/x && chmod 600 b/x && "
		 "ln -s b/x a && mkfifo -m 644 c && : >d && chmod 755 d",
		 path);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(smoke_overlay_directory(path, &root), 0);
	ck_assert(!root.has_init);
	ck_assert_str_eq(list(root.fd), CONSOLE "a:120777:3 b:40755:0 b/x:100600:5 c:10644:0 d:100755:0 "
				   "TRAILER!!!:0:0 ");
	snprintf(command, sizeof(command), "rm -r %s", path);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

/* Makes a tarball of what a shell script leaves in a directory. */
static void make_tarball(const char *script, char path[static 64])
{
	char command[1024];

	strcpy(path, "/tmp/overlay-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(path));
	snprintf(command, sizeof(command),
		 "cd %s && mkdir root && cd root && %s && tar --sort=name --owner=7 --group=9 "
		 "--numeric-owner -czf ../t.tar.gz . ", path, script);
	ck_assert_int_eq(system(command), 0);
	strcat(path, "/t.tar.gz");
}

static void remove_tarball(char *path)
{
	char command[128];

	*strrchr(path, '/') = '\0';
	snprintf(command, sizeof(command), "rm -r %s", path);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(test_a_tarball_is_unpacked_with_its_links)
{
	struct smoke_root root;
	char path[64];

	make_tarball("printf 12345 >a && chmod 600 a && ln a b && ln -s a c && : >init && "
		     "mkdir -m 750 d && : >d/.wh.gone && chmod 755 init", path);
	ck_assert_int_eq(smoke_overlay_tarball(path, &root), 0);
	ck_assert(root.has_init);
	ck_assert_str_eq(list(root.fd), CONSOLE "a:100600:5 b:100600:0 c:120777:1 d:40750:0 "
						"init:100755:0 TRAILER!!!:0:0 ");
	remove_tarball(path);
}
END_TEST

START_TEST(test_an_image_of_layers_is_no_root)
{
	struct smoke_root root;
	char path[64];

	make_tarball("echo x >oci-layout", path);
	ck_assert_int_eq(smoke_overlay_tarball(path, &root), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(-EINVAL), "export"));
	remove_tarball(path);
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
	struct smoke_root root;

	ck_assert_int_eq(smoke_overlay_directory("/nonexistent", &root), -ENOENT);
	ck_assert_int_eq(smoke_overlay_directory("/dev/null", &root), -ENOTDIR);
	ck_assert_int_eq(smoke_overlay_tarball("/nonexistent", &root), -EINVAL);
	ck_assert_int_eq(smoke_overlay_tarball("/proc/self/exe", &root), -EINVAL);
}
END_TEST

CHECK_MAIN("smoke/overlay", test_a_directory_is_packed_in_order,
	   test_a_tarball_is_unpacked_with_its_links, test_an_image_of_layers_is_no_root,
	   test_a_command_comes_with_its_init, test_what_cannot_be_packed_is_an_error)
