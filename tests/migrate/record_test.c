/* SPDX-License-Identifier: Apache-2.0 */
/* The two headers: what was encoded is decoded, and nothing else is. */
#include "migrate/record.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "check_main.h"

static uint8_t bytes[RECORD_HEADER_SIZE];

static int decode_header(void)
{
	enum stream_kind kind;

	error_clear();
	return stream_header_decode(bytes, &kind);
}

static int decode_record(void)
{
	struct record record;

	error_clear();
	return record_decode(bytes, &record);
}

/* Puts the checksum right again, as an enemy does. */
static void seal_header(void)
{
	put_u64(bytes + 24, record_sum(bytes, 24));
}

static void seal_record(void)
{
	put_u64(bytes + 32, record_sum(bytes, 32));
}

START_TEST(test_a_header_of_each_kind_is_what_the_page_says)
{
	static const uint8_t begin[] = { 0x46, 0x52, 0x59, 0xfe, 0x0d, 0x0a, 0x1a, 0x0a, 1, 0 };
	enum stream_kind found;

	for (enum stream_kind kind = STREAM_SNAPSHOT; kind <= STREAM_URGENT; kind++) {
		stream_header_encode(bytes, kind);
		ck_assert_mem_eq(bytes, begin, sizeof(begin));
		ck_assert_uint_eq(bytes[10] | bytes[11] << 8, FERRY_ELF_MACHINE);
		ck_assert_uint_eq(get_u32(bytes + 12), 4096);
		ck_assert_uint_eq(get_u32(bytes + 16), kind);
		ck_assert_int_eq(stream_header_decode(bytes, &found), 0);
		ck_assert_int_eq(found, kind);
	}
}
END_TEST

START_TEST(test_a_header_with_any_byte_changed_is_refused)
{
	for (unsigned at = 0; at < STREAM_HEADER_SIZE; at++)
		for (unsigned flip = 1; flip < 256; flip++) {
			stream_header_encode(bytes, STREAM_CONTROL);
			bytes[at] ^= (uint8_t)flip;
			ck_assert_int_eq(decode_header(), -EINVAL);
			ck_assert_ptr_nonnull(strstr(error_text(-EINVAL),
						     at < 8 ? "no stream of ferry's" : "damaged"));
		}
}
END_TEST

START_TEST(test_each_thing_that_another_ferry_would_write_has_its_own_text)
{
	static const struct {
		unsigned at;
		uint8_t value;
		const char *text;
	} cases[] = {
		{ 8, 2, "a stream of version 2; this ferry reads version 1" },
		{ 8, 0, "a stream of version 0" },
		{ 9, 1, "a stream of version 257" },
		{ 10, FERRY_ELF_MACHINE == EM_X86_64 ? EM_AARCH64 : EM_X86_64,
		  FERRY_ELF_MACHINE == EM_X86_64 ? "a stream of arm64; this host is x86_64"
						 : "a stream of x86_64; this host is arm64" },
		{ 10, 3, "a stream of an architecture that ferry does not know" },
		{ 13, 0x40, "a stream with pages of 16384 bytes" },
		{ 16, 0, "unknown kind, 0" },
		{ 16, 5, "unknown kind, 5" },
		{ 19, 1, "unknown kind" },
		{ 20, 1, "unknown kind" },
		{ 23, 0x80, "unknown kind" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		stream_header_encode(bytes, STREAM_CONTROL);
		bytes[cases[i].at] = cases[i].value;
		seal_header();
		ck_assert_int_eq(decode_header(), -EINVAL);
		ck_assert_msg(strstr(error_text(-EINVAL), cases[i].text) != NULL, "%u: %s", i,
			      error_text(-EINVAL));
	}
}
END_TEST

START_TEST(test_a_record_is_what_it_was)
{
	const struct record record = { RECORD_PAGES, 8192, 0x123456789abcdef0, 2,
				       0xfedcba9876543210 };
	struct record found;

	record_encode(bytes, &record);
	ck_assert_uint_eq(get_u32(bytes), RECORD_PAGES);
	ck_assert_uint_eq(get_u32(bytes + 4), 8192);
	ck_assert_uint_eq(get_u64(bytes + 8), record.a);
	ck_assert_uint_eq(get_u64(bytes + 16), record.b);
	ck_assert_uint_eq(get_u64(bytes + 24), record.payload_sum);
	ck_assert_int_eq(record_decode(bytes, &found), 0);
	ck_assert_mem_eq(&found, &record, sizeof(record));
}
END_TEST

START_TEST(test_a_record_with_any_byte_changed_is_refused)
{
	const struct record record = { RECORD_PAGES, 8192, 0x123456789abcdef0, 2, 3 };

	for (unsigned at = 0; at < RECORD_HEADER_SIZE; at++)
		for (unsigned flip = 1; flip < 256; flip++) {
			record_encode(bytes, &record);
			bytes[at] ^= (uint8_t)flip;
			ck_assert_int_eq(decode_record(), -EBADMSG);
			ck_assert_ptr_nonnull(strstr(error_text(-EBADMSG), "wrong checksum"));
		}
}
END_TEST

/* What STREAM.md's table says of the size of each. */
static const struct {
	uint32_t type, min, max;
} sizes[] = {
	{ RECORD_MACHINE, 0, 1 << 20 },
	{ RECORD_REGIONS, 32, 1 << 20 },
	{ RECORD_NAMES, 0, 4 << 20 },
	{ RECORD_REGISTERS, 0, 4 << 20 },
	{ RECORD_MEMORY_FILE, 32, 1 << 20 },
	{ RECORD_DISKS, 0, 65536 },
	{ RECORD_END, 0, 0 },
	{ RECORD_PAGES, 4096, 4 << 20 },
	{ RECORD_ZERO, 0, 0 },
	{ RECORD_REPEATED, 8, 8 },
	{ RECORD_ZSTD, 1, 4 << 20 },
	{ RECORD_DISK_BLOCKS, 0, 4 << 20 },
	{ RECORD_DISK_SYNC, 0, 0 },
	{ RECORD_HELLO, 16, 16 },
	{ RECORD_CHECK, 0, 0 },
	{ RECORD_VERDICT, 0, 1 << 20 },
	{ RECORD_MEMORY_FD, 32, 1 << 20 },
	{ RECORD_DONE, 0, 0 },
	{ RECORD_LOADED, 0, 0 },
	{ RECORD_RUN, 0, 0 },
	{ RECORD_RUNNING, 0, 0 },
	{ RECORD_ABORT, 0, 4096 },
	{ RECORD_CONNECTIONS, 0, 0 },
	{ RECORD_MISSING, 0, 4 << 20 },
	{ RECORD_REQUEST, 0, 0 },
	{ RECORD_COMPLETE, 0, 0 },
};

static int decode_sized(uint32_t type, uint32_t size)
{
	const struct record record = { .type = type, .size = size };

	record_encode(bytes, &record);
	return decode_record();
}

START_TEST(test_a_record_of_a_size_that_its_type_cannot_have_is_refused)
{
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		ck_assert_int_eq(decode_sized(sizes[i].type, sizes[i].min), 0);
		ck_assert_int_eq(decode_sized(sizes[i].type, sizes[i].max), 0);
		ck_assert_int_eq(decode_sized(sizes[i].type, sizes[i].max + 1), -EBADMSG);
		ck_assert_ptr_nonnull(strstr(error_text(-EBADMSG), record_name(sizes[i].type)));
		ck_assert_int_eq(decode_sized(sizes[i].type, UINT32_MAX), -EBADMSG);
		if (sizes[i].min)
			ck_assert_int_eq(decode_sized(sizes[i].type, sizes[i].min - 1), -EBADMSG);
	}
}
END_TEST

