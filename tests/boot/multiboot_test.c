/* SPDX-License-Identifier: Apache-2.0 */
/* Multiboot's header, wherever it may and may not be. */
#include <abi/multiboot.h>

#include <errno.h>
#include <string.h>

#include "boot/protocol.h"
#include "check_main.h"

static uint8_t file[2 * MULTIBOOT_SEARCH];

static int find(size_t at, size_t size, uint32_t flags, uint32_t sum, bool *ret_found)
{
	struct multiboot_header header = {
		.magic = MULTIBOOT_HEADER_MAGIC,
		.flags = flags,
		.checksum = sum - flags - MULTIBOOT_HEADER_MAGIC,
	};
	struct image image;

	memset(file, 0, sizeof(file));
	memcpy(file + at, &header, sizeof(header));
	image_init_memory(&image, file, size);
	return multiboot_find(&image, ret_found);
}

START_TEST(test_a_header_is_found_in_the_first_8_kib)
{
	bool found;

	ck_assert_int_eq(find(0, sizeof(file), 0, 0, &found), 0);
	ck_assert(found);
	ck_assert_int_eq(find(MULTIBOOT_SEARCH - 12, sizeof(file), 3, 0, &found), 0);
	ck_assert(found);
	ck_assert_int_eq(find(MULTIBOOT_SEARCH - 8, sizeof(file), 0, 0, &found), 0);
	ck_assert(!found);
}
END_TEST

START_TEST(test_what_is_no_header_is_none)
{
	bool found = true;

	ck_assert_int_eq(find(64, sizeof(file), 0, 1, &found), 0);
	ck_assert(!found);
	ck_assert_int_eq(find(66, sizeof(file), 0, 0, &found), 0);
	ck_assert(!found);
	ck_assert_int_eq(find(64, 70, 0, 0, &found), 0);
	ck_assert(!found);
	ck_assert_int_eq(find(0, 0, 0, 0, &found), 0);
	ck_assert(!found);
}
END_TEST

START_TEST(test_a_header_that_wants_more_is_refused)
{
	bool found;

	ck_assert_int_eq(find(0, sizeof(file), 1 << 2, 0, &found), -ENOEXEC);
	ck_assert_int_eq(find(0, sizeof(file), 1 << 16, 0, &found), 0);
}
END_TEST

CHECK_MAIN("boot/multiboot", test_a_header_is_found_in_the_first_8_kib,
	   test_what_is_no_header_is_none, test_a_header_that_wants_more_is_refused)
