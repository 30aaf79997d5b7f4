/* SPDX-License-Identifier: Apache-2.0 */
/* Relocation tables: their shapes, their effect, and malformed ones. */
#include "boot/reloc.h"

#include <errno.h>

#include <ferry/error.h>

#include "boot/relocs.h"
#include "check_main.h"

static struct vmlinux vmlinux;
static struct mem mem;

static void setup(const struct bytes *file, struct image *image)
{
	struct mem_options options = { .name = "reloc-test" };

	image_init_memory(image, file->data, file->size);
	ck_assert_int_eq(vmlinux_parse(image, file->size, &vmlinux), 0);
	ck_assert_int_eq(mem_init(&mem, -1, 4, &options), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "ram", 0, 64 << 20, 0), 0);
}

static int find_and_apply(const struct image *image, uint64_t delta)
{
	struct reloc_table table;
	int err = reloc_find(image, &vmlinux, &table);

	if (err == 0)
		err = vmlinux_load(image, &vmlinux, &mem, delta);
	return err < 0 ? err : reloc_apply(&table, &vmlinux, &mem, delta);
}

static void moves_as_expected(bool inverse, uint64_t seed)
{
	uint64_t delta = 0x200000 * (1 + seed % 20);
	struct bytes file = make_vmlinux(true), expected;
	struct relocs relocs;
	struct image image;

	make_relocs(&relocs, inverse, seed);
	ck_assert_uint_gt(relocs.count[GROUP64], 5);
	ck_assert_uint_gt(relocs.count[GROUP32], 5);
	append_relocs(&file, &relocs);
	expected = expect_kernel(&file, &relocs, delta);
	setup(&file, &image);
	ck_assert_int_eq(find_and_apply(&image, delta), 0);
	ck_assert(memcmp(mem_ptr(&mem, LINK_START + delta, expected.size), expected.data,
			 expected.size) == 0);
	mem_finish(&mem);
	free(file.data);
	free(expected.data);
}

START_TEST(test_result_equals_an_independent_computation)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		moves_as_expected(true, seed);
		moves_as_expected(false, seed);
	}
}
END_TEST

START_TEST(test_a_file_that_ends_with_the_elf_file_has_no_table)
{
	struct bytes file = make_vmlinux(true);
	struct reloc_table table;
	struct image image;

	setup(&file, &image);
	ck_assert_int_eq(reloc_find(&image, &vmlinux, &table), 0);
	ck_assert_uint_eq(table.words, 0);
	mem_finish(&mem);
	free(file.data);
}
END_TEST

/* A table of these words behind a sound kernel. */
static int apply_words(const uint32_t *words, size_t size)
{
	struct bytes file = make_vmlinux(true);
	struct image image;
	int err;

	bytes_grow(&file, words, size);
	setup(&file, &image);
	err = find_and_apply(&image, 0x200000);
	mem_finish(&mem);
	free(file.data);
	return err;
}

#define WORD(paddr) ((uint32_t)(VIRTUAL + (paddr)))

START_TEST(test_malformed_tables_are_refused)
{
	static const struct {
		uint32_t words[6];
		size_t size;
	} bad[] = {
		{ { 0 }, 1 },
		{ { 0 }, 4 },				       /* one group */
		{ { 0, WORD(LINK_START) }, 8 },		       /* one group */
		{ { 0, 0, 0 }, 9 },			       /* not whole words */
		{ { 0, 0, 0, 0 }, 16 },			       /* four groups */
		{ { WORD(LINK_START), 0, 0 }, 12 },	       /* words before the first zero */
		{ { WORD(LINK_START), WORD(LINK_START) }, 8 }, /* no zero */
		{ { 0x5d5d5d5d, 0, 0, 0 }, 16 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(apply_words(bad[i].words, bad[i].size) == -ENOEXEC, "%zu", i);
		ck_assert_ptr_nonnull(strstr(error_text(0), "relocation table"));
	}
	ck_assert_int_eq(apply_words((uint32_t[]){ 0, 0 }, 8), 0);
	ck_assert_int_eq(apply_words((uint32_t[]){ 0, 0, 0 }, 12), 0);
}
END_TEST

START_TEST(test_places_outside_of_the_file_parts_of_segments_are_refused)
{
	static const struct {
		uint64_t paddr;
		bool ok32, ok64;
	} edges[] = {
		{ LINK_START, true, true },
		{ LINK_START - 1, false, false },
		{ 0x1006000 - 4, true, false }, /* the end of the first segment */
		{ 0x1006000 - 3, false, false },
		{ 0x1006000 - 8, true, true },
		{ 0x1006800, false, false }, /* a gap */
		{ 0x1007000, true, true },
		{ 0x100b800, true, false }, /* the last of the last segment's file part */
		{ 0x100b804, false, false },
		{ 0x100c000, false, false }, /* .bss */
		{ LINK_END, false, false },
		{ 0, false, false },
		{ 0x7fffffff, false, false },
		{ 0x80000000, false, false }, /* sign-extends to the lower half */
		{ 0x81000000, false, false },
	};

	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		uint32_t in32[] = { 0, 0, 0, WORD(edges[i].paddr) };
		uint32_t inverse[] = { 0, 0, WORD(edges[i].paddr), 0 };
		uint32_t in64[] = { 0, WORD(edges[i].paddr), 0, 0 };

		/* A place whose word is 0 would be a terminator. */
		if (!in32[3])
			continue;
		ck_assert_msg((apply_words(in32, 16) == 0) == edges[i].ok32, "32: %zu", i);
		ck_assert_msg((apply_words(inverse, 16) == 0) == edges[i].ok32, "-32: %zu", i);
		ck_assert_msg((apply_words(in64, 16) == 0) == edges[i].ok64, "64: %zu", i);
	}
}
END_TEST

START_TEST(test_delta_stays_below_limit_and_below_1_gib)
{
	const uint64_t mib = 1 << 20, gib = 1 << 30;
	uint64_t seen = 0, top = 0, delta;

	for (int i = 0; i < 2000; i++) {
		delta = reloc_choose_delta(40 * mib, 64 * mib, 2 * mib);
		ck_assert_uint_eq(delta % (2 * mib), 0);
		ck_assert_uint_le(delta, 24 * mib);
		seen |= 1ULL << (delta / (2 * mib));
		delta = reloc_choose_delta(40 * mib, 64 * gib, 16 * mib);
		ck_assert_uint_eq(delta % (16 * mib), 0);
		ck_assert_uint_le(40 * mib + delta, gib);
		top = delta > top ? delta : top;
	}
	/* Every one of 13 places, in 2000 throws. */
	ck_assert_uint_eq(seen, 0x1fff);
	ck_assert_uint_gt(top, 700 * mib);
	ck_assert_uint_eq(reloc_choose_delta(64 * mib, 64 * mib, 2 * mib), 0);
	ck_assert_uint_eq(reloc_choose_delta(65 * mib, 64 * mib, 2 * mib), 0);
}
END_TEST

CHECK_MAIN("reloc", test_result_equals_an_independent_computation,
	   test_a_file_that_ends_with_the_elf_file_has_no_table, test_malformed_tables_are_refused,
	   test_places_outside_of_the_file_parts_of_segments_are_refused,
	   test_delta_stays_below_limit_and_below_1_gib)
