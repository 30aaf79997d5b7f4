/* SPDX-License-Identifier: Apache-2.0 */
/* Pages as records: what is packed is what is unpacked, and nothing else gets into memory. */
#include "migrate/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include <ferry/error.h>

#include "base/util.h"
#include "check_main.h"
#include "mem/mem.h"
#include "migrate/bytes.h"
#include "migrate/state.h"

#define PAGE  GUEST_PAGE_SIZE
#define PAGES 320
/* Two regions that touch, and one far away. */
#define LOW_PAGES  192
#define NEXT_PAGES 96
#define FAR	   (4 * GIB)

static struct mem from, to;
static struct bytes bytes;
static struct page_packer packer;
static struct page_unpacker unpacker;
static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t random_word(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void map(struct mem *mem)
{
	const struct mem_options options = { .name = "test" };

	ck_assert_int_eq(mem_init(mem, -1, 8, &options), 0);
	ck_assert_int_eq(mem_map_ram(mem, "low", 0, LOW_PAGES * PAGE, 0), 0);
	ck_assert_int_eq(mem_map_ram(mem, "next", LOW_PAGES * PAGE, NEXT_PAGES * PAGE, 0), 0);
	ck_assert_int_eq(
		mem_map_ram(mem, "far", FAR, (PAGES - LOW_PAGES - NEXT_PAGES) * PAGE, MEM_READONLY),
		0);
}

static void setup(int compress)
{
	map(&from);
	map(&to);
	ck_assert_int_eq(page_packer_init(&packer, bytes_stream(&bytes), compress), 0);
	ck_assert_int_eq(page_unpacker_init(&unpacker, &to, NULL), 0);
}

static void teardown(void)
{
	page_packer_finish(&packer);
	page_unpacker_finish(&unpacker);
	bytes_finish(&bytes);
	mem_finish(&from);
	mem_finish(&to);
}

static uint64_t gpa_of(unsigned page)
{
	return page < LOW_PAGES + NEXT_PAGES ? page * PAGE
					     : FAR + (page - LOW_PAGES - NEXT_PAGES) * PAGE;
}

static uint8_t *page_of(const struct mem *mem, unsigned page)
{
	return (uint8_t *)mem_ptr(mem, gpa_of(page), PAGE);
}

/* Zero, of one word, almost zero, compressible, not compressible. */
static void fill(uint8_t *page, unsigned kind)
{
	uint64_t word = random_word() | 1;

	memset(page, 0, PAGE);
	for (unsigned at = 0; at < PAGE; at += sizeof(word)) {
		if (kind == 4)
			word = random_word();
		else if (kind == 3)
			word = at / 64;
		if (kind == 1 || kind >= 3)
			memcpy(page + at, &word, sizeof(word));
	}
	if (kind == 2)
		page[random_word() % PAGE] = 1;
}

static void pack(bool with_zeros)
{
	struct page_sink sink = page_packer_sink(&packer);

	for (unsigned i = 0; i < PAGES; i++) {
		if (i == LOW_PAGES || i == LOW_PAGES + NEXT_PAGES)
			ck_assert_int_eq(sink.flush(sink.self), 0);
		if (with_zeros && i % 3 == 0)
			memset(page_of(&from, i), 0, PAGE);
		if (with_zeros && i % 3 == 0)
			ck_assert_int_eq(sink.add_zero(sink.self, gpa_of(i), 1), 0);
		else
			ck_assert_int_eq(sink.add(sink.self, gpa_of(i), page_of(&from, i)), 0);
	}
	ck_assert_int_eq(sink.flush(sink.self), 0);
}

static int unpack(void)
{
	const struct stream stream = bytes_stream(&bytes);
	struct record record;
	int err = 0;

	while (!err && bytes.at < bytes.buffer.size) {
		err = stream_receive(&stream, &record);
		if (!err && !page_record(&record))
			err = because(-EBADMSG, "another record");
		if (!err)
			err = page_unpacker_receive(&unpacker, &stream, &record);
	}
	return err;
}

static void check_same(void)
{
	for (unsigned i = 0; i < PAGES; i++)
		ck_assert_msg(memcmp(page_of(&from, i), page_of(&to, i), PAGE) == 0,
			      "page %u differs", i);
}

static void round_trip(int compress)
{
	for (unsigned round = 0; round < 8; round++) {
		setup(compress);
		for (unsigned i = 0, kind = 0, left = 0; i < PAGES; i++, left--) {
			if (!left) {
				kind = (unsigned)random_word() % 5;
				left = 1 + (unsigned)random_word() % 90;
			}
			fill(page_of(&from, i), round % 2 ? kind : (unsigned)random_word() % 5);
			/* What is there already is replaced, also by zeros. */
			fill(page_of(&to, i), (unsigned)random_word() % 5);
		}
		pack(round % 4 == 3);
		ck_assert_int_eq(unpack(), 0);
		ck_assert_uint_eq(unpacker.pages, PAGES);
		check_same();
		teardown();
	}
}

START_TEST(test_every_mix_of_pages_arrives)
{
	round_trip(0);
}
END_TEST

START_TEST(test_every_mix_of_pages_arrives_compressed)
{
	round_trip(1);
}
END_TEST

/* The types of the records that came of the pages added. */
static void check_types(const uint32_t *types, const uint64_t *pages, unsigned count)
{
	const struct stream stream = bytes_stream(&bytes);
	struct record record;
	struct buffer payload = { 0 };

	for (unsigned i = 0; i < count; i++) {
		ck_assert_int_eq(stream_receive(&stream, &record), 0);
		ck_assert_uint_eq(record.type, types[i]);
		ck_assert_uint_eq(record.b, pages[i]);
		ck_assert_int_eq(stream_receive_buffer(&stream, &record, &payload), 0);
	}
	ck_assert_uint_eq(bytes.at, bytes.buffer.size);
	buffer_finish(&payload);
}

START_TEST(test_pages_are_said_in_as_few_bytes_as_pays)
{
	static const unsigned kinds[] = { 0, 0, 1, 3, 3, 4, 4 };
	static const uint32_t plain[] = { RECORD_ZERO, RECORD_REPEATED, RECORD_PAGES, RECORD_ZERO };
	static const uint32_t packed[] = { RECORD_ZERO, RECORD_REPEATED, RECORD_ZSTD, RECORD_ZERO };
	static const uint64_t pages[] = { 2, 1, 2, 7 };

	for (int compress = 0; compress < 2; compress++) {
		struct page_sink sink;

		setup(compress);
		sink = page_packer_sink(&packer);
		for (unsigned i = 0; i < 5; i++) {
			fill(page_of(&from, i), kinds[i]);
			sink.add(sink.self, gpa_of(i), page_of(&from, i));
		}
		sink.add_zero(sink.self, gpa_of(5), 7);
		ck_assert_uint_eq(bytes.buffer.size, 0);
		ck_assert_int_eq(sink.flush(sink.self), 0);
		ck_assert_int_eq(sink.flush(sink.self), 0);
		check_types(compress ? packed : plain, pages, 4);
		teardown();
	}
}
END_TEST

START_TEST(test_repeated_words_that_differ_are_not_one_run)
{
	setup(0);
	memset(page_of(&from, 0), 1, PAGE);
	memset(page_of(&from, 1), 1, PAGE);
	memset(page_of(&from, 2), 2, PAGE);
	pack(false);
	ck_assert_int_eq(unpack(), 0);
	check_same();
	teardown();
}
END_TEST

/* Without compression only random bytes; with it what compresses well is not packed if it is not.
 */
START_TEST(test_what_does_not_compress_is_sent_as_it_is)
{
	static const uint32_t types[] = { RECORD_PAGES };
	static const uint64_t pages[] = { 3 };
	struct page_sink sink;

	setup(1);
	sink = page_packer_sink(&packer);
	for (unsigned i = 0; i < 3; i++) {
		fill(page_of(&from, i), 4);
		sink.add(sink.self, gpa_of(i), page_of(&from, i));
	}
	ck_assert_int_eq(sink.flush(sink.self), 0);
	check_types(types, pages, 1);
	teardown();
}
END_TEST

static int receive_one(uint32_t type, uint64_t gpa, uint64_t pages, const void *data, size_t size)
{
	const struct stream stream = bytes_stream(&bytes);
	struct record record;
	int err;

	bytes_finish(&bytes);
	ck_assert_int_eq(stream_send(&stream, type, gpa, pages, data, size), 0);
	err = stream_receive(&stream, &record);
	return err ? err : page_unpacker_receive(&unpacker, &stream, &record);
}

static void paint(void)
{
	for (unsigned i = 0; i < PAGES; i++)
		memset(page_of(&to, i), 0xaa, PAGE);
}

/* All but the pages from first on are as paint() left them. */
static void check_untouched(unsigned first, unsigned count)
{
	uint8_t painted[PAGE];

	memset(painted, 0xaa, PAGE);
	for (unsigned i = 0; i < PAGES; i++)
		if (i - first >= count)
			ck_assert_mem_eq(page_of(&to, i), painted, PAGE);
}

START_TEST(test_pages_that_are_not_memory_are_refused)
{
	static const struct {
		uint64_t gpa, pages;
	} cases[] = {
		{ LOW_PAGES * PAGE - PAGE, 2 },		/* into the next region */
		{ (LOW_PAGES + NEXT_PAGES) * PAGE, 1 }, /* behind it */
		{ (LOW_PAGES + NEXT_PAGES - 1) * PAGE, 2 },
		{ FAR - PAGE, 1 },
		{ FAR - PAGE, 2 }, /* before */
		{ FAR + 32 * PAGE, 1 },
		{ FAR + 31 * PAGE, 2 },
		{ 0, 0 }, /* none */
		{ 1, 1 },
		{ 8, 1 },
		{ PAGE / 2, 1 }, /* not a page's */
		{ 0, LOW_PAGES + 1 },
		{ UINT64_MAX - PAGE + 1, 1 },
		{ UINT64_MAX, 1 },
		{ 0, UINT64_MAX },
		{ 0, UINT64_MAX / PAGE },
		{ 0, UINT64_MAX / PAGE + 1 },
		{ 0, UINT64_MAX / PAGE + 2 },
		{ PAGE, 1ULL << 52 },
		{ 0, (1ULL << 52) + 1 },
	};
	uint8_t *data = calloc(2, PAGE);

	setup(0);
	paint();
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t gpa = cases[i].gpa, pages = cases[i].pages;

		ck_assert_int_eq(receive_one(RECORD_PAGES, gpa, pages, data, PAGE), -EBADMSG);
		ck_assert_int_eq(receive_one(RECORD_PAGES, gpa, pages, data, 2 * PAGE), -EBADMSG);
		ck_assert_int_eq(receive_one(RECORD_ZERO, gpa, pages, NULL, 0), -EBADMSG);
		ck_assert_int_eq(receive_one(RECORD_REPEATED, gpa, pages, data, 8), -EBADMSG);
		ck_assert_int_eq(receive_one(RECORD_ZSTD, gpa, pages, data, 100), -EBADMSG);
	}
	check_untouched(0, 0);
	free(data);
	teardown();
}
END_TEST

