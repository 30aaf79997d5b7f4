/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads of every format: whole, cut short, and with bits flipped. */
#include "boot/unpack.h"

#include <errno.h>

#include <ferry/error.h>

#include "boot/images.h"
#include "check_main.h"

static struct bytes content(size_t size)
{
	const size_t period = 30000;
	struct bytes b = bytes_make(size);

	fill(b.data, size < period ? size : period, 42);
	for (size_t i = period; i < size; i++)
		b.data[i] = b.data[i - period];
	memcpy(b.data, ELFMAG, SELFMAG);
	return b;
}

/* Exactly as large as asked for, so that the sanitizer sees one byte too many. */
static int unpack_all(const uint8_t *data, size_t size, struct bytes *out)
{
	struct payload payload;
	uint8_t *exact = malloc(size ? size : 1);
	int err;

	memcpy(exact, data, size);
	err = payload_identify(exact, size, &payload);
	if (err == 0 && payload.size > 64 << 20)
		err = -E2BIG;
	if (err == 0) {
		*out = bytes_make(payload.size);
		err = payload_unpack(&payload, out->data);
		if (err < 0)
			free(out->data);
	}
	free(exact);
	return err;
}

START_TEST(test_every_format_unpacks_to_what_was_packed)
{
	/* Just over 8 MiB: two blocks of lz4, more than one chunk of lzma2. */
	static const size_t sizes[] = { 64, 4096, 8400000 };

	for (int packing = 0; packing < PACKINGS; packing++) {
		for (size_t i = 0; i < 3; i++) {
			struct bytes in = content(sizes[i]), packed = pack(&in, packing), out;

			ck_assert_msg(unpack_all(packed.data, packed.size, &out) == 0, "%d %zu: %s",
				      packing, sizes[i], error_text(0));
			ck_assert_uint_eq(out.size, in.size);
			ck_assert(memcmp(out.data, in.data, in.size) == 0);
			free(in.data);
			free(packed.data);
			free(out.data);
		}
	}
}
END_TEST

START_TEST(test_a_look_at_the_head_gives_the_head)
{
	for (int packing = 0; packing < PACKINGS; packing++) {
		struct bytes in = content(3 << 20), packed = pack(&in, packing);
		struct payload payload;
		uint8_t head[4096];

		ck_assert_int_eq(payload_identify(packed.data, packed.size, &payload), 0);
		ck_assert_int_eq(payload_peek(&payload, head, sizeof(head)), 0);
		ck_assert(memcmp(head, in.data, sizeof(head)) == 0);
		free(in.data);
		free(packed.data);
	}
}
END_TEST

START_TEST(test_a_payload_cut_anywhere_is_damaged)
{
	for (int packing = 0; packing < PACK_NONE; packing++) {
		struct bytes in = content(20000), packed = pack(&in, packing), out;
		uint32_t size = (uint32_t)in.size;

		for (size_t cut = packed.size - 5; cut > 12; cut -= cut > 200 ? 97 : 1) {
			/* With the right size at its end, as if the middle had been lost. */
			memcpy(packed.data + cut - 4, &size, sizeof(size));
			ck_assert_msg(unpack_all(packed.data, cut, &out) == -ENOEXEC, "%d: %zu",
				      packing, cut);
			ck_assert_ptr_nonnull(strstr(error_text(0), "damaged"));
		}
		free(in.data);
		free(packed.data);
	}
}
END_TEST

START_TEST(test_a_size_that_is_not_the_payloads_is_damage)
{
	static const int32_t off[] = { -20000 + 1, -1, 1, 100000, 2000000000 };

	for (int packing = 0; packing < PACK_NONE; packing++) {
		struct bytes in = content(20000), packed = pack(&in, packing), out;

		for (size_t i = 0; i < 5; i++) {
			put32(packed.data + packed.size - 4, (uint32_t)(20000 + off[i]));
			ck_assert_msg(unpack_all(packed.data, packed.size, &out) == -ENOEXEC,
				      "%d %d", packing, off[i]);
		}
		put32(packed.data + packed.size - 4, 0);
		ck_assert_int_eq(unpack_all(packed.data, packed.size, &out), -ENOEXEC);
		free(in.data);
		free(packed.data);
	}
}
END_TEST

START_TEST(test_flipped_bits_fail_or_unpack_but_never_crash)
{
	uint64_t seed = 1;

	for (int packing = 0; packing < PACK_NONE; packing++) {
		struct bytes in = content(30000), packed = pack(&in, packing), out;
		int damaged = 0;

		for (int i = 0; i < 400; i++) {
			size_t at = next_random(&seed) % packed.size;
			uint8_t was = packed.data[at];

			packed.data[at] ^= (uint8_t)(1 << next_random(&seed) % 8);
			if (unpack_all(packed.data, packed.size, &out) == 0)
				free(out.data);
			else
				damaged++;
			packed.data[at] = was;
		}
		/* All have a checksum but lz4's old frame, and lzma, whose coder itself notices
		 * most. */
		ck_assert_int_ge(damaged, packing == PACK_LZ4 ? 30 : 350);
		free(in.data);
		free(packed.data);
	}
}
END_TEST

START_TEST(test_a_wrong_checksum_is_named)
{
	struct bytes in = content(5000), packed = pack_zstd(&in), out;
	uint32_t size = 5000;

	packed.data[packed.size - 2] ^= 4;
	bytes_grow(&packed, &size, sizeof(size));
	ck_assert_int_eq(unpack_all(packed.data, packed.size, &out), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(error_text(0), "checksum"));
	free(in.data);
	free(packed.data);
}
END_TEST

START_TEST(test_unknown_compression_is_named)
{
	struct payload payload;

	ck_assert_int_eq(payload_identify((const uint8_t *)"BZh91AY&SY......", 16, &payload),
			 -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(error_text(0), "bzip2"));
	ck_assert_int_eq(
		payload_identify((const uint8_t *)"\x89LZO\0\r\n\x1a\n.......", 16, &payload),
		-ENOEXEC);
	ck_assert_ptr_nonnull(strstr(error_text(0), "lzo"));
	ck_assert_int_eq(payload_identify((const uint8_t *)"................", 16, &payload),
			 -ENOEXEC);
	ck_assert_int_eq(payload_identify((const uint8_t *)"\x1f\x8b", 2, &payload), -ENOEXEC);
}
END_TEST

CHECK_MAIN("unpack", test_every_format_unpacks_to_what_was_packed,
	   test_a_look_at_the_head_gives_the_head, test_a_payload_cut_anywhere_is_damaged,
	   test_a_size_that_is_not_the_payloads_is_damage,
	   test_flipped_bits_fail_or_unpack_but_never_crash, test_a_wrong_checksum_is_named,
	   test_unknown_compression_is_named)
