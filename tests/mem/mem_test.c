/* SPDX-License-Identifier: Apache-2.0 */
/* The map of guest memory: what fits, what is found, what is copied. */
#include "mem/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry/error.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "check_main.h"

static struct mem mem;

static void setup(void)
{
	struct mem_options options = { .name = "test" };

	ck_assert_int_eq(mem_init(&mem, -1, 8, &options), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "low", 0, 2 * MIB, 0), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "next", 2 * MIB, MIB, 0), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "high", 4 * GIB, MIB, MEM_READONLY), 0);
}

START_TEST(test_overlap_is_refused_by_name)
{
	setup();
	ck_assert_int_eq(mem_map_ram(&mem, "x", MIB, 4096, 0), -EEXIST);
	ck_assert_ptr_nonnull(strstr(error_text(-EEXIST), "low"));
	ck_assert_int_eq(mem_map_ram(&mem, "x", 4 * GIB - 4096, 8192, 0), -EEXIST);
	ck_assert_uint_eq(mem_total(&mem), 4 * MIB);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_partial_pages_and_wrapping_are_refused)
{
	setup();
	ck_assert_int_eq(mem_map_ram(&mem, "x", 64 * MIB, 100, 0), -EINVAL);
	ck_assert_int_eq(mem_map_ram(&mem, "x", 64 * MIB + 1, 4096, 0), -EINVAL);
	ck_assert_int_eq(mem_map_ram(&mem, "x", 64 * MIB, 0, 0), -EINVAL);
	ck_assert_int_eq(mem_map_ram(&mem, "x", 0xfffffffffffff000, 8192, 0), -EINVAL);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_slots_run_out)
{
	setup();
	for (uint64_t i = 0; i < 5; i++)
		ck_assert_int_eq(mem_map_ram(&mem, "x", 64 * MIB * (i + 1), 4096, 0), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "x", 64 * MIB * 9, 4096, 0), -ENOSPC);
	ck_assert_int_eq(mem_unmap(&mem, 64 * MIB), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "x", 64 * MIB * 9, 4096, 0), 0);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_pointer_never_leaves_its_region)
{
	setup();
	ck_assert_ptr_nonnull(mem_ptr(&mem, 0, 2 * MIB));
	ck_assert_ptr_null(mem_ptr(&mem, 0, 2 * MIB + 1));
	ck_assert_ptr_null(mem_ptr(&mem, 0, 0));
	ck_assert_ptr_null(mem_ptr(&mem, 3 * MIB, 1));
	ck_assert_ptr_null(mem_ptr(&mem, 1, UINT64_MAX));
	ck_assert_ptr_null(mem_ptr(&mem, UINT64_MAX, 2));
	ck_assert_ptr_nonnull(mem_ptr(&mem, 4 * GIB + MIB - 1, 1));
	ck_assert_ptr_null(mem_ptr_rw(&mem, 4 * GIB, 1));
	mem_finish(&mem);
}
END_TEST

START_TEST(test_copy_crosses_adjacent_regions_and_nothing_else)
{
	uint8_t out[64], in[64];

	setup();
	memset(in, 0x5a, sizeof(in));
	ck_assert_int_eq(mem_write(&mem, 2 * MIB - 32, in, 64), 0);
	ck_assert_int_eq(mem_read(&mem, 2 * MIB - 32, out, 64), 0);
	ck_assert_mem_eq(in, out, 64);
	ck_assert_int_eq(mem_write(&mem, 3 * MIB - 32, in, 64), -EFAULT);
	ck_assert_int_eq(mem_read(&mem, 3 * MIB - 32, out, 32), 0);
	memset(in, 0, sizeof(in));
	ck_assert_mem_eq(in, out, 32);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_discarded_pages_read_as_zero_and_their_neighbours_stay)
{
	uint8_t *p;

	setup();
	p = mem_ptr_rw(&mem, 0, 4 * 4096);
	memset(p, 1, 4 * 4096);
	ck_assert_int_eq(mem_discard(&mem, 4095, 2 * 4096 + 2), 0);
	ck_assert_uint_eq(p[4095], 1);
	ck_assert_uint_eq(p[4096], 0);
	ck_assert_uint_eq(p[3 * 4096 - 1], 0);
	ck_assert_uint_eq(p[3 * 4096], 1);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_large_pages_can_map_every_region)
{
	const struct mem_map *map;

	setup();
	ck_assert_int_eq(mem_map_ram(&mem, "odd", 8 * MIB + 4096, 3 * MIB, 0), 0);
	map = mem_map(&mem);
	for (size_t i = 0; i < map->count; i++)
		ck_assert_uint_eq((uintptr_t)mem_map_at(map, i)->hva % (2 * MIB),
				  mem_map_at(map, i)->gpa % (2 * MIB));
	mem_finish(&mem);
}
END_TEST