START_TEST(test_a_wrong_count_of_pages_is_refused)
{
	uint8_t *data = calloc(3, PAGE);

	setup(0);
	paint();
	ck_assert_int_eq(receive_one(RECORD_PAGES, 0, 1, data, 2 * PAGE), -EBADMSG);
	ck_assert_int_eq(receive_one(RECORD_PAGES, 0, 3, data, 2 * PAGE), -EBADMSG);
	ck_assert_int_eq(receive_one(RECORD_PAGES, 0, 2, data, 2 * PAGE - 1), -EBADMSG);
	ck_assert_int_eq(receive_one(RECORD_PAGES, 0, 1, data, PAGE + 1), -EBADMSG);
	check_untouched(0, 0);
	free(data);
	teardown();
}
END_TEST

/* size bytes of one value as a frame, taken for pages pages; the frame may say its size or not. */
static int receive_frame(uint64_t gpa, uint64_t pages, size_t size, bool with_size)
{
	uint8_t *data = malloc(size), *frame = malloc(ZSTD_compressBound(size));
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	size_t packed;
	int err;

	memset(data, 0xbb, size);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, with_size);
	packed = ZSTD_compress2(zstd, frame, ZSTD_compressBound(size), data, size);
	err = receive_one(RECORD_ZSTD, gpa, pages, frame, packed);
	ZSTD_freeCCtx(zstd);
	free(frame);
	free(data);
	return err;
}

