/* SPDX-License-Identifier: Apache-2.0 */
/* Records one after the other, lists in parts, and the table of memory. */
#include "migrate/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "check_main.h"
#include "mem/mem.h"
#include "migrate/bytes.h"
#include "migrate/regions.h"

static struct bytes bytes;
static struct record record;
static struct buffer buffer;

static void restart(void)
{
	bytes_finish(&bytes);
	buffer_finish(&buffer);
	error_clear();
}

static int receive(void)
{
	const struct stream stream = bytes_stream(&bytes);

	return stream_receive(&stream, &record);
}

static int receive_parts(enum record_type type)
{
	const struct stream stream = bytes_stream(&bytes);
	int err = stream_expect(&stream, type, &record);

	return err ? err : stream_receive_parts(&stream, &record, &buffer);
}

static void send(enum record_type type, uint64_t a, uint64_t b, const void *data, size_t size)
{
	const struct stream stream = bytes_stream(&bytes);

	ck_assert_int_eq(stream_send(&stream, type, a, b, data, size), 0);
}

START_TEST(test_a_stream_cut_off_anywhere_ends_in_an_error)
{
	const struct stream stream = bytes_stream(&bytes);
	char payload[8];
	size_t whole;
	int err;

	ck_assert_int_eq(stream_send_header(&stream, STREAM_SNAPSHOT), 0);
	send(RECORD_MACHINE, 0, 0, "machine!", 8);
	whole = bytes.buffer.size;
	ck_assert_uint_eq(whole, STREAM_HEADER_SIZE + RECORD_HEADER_SIZE + 8);
	for (size_t size = 0; size <= whole; size++) {
		bytes.buffer.size = size;
		bytes.at = 0;
		err = stream_receive_header(&stream, STREAM_SNAPSHOT);
		if (!err)
			err = stream_expect(&stream, RECORD_MACHINE, &record);
		if (!err)
			err = stream_receive_payload(&stream, &record, payload);
		ck_assert_int_eq(err, size == whole ? 0 : -EPIPE);
	}
	restart();
}
END_TEST

START_TEST(test_a_stream_of_another_kind_is_refused)
{
	const struct stream stream = bytes_stream(&bytes);

	ck_assert_int_eq(stream_send_header(&stream, STREAM_DATA), 0);
	ck_assert_int_eq(stream_receive_header(&stream, STREAM_URGENT), -EINVAL);
	restart();
}
END_TEST

START_TEST(test_the_peers_reason_arrives_fit_to_be_printed)
{
	char text[4096];

	send(RECORD_ABORT, 0, 0, "no \x1b[2Jspace\n\xff", 14);
	ck_assert_int_eq(receive(), -EREMOTEIO);
	ck_assert_str_eq(error_text(-EREMOTEIO), "the other side gave up: no ?[2Jspace??");
	restart();
	memset(text, 'x', sizeof(text));
	send(RECORD_ABORT, 0, 0, text, sizeof(text));
	ck_assert_int_eq(receive(), -EREMOTEIO);
	ck_assert_uint_eq(strlen(error_text(-EREMOTEIO)), ERROR_TEXT_MAX - 1);
	restart();
	send(RECORD_ABORT, 0, 0, "", 0);
	ck_assert_int_eq(receive(), -EREMOTEIO);
	restart();
	send(RECORD_ABORT, 0, 0, "text", 4);
	bytes.buffer.data[RECORD_HEADER_SIZE] ^= 1;
	ck_assert_int_eq(receive(), -EBADMSG);
	restart();
}
END_TEST

START_TEST(test_giving_up_keeps_the_reason_on_this_side)
{
	const struct stream stream = bytes_stream(&bytes);

	stream_abort(&stream, because(-ENOSPC, "the disk is full"));
	ck_assert_str_eq(error_text(-ENOSPC), "the disk is full");
	ck_assert_int_eq(receive(), -EREMOTEIO);
	ck_assert_str_eq(error_text(-EREMOTEIO), "the other side gave up: the disk is full");
	restart();
}
END_TEST

START_TEST(test_a_record_out_of_turn_names_both)
{
	const struct stream stream = bytes_stream(&bytes);

	send(RECORD_DONE, 0, 0, NULL, 0);
	ck_assert_int_eq(stream_expect(&stream, RECORD_RUN, &record), -EBADMSG);
	ck_assert_str_eq(error_text(-EBADMSG), "a record of done where one of run was due");
	restart();
}
END_TEST

/* The sizes around which records are cut. */
START_TEST(test_a_list_of_any_length_arrives_whole)
{
	const size_t sizes[] = { 0,
				 1,
				 RECORD_PAYLOAD_MAX - 1,
				 RECORD_PAYLOAD_MAX,
				 RECORD_PAYLOAD_MAX + 1,
				 3 * RECORD_PAYLOAD_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		const struct stream stream = bytes_stream(&bytes);
		struct buffer list = { .size = sizes[i], .data = malloc(sizes[i] + 1) };

		for (size_t at = 0; at < sizes[i]; at++)
			list.data[at] = (uint8_t)(at * 7 + at / 4096);
		ck_assert_int_eq(stream_send_buffer(&stream, RECORD_NAMES, &list), 0);
		ck_assert_int_eq(receive_parts(RECORD_NAMES), 0);
		ck_assert_uint_eq(buffer.size, sizes[i]);
		if (sizes[i])
			ck_assert_mem_eq(buffer.data, list.data, sizes[i]);
		ck_assert_uint_eq(bytes.at, bytes.buffer.size);
		buffer_finish(&list);
		restart();
	}
}
END_TEST

