/* SPDX-License-Identifier: Apache-2.0 */
/* Makes relocation tables, and does by its own means what they ask for. */
#ifndef TESTS_BOOT_RELOCS_H
#define TESTS_BOOT_RELOCS_H

#include "boot/images.h"

enum {
	GROUP64,
	GROUP_INVERSE,
	GROUP32,
	GROUPS
};

/* Places, as physical addresses at which the kernel is linked. */
struct relocs {
	uint64_t places[GROUPS][128];
	size_t count[GROUPS];
	bool inverse; /* as kernels before 6.15 have it, if only as an empty group */
};

/* Every 16 bytes at most one place, at any alignment, in all segments. */
static inline void make_relocs(struct relocs *relocs, bool inverse, uint64_t seed)
{
	*relocs = (struct relocs){ .inverse = inverse };
	for (int i = 0; i < PARTS; i++) {
		for (uint64_t at = 0; at + 16 <= parts[i].file_size; at += 16) {
			unsigned group = next_random(&seed) % GROUPS;

			/* Not into the notes: what find_pvh() reads would then differ from what is
			 * linked. */
			if (next_random(&seed) % 16 || (group == GROUP_INVERSE && !inverse) ||
			    (i == 0 && at + parts[i].offset >= NOTES_OFFSET - 16 &&
			     at + parts[i].offset < NOTES_OFFSET + NOTES_SIZE) ||
			    relocs->count[group] == 128)
				continue;
			relocs->places[group][relocs->count[group]++] =
				parts[i].paddr + at + next_random(&seed) % 9;
		}
	}
}

/* As Linux arch/x86/tools/relocs writes it. */
static inline void append_relocs(struct bytes *file, const struct relocs *relocs)
{
	for (int group = GROUP64; group < GROUPS; group++) {
		uint32_t word = 0;

		if (group == GROUP_INVERSE && !relocs->inverse)
			continue;
		bytes_grow(file, &word, 4);
		for (size_t i = 0; i < relocs->count[group]; i++) {
			word = (uint32_t)(relocs->places[group][i] + VIRTUAL);
			bytes_grow(file, &word, 4);
		}
	}
}

/* memory begins with what is linked at LINK_START. Adds byte by byte. */
static inline void expect_relocs(uint8_t *memory, const struct relocs *relocs, uint64_t delta)
{
	for (int group = GROUP64; group < GROUPS; group++) {
		for (size_t i = 0; i < relocs->count[group]; i++) {
			uint8_t *at = memory + (relocs->places[group][i] - LINK_START);
			uint64_t add = group == GROUP_INVERSE ? 0 - delta : delta;
			unsigned carry = 0;

			for (int byte = 0; byte < (group == GROUP64 ? 8 : 4); byte++) {
				carry += at[byte] + (uint8_t)(add >> 8 * byte);
				at[byte] = (uint8_t)carry;
				carry >>= 8;
			}
		}
	}
}

/* What lies from LINK_START on when the file is loaded. */
static inline struct bytes expect_kernel(const struct bytes *file, const struct relocs *relocs,
					 uint64_t delta)
{
	struct bytes memory = bytes_make(LINK_END - LINK_START);

	for (int i = 0; i < PARTS; i++)
		memcpy(memory.data + (parts[i].paddr - LINK_START), file->data + parts[i].offset,
		       parts[i].file_size);
	if (relocs)
		expect_relocs(memory.data, relocs, delta);
	return memory;
}

#endif