START_TEST(test_a_frame_that_does_not_expand_to_its_pages_is_refused)
{
	const uint64_t last = (LOW_PAGES + NEXT_PAGES - 1) * PAGE;

	setup(0);
	for (int with_size = 0; with_size < 2; with_size++) {
		ck_assert_int_eq(receive_frame(last, 1, PAGE, with_size), 0);
		ck_assert_int_eq(receive_frame(last, 1, PAGE - 1, with_size), -EBADMSG);
		ck_assert_int_eq(receive_frame(last, 1, PAGE + 1, with_size), -EBADMSG);
		ck_assert_int_eq(receive_frame(last, 1, 1000 * PAGE, with_size), -EBADMSG);
		ck_assert_int_eq(receive_frame(last - PAGE, 2, PAGE, with_size), -EBADMSG);
		ck_assert_int_eq(receive_frame(last - PAGE, 2, 3 * PAGE, with_size), -EBADMSG);
	}
	/* More than a record may expand to. */
	ck_assert_int_eq(receive_frame(0, 1025, 1025 * PAGE, true), -EBADMSG);
	ck_assert_int_eq(receive_one(RECORD_ZSTD, 0, 1, "no frame at all", 15), -EBADMSG);
	teardown();
}
END_TEST

/* ASan does not watch memory that is mapped; the region behind does. */
START_TEST(test_a_frame_that_expands_to_more_stays_in_its_pages)
{
	setup(0);
	paint();
	ck_assert_int_eq(receive_frame(3 * PAGE, 2, 20 * PAGE, true), -EBADMSG);
	ck_assert_int_eq(receive_frame(3 * PAGE, 2, 20 * PAGE, false), -EBADMSG);
	check_untouched(3, 2);
	teardown();
}
END_TEST