START_TEST(test_a_record_of_a_type_that_is_not_known_is_refused)
{
	unsigned known = 0;

	for (uint32_t type = 0; type < 0x1000; type++) {
		bool is_known = decode_sized(type, 0) == 0 || decode_sized(type, 4096) == 0 ||
				decode_sized(type, 8) == 0 || decode_sized(type, 16) == 0;

		known += is_known;
		if (!is_known)
			ck_assert_ptr_nonnull(strstr(error_text(-EBADMSG), "unknown type"));
	}
	ck_assert_uint_eq(known, ARRAY_SIZE(sizes));
	ck_assert_int_eq(decode_sized(UINT32_MAX, 0), -EBADMSG);
}
END_TEST

START_TEST(test_a_payload_with_any_bit_changed_is_refused)
{
	uint8_t payload[100];
	struct record record = { .type = RECORD_MACHINE, .size = sizeof(payload) };

	memset(payload, 'x', sizeof(payload));
	record.payload_sum = record_sum(payload, sizeof(payload));
	ck_assert_int_eq(record_check_payload(&record, payload), 0);
	for (unsigned bit = 0; bit < 8 * sizeof(payload); bit++) {
		payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_eq(record_check_payload(&record, payload), -EBADMSG);
		payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}
END_TEST

START_TEST(test_numbers_that_the_table_leaves_out_are_zero)
{
	static const uint32_t without[] = { RECORD_MACHINE,  RECORD_END,    RECORD_CHECK,
					    RECORD_DONE,     RECORD_LOADED, RECORD_RUN,
					    RECORD_RUNNING,  RECORD_ABORT,  RECORD_COMPLETE,
					    RECORD_DISK_SYNC };

	for (unsigned i = 0; i < ARRAY_SIZE(without); i++)
		for (unsigned at = 8; at < 24; at += 8) {
			ck_assert_int_eq(decode_sized(without[i], 0), 0);
			put_u64(bytes + at, 1);
			seal_record();
			ck_assert_int_eq(decode_record(), -EBADMSG);
		}
}
END_TEST

START_TEST(test_flags_that_are_not_known_are_refused)
{
	static const struct {
		uint32_t type, size;
	} with[] = { { RECORD_HELLO, 16 }, { RECORD_VERDICT, 0 }, { RECORD_CONNECTIONS, 0 } };

	for (unsigned i = 0; i < ARRAY_SIZE(with); i++)
		for (unsigned bit = 0; bit < 64; bit++) {
			ck_assert_int_eq(decode_sized(with[i].type, with[i].size), 0);
			put_u64(bytes + 16, 1ULL << bit);
			seal_record();
			ck_assert_int_eq(decode_record(), bit < 3 ? 0 : -EBADMSG);
		}
}
END_TEST

CHECK_MAIN("record", test_a_header_of_each_kind_is_what_the_page_says,
	   test_a_header_with_any_byte_changed_is_refused,
	   test_each_thing_that_another_ferry_would_write_has_its_own_text,
	   test_a_record_is_what_it_was, test_a_record_with_any_byte_changed_is_refused,
	   test_a_record_of_a_size_that_its_type_cannot_have_is_refused,
	   test_a_record_of_a_type_that_is_not_known_is_refused,
	   test_a_payload_with_any_bit_changed_is_refused,
	   test_numbers_that_the_table_leaves_out_are_zero,
	   test_flags_that_are_not_known_are_refused)