START_TEST(test_populating_changes_no_byte)
{
	static const char zero[4096];
	const gpa_t at[] = { 0, 2 * MIB - 3, 3 * MIB + 5, 6 * MIB - 8 };
	char text[8];

	setup();
	ck_assert_int_eq(mem_map_ram(&mem, "more", 64 * MIB, 6 * MIB, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		ck_assert_int_eq(mem_write(&mem, 64 * MIB + at[i], "stays", 6), 0);
	mem_populate(&mem, 64 * MIB, 6 * MIB);
	mem_populate(&mem, 64 * MIB + 5, 6 * MIB - 10);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		ck_assert_int_eq(mem_read(&mem, 64 * MIB + at[i], text, 6), 0);
		ck_assert_str_eq(text, "stays");
	}
	ck_assert_mem_eq(mem_ptr(&mem, 65 * MIB, sizeof(zero)), zero, sizeof(zero));
	mem_finish(&mem);
}
END_TEST

START_TEST(test_populating_what_is_not_there_does_nothing)
{
	setup();
	mem_populate(&mem, 32 * MIB, 4 * MIB);
	mem_populate(&mem, 2 * MIB, 4 * MIB);
	mem_populate(&mem, 0, 0);
	ck_assert_uint_eq(mem_total(&mem), 4 * MIB);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_unmapped_memory_is_gone_and_comes_back_zero)
{
	setup();
	memset(mem_ptr_rw(&mem, 2 * MIB, 4096), 7, 4096);
	ck_assert_int_eq(mem_unmap(&mem, 2 * MIB), 0);
	ck_assert_ptr_null(mem_ptr(&mem, 2 * MIB, 1));
	ck_assert_int_eq(mem_unmap(&mem, 2 * MIB), -ENOENT);
	ck_assert_int_eq(mem_map_ram(&mem, "again", 2 * MIB, MIB, 0), 0);
	ck_assert_uint_eq(*(const uint8_t *)mem_ptr(&mem, 2 * MIB, 1), 0);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_populated_memory_keeps_its_content_and_its_neighbours)
{
	uint8_t *p;

	setup();
	p = mem_ptr_rw(&mem, 0, 2 * MIB);
	p[MIB] = 0x5a;
	mem_populate(&mem, MIB, MIB / 2);
	ck_assert_uint_eq(p[MIB], 0x5a);
	ck_assert_uint_eq(p[MIB + 1], 0);
	mem_populate(&mem, 3 * MIB, 1);	     /* not memory */
	mem_populate(&mem, MIB, UINT64_MAX); /* longer than any */
	ck_assert_uint_eq(p[MIB], 0x5a);
	mem_finish(&mem);
}
END_TEST

/* Where the host and KVM could map 2 MiB by one entry, the two addresses lie alike. */
START_TEST(test_host_address_lies_in_its_huge_page_as_the_guests_does)
{
	setup();
	ck_assert_uint_eq((uintptr_t)mem_ptr(&mem, 0, 1) % (2 * MIB), 0);
	ck_assert_uint_eq((uintptr_t)mem_ptr(&mem, 2 * MIB, 1) % (2 * MIB), 0);
	mem_finish(&mem);
}
END_TEST

/* No KVM's descriptor: what is said to it fails. */
START_TEST(test_kvm_is_told_of_unplugged_memory_when_it_is_plugged)
{
	struct mem_options options = { .name = "test", .unplugged = true };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(mem_init(&mem, null, 4, &options), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "low", 0, MIB, 0), 0);
	ck_assert_int_eq(mem_write(&mem, 0, "text", 5), 0);
	ck_assert_int_eq(mem_plug(&mem), -ENOTTY);
	ck_assert_ptr_nonnull(strstr(error_text(-ENOTTY), "KVM refuses memory low"));
	/* It is as unplugged as it was. */
	ck_assert_int_eq(mem_map_ram(&mem, "next", MIB, MIB, 0), 0);
	ck_assert_int_eq(mem_plug(&mem), -ENOTTY);
	mem_finish(&mem);
	close(null);
}
END_TEST

CHECK_MAIN("mem", test_kvm_is_told_of_unplugged_memory_when_it_is_plugged,
	   test_populated_memory_keeps_its_content_and_its_neighbours,
	   test_host_address_lies_in_its_huge_page_as_the_guests_does,
	   test_overlap_is_refused_by_name, test_partial_pages_and_wrapping_are_refused,
	   test_slots_run_out, test_pointer_never_leaves_its_region,
	   test_copy_crosses_adjacent_regions_and_nothing_else,
	   test_discarded_pages_read_as_zero_and_their_neighbours_stay,
	   test_large_pages_can_map_every_region, test_populating_changes_no_byte,
	   test_populating_what_is_not_there_does_nothing,
	   test_unmapped_memory_is_gone_and_comes_back_zero)
