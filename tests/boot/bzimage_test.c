/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a bzImage. */
#include "boot/bzimage.h"

#include <errno.h>

#include <ferry/error.h>

#include "boot/images.h"
#include "check_main.h"

static const struct bytes payload = { (uint8_t *)"0123456789abcdef", 16 };

static int parse(const struct bytes *file, size_t size, struct bzimage *bzimage)
{
	struct image image;

	image_init_memory(&image, file->data, size);
	return bzimage_parse(&image, bzimage);
}

START_TEST(test_payload_is_found_behind_the_setup_sectors)
{
	struct bytes file = make_bzimage(&payload);
	struct bzimage bzimage;

	ck_assert_int_eq(parse(&file, file.size, &bzimage), 0);
	ck_assert_uint_eq(bzimage.payload_offset, SETUP_SIZE + PAYLOAD_AT);
	ck_assert_uint_eq(bzimage.payload_size, 16);
	ck_assert_uint_eq(bzimage.header.cmdline_size, 2047);
	free(file.data);
}
END_TEST

START_TEST(test_no_setup_sectors_means_four)
{
	struct bytes file = make_bzimage(&payload), room;
	struct bzimage bzimage;

	file.data[0x1f1] = 0;
	ck_assert_int_eq(parse(&file, file.size, &bzimage), -ENOEXEC);
	put32(file.data + 0x248, PAYLOAD_AT + SETUP_SIZE - 5 * 512);
	ck_assert_int_eq(parse(&file, file.size, &bzimage), -ENOEXEC);
	free(file.data);
	room = bytes_make(2048);
	file = make_bzimage(&room);
	file.data[0x1f1] = 0;
	put32(file.data + 0x248, 16);
	put32(file.data + 0x24c, 100);
	ck_assert_int_eq(parse(&file, file.size, &bzimage), 0);
	ck_assert_uint_eq(bzimage.payload_offset, 5 * 512 + 16);
	free(file.data);
	free(room.data);
}
END_TEST

START_TEST(test_a_file_that_ends_before_its_payload_is_truncated)
{
	struct bytes file = make_bzimage(&payload);
	struct bzimage bzimage;

	for (size_t size = 0; size < SETUP_SIZE + PAYLOAD_AT + 16; size++) {
		ck_assert_int_eq(parse(&file, size, &bzimage), -ENOEXEC);
		ck_assert_ptr_nonnull(strstr(error_text(0), "truncated"));
	}
	put32(file.data + 0x24c, 0xffffffff);
	ck_assert_int_eq(parse(&file, file.size, &bzimage), -ENOEXEC);
	put32(file.data + 0x24c, 0);
	ck_assert_int_eq(parse(&file, file.size, &bzimage), -ENOEXEC);
	free(file.data);
}
END_TEST

START_TEST(test_old_protocols_and_zimages_are_refused_by_name)
{
	struct bytes file = make_bzimage(&payload);
	struct bzimage bzimage;

	file.data[0x206] = 0x07;
	ck_assert_int_eq(parse(&file, file.size, &bzimage), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(error_text(0), "2.07"));
	file.data[0x206] = 0x08;
	ck_assert_int_eq(parse(&file, file.size, &bzimage), 0);
	file.data[0x211] = 0;
	ck_assert_int_eq(parse(&file, file.size, &bzimage), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(error_text(0), "zImage"));
	free(file.data);
}
END_TEST

START_TEST(test_what_lies_behind_a_short_header_is_not_taken_for_fields)
{
	struct bytes file = make_bzimage(&payload);
	struct bzimage bzimage;

	/* Ends behind payload_length: pref_address and init_size would be code. */
	memset(file.data + 0x250, 0xcc, 0x1c);
	file.data[0x201] = 0x250 - 0x202;
	ck_assert_int_eq(parse(&file, file.size, &bzimage), 0);
	ck_assert_uint_eq(bzimage.header.payload_length, 16);
	ck_assert_uint_eq(bzimage.header.setup_data, 0);
	ck_assert_uint_eq(bzimage.header.pref_address, 0);
	ck_assert_uint_eq(bzimage.header.kernel_info_offset, 0);
	free(file.data);
}
END_TEST

CHECK_MAIN("bzimage", test_payload_is_found_behind_the_setup_sectors,
	   test_no_setup_sectors_means_four, test_a_file_that_ends_before_its_payload_is_truncated,
	   test_old_protocols_and_zimages_are_refused_by_name,
	   test_what_lies_behind_a_short_header_is_not_taken_for_fields)