START_TEST(test_damaged_pages_are_refused)
{
	const struct stream stream = bytes_stream(&bytes);
	struct record record;
	uint8_t *data = calloc(2, PAGE);

	setup(0);
	for (unsigned at = 0; at < 2 * PAGE; at += 511) {
		bytes_finish(&bytes);
		ck_assert_int_eq(stream_send(&stream, RECORD_PAGES, 0, 2, data, 2 * PAGE), 0);
		bytes.buffer.data[RECORD_HEADER_SIZE + at] ^= 4;
		ck_assert_int_eq(stream_receive(&stream, &record), 0);
		ck_assert_int_eq(page_unpacker_receive(&unpacker, &stream, &record), -EBADMSG);
	}
	ck_assert_uint_eq(unpacker.pages, 0);
	free(data);
	teardown();
}
END_TEST

static int broken(void)
{
	return because(-EPIPE, "closed");
}

START_TEST(test_a_failed_write_is_told)
{
	struct page_sink sink;

	setup(0);
	bytes.broken = broken;
	sink = page_packer_sink(&packer);
	for (unsigned i = 0; i < PAGES_BATCH; i++) {
		fill(page_of(&from, i), 4);
		ck_assert_int_eq(sink.add(sink.self, gpa_of(i), page_of(&from, i)), 0);
	}
	ck_assert_int_eq(sink.add(sink.self, gpa_of(64), page_of(&from, 64)), -EPIPE);
	ck_assert_int_eq(sink.add(sink.self, gpa_of(64), page_of(&from, 64)), 0);
	ck_assert_int_eq(sink.flush(sink.self), -EPIPE);
	bytes.broken = NULL;
	teardown();
}
END_TEST

CHECK_MAIN("pages", test_every_mix_of_pages_arrives, test_every_mix_of_pages_arrives_compressed,
	   test_pages_are_said_in_as_few_bytes_as_pays,
	   test_repeated_words_that_differ_are_not_one_run,
	   test_what_does_not_compress_is_sent_as_it_is, test_pages_that_are_not_memory_are_refused,
	   test_a_wrong_count_of_pages_is_refused,
	   test_a_frame_that_does_not_expand_to_its_pages_is_refused,
	   test_a_frame_that_expands_to_more_stays_in_its_pages, test_damaged_pages_are_refused,
	   test_a_failed_write_is_told)
