/* SPDX-License-Identifier: Apache-2.0 */
/* Thousands of damaged images: each is refused with a reason, or loaded, and nothing else happens.
 */
#include <errno.h>

#include "boot/boot_fixture.h"
#include "check_main.h"

/* Little, so that damaged addresses miss it; enough for the kernel in four places. */
#define RAM (24 * MIB_SIZE)

static struct machine m;

static bool loads(const struct bytes *file, size_t size)
{
	struct bytes cut = { file->data, size };
	int err;

	machine_init(&m, RAM);
	m.options.kaslr = true;
	err = machine_load(&m, &cut);
	mem_finish(&m.mem);
	if (err == 0)
		return true;
	if (err != -ENOEXEC && err != -ENOSPC)
		ck_abort_msg("%d: %s", err, error_text(err));
	if (strncmp(error_text(err), "kernel /proc/self/fd/", 21) != 0 ||
	    strchr(error_text(err), '\n'))
		ck_abort_msg("%s", error_text(err));
	return false;
}

static void flip(struct bytes *file, uint64_t *seed, size_t from, size_t to)
{
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	unsigned count = 1 + next_random(seed) % 4;

	while (count--) {
		size_t at = from + next_random(seed) % (to - from);

		if (next_random(seed) % 2)
			file->data[at] ^= (uint8_t)(1 << next_random(seed) % 8);
		else
			file->data[at] = values[next_random(seed) % sizeof(values)];
	}
}

/* Bytes of [from, to) change, in a fresh copy each time. */
static unsigned mutate(const struct bytes *good, unsigned times, size_t from, size_t to)
{
	struct bytes file = bytes_make(good->size);
	uint64_t seed = times + from;
	unsigned loaded = 0;

	while (times--) {
		memcpy(file.data, good->data, good->size);
		flip(&file, &seed, from, to);
		loaded += loads(&file, file.size);
	}
	free(file.data);
	return loaded;
}

START_TEST(test_mutated_bzimages_load_or_are_refused)
{
	struct relocs relocs;

	make_relocs(&relocs, true, 9);
	for (int packing = 0; packing < PACKINGS; packing++) {
		struct bytes file = make_kernel(packing, true, &relocs);

		ck_assert(loads(&file, file.size));
		mutate(&file, 200, 0, file.size);
		mutate(&file, 200, 0x1f1, 0x26c);
		free(file.data);
	}
}
END_TEST

/* Unpacked, so that headers, notes and relocations change and no checksum is in the way. */
START_TEST(test_mutated_kernels_in_a_sound_bzimage_load_or_are_refused)
{
	const size_t elf = SETUP_SIZE + PAYLOAD_AT;
	struct relocs relocs;
	struct bytes file;
	unsigned loaded;

	make_relocs(&relocs, true, 9);
	file = make_kernel(PACK_NONE, true, &relocs);
	loaded = mutate(&file, 1500, elf, elf + 64 + 4 * 56);
	ck_assert_uint_gt(loaded, 50);
	ck_assert_uint_lt(loaded, 1450);
	mutate(&file, 500, elf + NOTES_OFFSET, elf + NOTES_OFFSET + NOTES_SIZE);
	mutate(&file, 500, elf + ELF_SIZE, file.size - 8);
	free(file.data);
}
END_TEST

START_TEST(test_mutated_elf_files_load_or_are_refused)
{
	struct bytes wide = make_vmlinux(true), narrow = make_elf32(true);

	mutate(&wide, 1000, 0, 64 + 4 * 56);
	mutate(&wide, 500, NOTES_OFFSET, NOTES_OFFSET + NOTES_SIZE);
	mutate(&narrow, 1000, 0, 52 + 2 * 32);
	free(wide.data);
	free(narrow.data);
}
END_TEST

START_TEST(test_files_cut_anywhere_are_refused)
{
	struct relocs relocs;

	make_relocs(&relocs, true, 9);
	for (int packing = 0; packing < PACKINGS; packing++) {
		struct bytes file = make_kernel(packing, true, &relocs);

		/* The last 8 bytes follow the payload. */
		for (size_t size = file.size - 9; size > 0; size -= size > 1000 ? 211
								    : size > 9	? 9
										: 1)
			if (loads(&file, size))
				ck_abort_msg("packing %d loads from %zu bytes", packing, size);
		free(file.data);
	}
}
END_TEST

CHECK_MAIN("fuzz", test_mutated_bzimages_load_or_are_refused,
	   test_mutated_kernels_in_a_sound_bzimage_load_or_are_refused,
	   test_mutated_elf_files_load_or_are_refused, test_files_cut_anywhere_are_refused)