START_TEST(test_parts_that_do_not_fit_together_are_refused)
{
	static const struct {
		struct {
			enum record_type type;
			uint64_t a, b;
			size_t size;
		} parts[2];
		int err;
	} cases[] = {
		{ { { RECORD_NAMES, 0, 8, 4 }, { RECORD_NAMES, 4, 8, 4 } }, 0 },
		{ { { RECORD_NAMES, 1, 8, 4 } }, -EBADMSG },
		{ { { RECORD_NAMES, 0, 3, 4 } }, -EBADMSG },
		{ { { RECORD_NAMES, 0, 8, 0 } }, -EBADMSG },
		{ { { RECORD_NAMES, 0, (1ULL << 30) + 1, 4 } }, -EBADMSG },
		{ { { RECORD_NAMES, 0, UINT64_MAX, 4 } }, -EBADMSG },
		{ { { RECORD_NAMES, UINT64_MAX, UINT64_MAX, 0 } }, -EBADMSG },
		{ { { RECORD_NAMES, 0, 8, 4 }, { RECORD_NAMES, 4, 9, 4 } }, -EBADMSG },
		{ { { RECORD_NAMES, 0, 8, 4 }, { RECORD_NAMES, 0, 8, 4 } }, -EBADMSG },
		{ { { RECORD_NAMES, 0, 8, 4 }, { RECORD_NAMES, 4, 8, 5 } }, -EBADMSG },
		{ { { RECORD_NAMES, 0, 8, 4 }, { RECORD_NAMES, 4, 8, 0 } }, -EBADMSG },
		{ { { RECORD_NAMES, 0, 8, 4 }, { RECORD_REGISTERS, 4, 8, 4 } }, -EBADMSG },
		{ { { RECORD_NAMES, 0, 8, 4 } }, -EPIPE },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		for (unsigned part = 0; part < 2 && cases[i].parts[part].type; part++)
			send(cases[i].parts[part].type, cases[i].parts[part].a,
			     cases[i].parts[part].b, "12345678", cases[i].parts[part].size);
		ck_assert_msg(receive_parts(RECORD_NAMES) == cases[i].err, "case %u", i);
		restart();
	}
}
END_TEST

/* The table of memory. */

static void map_two(struct mem *mem, uint64_t size)
{
	const struct mem_options options = { .name = "test" };

	ck_assert_int_eq(mem_init(mem, -1, 8, &options), 0);
	ck_assert_int_eq(mem_map_ram(mem, "ram", 0, size, 0), 0);
	ck_assert_int_eq(mem_map_ram(mem, "rom", 4 * GIB - MIB, MIB, MEM_READONLY), 0);
}

static void compare(const struct mem *there, const struct mem *here, bool with_offsets,
		    const char *text)
{
	const struct stream stream = bytes_stream(&bytes);
	struct verdict verdict = { 0 };

	restart();
	ck_assert_int_eq(regions_send(&stream, RECORD_REGIONS, there), 0);
	ck_assert_int_eq(stream_expect(&stream, RECORD_REGIONS, &record), 0);
	ck_assert_int_eq(regions_receive(&stream, &record, &buffer), 0);
	regions_compare(&buffer, here, with_offsets, &verdict);
	ck_assert_str_eq(verdict_text(&verdict), text);
	verdict_finish(&verdict);
	restart();
}

START_TEST(test_every_difference_of_memory_is_told)
{
	const struct mem_options options = { .name = "test" };
	struct mem a, b, one;

	map_two(&a, MIB);
	map_two(&b, 2 * MIB);
	ck_assert_int_eq(mem_init(&one, -1, 8, &options), 0);
	ck_assert_int_eq(mem_map_ram(&one, "ram", 0, MIB, 0), 0);
	compare(&a, &a, true, "");
	compare(&a, &b, false, "memory: 0x100000 bytes at 0 there, 0x200000 at 0 here\n");
	compare(&a, &b, true,
		"memory: 0x100000 bytes at 0 there, 0x200000 at 0 here\n"
		"memory: 0x100000 bytes at 0xfff00000 there, 0x100000 at 0xfff00000 "
		"here\n");
	compare(&a, &one, false, "memory: 0x100000 bytes at 0xfff00000 are not here\n");
	compare(&one, &a, false, "memory: 0x100000 bytes at 0xfff00000 are only here\n");
	ck_assert_int_eq(mem_map_ram(&one, "ram", 4 * GIB - MIB, MIB, 0), 0);
	compare(&one, &a, false,
		"memory: 0x100000 bytes at 0xfff00000 there, 0x100000 at "
		"0xfff00000 here\n");
	mem_finish(&a);
	mem_finish(&b);
	mem_finish(&one);
}
END_TEST

START_TEST(test_what_is_no_table_of_memory_is_refused)
{
	static const struct {
		uint64_t count;
		size_t size;
	} cases[] = { { 1, 33 }, { 1, 64 }, { 2, 32 }, { 0, 32 }, { UINT64_MAX, 64 } };
	const struct stream stream = bytes_stream(&bytes);
	uint8_t table[64] = { 0 };

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		send(RECORD_REGIONS, cases[i].count, 0, table, cases[i].size);
		ck_assert_int_eq(receive(), 0);
		ck_assert_int_eq(regions_receive(&stream, &record, &buffer), -EBADMSG);
		restart();
	}
}
END_TEST

CHECK_MAIN("stream", test_a_stream_cut_off_anywhere_ends_in_an_error,
	   test_a_stream_of_another_kind_is_refused,
	   test_the_peers_reason_arrives_fit_to_be_printed,
	   test_giving_up_keeps_the_reason_on_this_side, test_a_record_out_of_turn_names_both,
	   test_a_list_of_any_length_arrives_whole, test_parts_that_do_not_fit_together_are_refused,
	   test_every_difference_of_memory_is_told, test_what_is_no_table_of_memory_is_refused)
