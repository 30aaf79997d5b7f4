/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's memory, and boot_load() into it. */
#ifndef TESTS_BOOT_BOOT_FIXTURE_H
#define TESTS_BOOT_BOOT_FIXTURE_H

#include <ferry/error.h>

#include "boot/boot.h"
#include "boot/relocs.h"

#define MIB_SIZE (1ULL << 20)

struct machine {
	struct mem mem;
	struct boot_range ranges[3];
	struct boot_options options;
	struct boot_entry entry;
	char path[32];
};

static inline void machine_init(struct machine *m, uint64_t ram)
{
	struct mem_options options = { .name = "boot-test" };

	memset(m, 0, sizeof(*m));
	ck_assert_int_eq(mem_init(&m->mem, -1, 4, &options), 0);
	ck_assert_int_eq(mem_map_ram(&m->mem, "ram", 0, ram, 0), 0);
	m->ranges[0] = (struct boot_range){ 0, 0xa0000, 1 };
	m->ranges[1] = (struct boot_range){ 0xe0000, 0x20000, 2 };
	m->ranges[2] = (struct boot_range){ MIB_SIZE, ram - MIB_SIZE, 1 };
	m->options = (struct boot_options){ .cmdline = "console=ttyS0",
					    .rsdp = 0xe0000,
					    .ranges = m->ranges,
					    .range_count = 3,
					    .low_end = ram };
}

static inline int machine_load(struct machine *m, const struct bytes *kernel)
{
	int err;

	m->options.kernel = path_of(kernel->data, kernel->size, m->path);
	err = boot_load(&m->mem, &m->options, &m->entry);
	close_path(m->path);
	return err;
}

static inline gpa_t first_nonzero(struct machine *m, gpa_t from, gpa_t to)
{
	const uint8_t *memory = mem_ptr(&m->mem, from, to - from);

	for (gpa_t gpa = from; memory && gpa < to; gpa++)
		if (memory[gpa - from])
			return gpa;
	return to;
}

/* At one place lies what is expected, and nothing else but zeros from start to end. */
static inline void check_memory(struct machine *m, gpa_t start, gpa_t end, gpa_t at,
				const struct bytes *expected)
{
	gpa_t behind = at + expected->size;

	ck_assert_uint_eq(first_nonzero(m, start, at), at);
	ck_assert_uint_eq(first_nonzero(m, behind, end), end);
	ck_assert(memcmp(mem_ptr(&m->mem, at, expected->size), expected->data, expected->size) ==
		  0);
}

static inline struct bytes make_kernel(enum packing packing, bool pvh, const struct relocs *relocs)
{
	struct bytes elf = make_vmlinux(pvh), payload, file;

	if (relocs)
		append_relocs(&elf, relocs);
	payload = pack(&elf, packing);
	file = make_bzimage(&payload);
	free(elf.data);
	free(payload.data);
	return file;
}

#endif
