/* SPDX-License-Identifier: Apache-2.0 */
/* Relocates a kernel on the host, so that the guest need not. */
#include "boot/reloc.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include <ferry/error.h>

#include "base/util.h"

/* Linux arch/x86/include/asm/page_64_types.h: __START_KERNEL_map, KERNEL_IMAGE_SIZE. */
#define START_KERNEL_MAP  0xffffffff80000000ULL
#define KERNEL_IMAGE_SIZE GIB

enum reloc_kind {
	RELOC_ADD32,
	RELOC_SUB32,
	RELOC_ADD64,
};

static int32_t word_at(const struct reloc_table *table, uint64_t i)
{
	int32_t word;

	memcpy(&word, table->data + i * sizeof(word), sizeof(word));
	return word;
}

/* Where the group that ends before word end begins: its 0. -1: there is none. */
static int64_t group_zero(const struct reloc_table *table, int64_t end)
{
	while (--end >= 0)
		if (word_at(table, (uint64_t)end) == 0)
			return end;
	return -1;
}

/* The zeros, from the last to the first. Two groups or three, and the first zero is the first word.
 */
static int split(const struct reloc_table *table, int64_t zeros[3], int *ret_groups)
{
	int64_t end = (int64_t)table->words;
	int groups = 0;

	while (groups < 3) {
		zeros[groups] = group_zero(table, end);
		if (zeros[groups] < 0)
			break;
		end = zeros[groups++];
	}
	if (groups < 2 || end != 0)
		return because(-ENOEXEC, "damaged: its relocation table is malformed");
	*ret_groups = groups;
	return 0;
}

int reloc_find(const struct image *image, const struct vmlinux *vmlinux,
	       struct reloc_table *ret_table)
{
	struct reloc_table table = { 0 };
	uint64_t size = image->size - vmlinux->elf_end;
	int64_t zeros[3];
	int err, groups;

	if (size > 0) {
		table.data = image->data + vmlinux->elf_end;
		table.words = size / sizeof(int32_t);
		if (size % sizeof(int32_t) != 0)
			return because(-ENOEXEC,
				       "damaged: its relocation table has %" PRIu64 " bytes", size);
		err = split(&table, zeros, &groups);
		if (err < 0)
			return err;
	}
	*ret_table = table;
	return 0;
}

/* A segment where it was loaded. */
struct target {
	uint64_t paddr, size;
	uint8_t *base;
};

struct targets {
	struct target v[VMLINUX_SEGMENTS_MAX];
	size_t count;
};

/* The segment that holds [paddr, paddr + width), or NULL. */
static const struct target *find_target(const struct targets *targets, uint64_t paddr,
					unsigned width)
{
	for (size_t i = 0; i < targets->count; i++)
		if (paddr >= targets->v[i].paddr &&
		    range_inside(paddr - targets->v[i].paddr, width, targets->v[i].size))
			return &targets->v[i];
	return NULL;
}

/* A load and a store of the width at hand: this runs half a million times at every boot. */
static inline __attribute__((always_inline)) void move(uint8_t *at, enum reloc_kind kind,
						       uint64_t delta)
{
	uint32_t v32;
	uint64_t v64;

	if (kind == RELOC_ADD64) {
		memcpy(&v64, at, sizeof(v64));
		v64 += delta;
		memcpy(at, &v64, sizeof(v64));
		return;
	}
	memcpy(&v32, at, sizeof(v32));
	v32 += (uint32_t)(kind == RELOC_SUB32 ? -delta : delta);
	memcpy(at, &v32, sizeof(v32));
}

/* Places rise through the table, so that the segment of the last one is nearly always the next's. */
static inline __attribute__((always_inline)) int
apply_group(const struct reloc_table *table, uint64_t from, uint64_t to, enum reloc_kind kind,
	    const struct targets *targets, uint64_t delta)
{
	const unsigned width = kind == RELOC_ADD64 ? 8 : 4;
	struct target last = { 0 };

	for (uint64_t i = from; i < to; i++) {
		int32_t word = word_at(table, i);
		uint64_t paddr = (uint64_t)(int64_t)word - START_KERNEL_MAP;
		const struct target *target;

		if (!range_inside(paddr - last.paddr, width, last.size)) {
			target = find_target(targets, paddr, width);
			if (!target)
				return because(-ENOEXEC,
					       "damaged: a relocation at %#x lies outside of the kernel",
					       (uint32_t)word);
			last = *target;
		}
		move(last.base + (paddr - last.paddr), kind, delta);
	}
	return 0;
}

static int apply(const struct reloc_table *table, uint64_t from, uint64_t to, enum reloc_kind kind,
		 const struct targets *targets, uint64_t delta)
{
	switch (kind) {
	case RELOC_ADD32:
		return apply_group(table, from, to, RELOC_ADD32, targets, delta);
	case RELOC_SUB32:
		return apply_group(table, from, to, RELOC_SUB32, targets, delta);
	default:
		return apply_group(table, from, to, RELOC_ADD64, targets, delta);
	}
}

int reloc_apply(const struct reloc_table *table, const struct vmlinux *vmlinux, struct mem *mem,
		uint64_t delta)
{
	static const enum reloc_kind two[] = { RELOC_ADD32, RELOC_ADD64 };
	static const enum reloc_kind three[] = { RELOC_ADD32, RELOC_SUB32, RELOC_ADD64 };
	struct targets targets = { .count = vmlinux->segment_count };
	int64_t zeros[3] = { 0 }, end = (int64_t)table->words;
	int groups = 0, err;

	err = split(table, zeros, &groups);
	if (err < 0)
		return err;
	for (size_t i = 0; i < vmlinux->segment_count; i++) {
		const struct vmlinux_segment *s = &vmlinux->segments[i];

		targets.v[i] = (struct target){ s->paddr, s->file_size,
						mem_ptr_rw(mem, s->paddr + delta, s->mem_size) };
		if (!targets.v[i].base)
			return because(-ENOSPC, "does not fit into guest memory");
	}
	for (int g = 0; g < groups && err == 0; g++) {
		err = apply(table, (uint64_t)zeros[g] + 1, (uint64_t)end,
			    groups == 2 ? two[g] : three[g], &targets, delta);
		end = zeros[g];
	}
	return err;
}

uint64_t reloc_choose_delta(uint64_t end, uint64_t limit, uint64_t align)
{
	uint64_t top = min_u64(limit, KERNEL_IMAGE_SIZE), random;

	if (end > top)
		return 0;
	/*
	 * GRND_INSECURE: never waits, and before the host has gathered entropy the guest's KASLR is
	 * not what decides its safety.
	 */
	if (getrandom(&random, sizeof(random), GRND_INSECURE) != sizeof(random))
		return 0;
	return random % ((top - end) / align + 1) * align;
}
