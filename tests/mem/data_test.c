/* SPDX-License-Identifier: Apache-2.0 */
/* Where memory may hold data, and which pages are zero. */
#include "mem/data.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/util.h"
#include "check_main.h"
#include "mem/adopt.h"

#define PAGE GUEST_PAGE_SIZE

static struct mem mem;

static void setup(void)
{
	struct mem_options options = { .name = "test" };

	ck_assert_int_eq(mem_init(&mem, -1, 8, &options), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "low", 0, 8 * MIB, 0), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "next", 8 * MIB, 8 * MIB, 0), 0);
}

static void add_run(char *text, size_t size, uint64_t first, uint64_t end)
{
	size_t at = strlen(text);

	if (end)
		snprintf(text + at, size - at, "%s%u+%u", at ? " " : "", (unsigned)(first / PAGE),
			 (unsigned)((end - first) / PAGE));
}

/* "5+2 300+1": the runs of pages of a region; neighbouring ones as one. */
static const char *runs(unsigned region)
{
	static char text[256];
	const struct mem_region *where = mem_map_at(mem_map(&mem), region);
	uint64_t offset = 0, len, first = 0, end = 0;
	int r;

	text[0] = '\0';
	while ((r = mem_next_data(&mem, where, where->size, &offset, &len)) == 1) {
		ck_assert_uint_gt(len, 0);
		ck_assert(is_aligned(offset | len, PAGE));
		if (offset != end || !end) {
			add_run(text, sizeof(text), first, end);
			first = offset;
		}
		offset += len;
		end = offset;
	}
	add_run(text, sizeof(text), first, end);
	ck_assert_int_eq(r, 0);
	return text;
}

/* Where shared memory gets huge pages by advice, neighbours are there too. */
static bool has_huge_shmem(void)
{
	char text[128] = { 0 };
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "r");

	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return !strstr(text, "[never]");
}

START_TEST(test_page_with_one_bit_set_is_not_zero)
{
	static alignas(64) uint8_t page[3 * PAGE];

	memset(page, 1, sizeof(page));
	memset(page + PAGE, 0, PAGE);
	ck_assert(page_is_zero(page + PAGE));
	for (unsigned i = 0; i < PAGE; i++) {
		page[PAGE + i] = (uint8_t)(1 << i % 8);
		if (page_is_zero(page + PAGE))
			ck_abort_msg("byte %u is not seen", i);
		page[PAGE + i] = 0;
	}
	ck_assert(page_is_zero(page + PAGE));
}
END_TEST

START_TEST(test_memory_that_nobody_wrote_has_no_data)
{
	setup();
	ck_assert_str_eq(runs(0), "");
	ck_assert_str_eq(runs(1), "");
	mem_finish(&mem);
}
END_TEST

START_TEST(test_data_is_where_it_was_written)
{
	if (has_huge_shmem())
		return;
	setup();
	mem_write(&mem, 9 * MIB, "x", 1);
	ck_assert_str_eq(runs(0), "");
	ck_assert_str_eq(runs(1), "256+1");
	ck_assert_int_eq(mem_discard(&mem, 9 * MIB, PAGE), 0);
	mem_write(&mem, 0, "x", 1);
	mem_write(&mem, 5 * PAGE - 1, "xy", 2);
	mem_write(&mem, 8 * MIB - 1, "xy", 2);
	ck_assert_str_eq(runs(0), "0+1 4+2 2047+1");
	ck_assert_str_eq(runs(1), "0+1");
	ck_assert_int_eq(mem_discard(&mem, 4 * PAGE, PAGE), 0);
	ck_assert_str_eq(runs(0), "0+1 5+1 2047+1");
	mem_finish(&mem);
}
END_TEST

START_TEST(test_data_of_a_snapshot_is_the_files_and_what_was_written_since)
{
	char path[] = "/tmp/ferry-data-XXXXXX";
	int fd = mkstemp(path);
	static uint8_t read[PAGE];
	struct statfs fs;

	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(ftruncate(fd, 16 * MIB), 0);
	ck_assert_int_eq(pwrite(fd, "xy", 2, 10 * PAGE - 1), 2);
	ck_assert_int_eq(pwrite(fd, "x", 1, 2047 * PAGE), 1);
	setup();
	ck_assert_int_eq(mem_adopt(&mem, fd, MEM_ADOPT_PRIVATE), 0);
	ck_assert_str_eq(runs(0), "9+2 2047+1");
	ck_assert_str_eq(runs(1), "");
	mem_write(&mem, 3 * PAGE, "x", 1);
	mem_write(&mem, 11 * PAGE, "x", 1);
	mem_write(&mem, 16 * MIB - 1, "x", 1);
	/* The file's hole, mapped now. A file in memory has none there any more. */
	if (fstatfs(fd, &fs) == 0 && fs.f_type != TMPFS_MAGIC)
		mem_read(&mem, 20 * PAGE, read, PAGE);
	ck_assert_str_eq(runs(0), "3+1 9+3 2047+1");
	ck_assert_str_eq(runs(1), "2047+1");
	ck_assert_int_eq(mem_discard(&mem, 30 * PAGE, 2 * PAGE), 0);
	ck_assert_str_eq(runs(0), "3+1 9+3 2047+1");
	mem_write(&mem, 31 * PAGE, "x", 1);
	ck_assert_str_eq(runs(0), "3+1 9+3 31+1 2047+1");
	/* Where the page tables cannot be read, all of it may be data. */
	close(mem.pagemap);
	mem.pagemap = -1;
	ck_assert_str_eq(runs(0), "0+2048");
	mem_finish(&mem);
}
END_TEST

/* The first run that begins in pages [from, before), as pages: "5+2", or "". */
static const char *run_between(uint64_t from, uint64_t before)
{
	static char text[64];
	uint64_t offset = from * PAGE, len = 0;
	int r = mem_next_data(&mem, mem_map_at(mem_map(&mem), 0), before * PAGE, &offset, &len);

	ck_assert_int_ge(r, 0);
	text[0] = '\0';
	if (r)
		add_run(text, sizeof(text), offset, offset + len);
	return text;
}

START_TEST(test_a_run_that_begins_too_late_is_not_told_and_one_that_reaches_further_is_not_cut)
{
	if (has_huge_shmem())
		return;
	setup();
	mem_write(&mem, 10 * PAGE - 1, "xy", 2);
	ck_assert_str_eq(run_between(0, 9), "");
	ck_assert_str_eq(run_between(0, 10), "9+2");
	ck_assert_str_eq(run_between(10, 11), "10+1");
	ck_assert_str_eq(run_between(11, 2048), "");
	ck_assert_str_eq(run_between(9, 9), "");
	mem_finish(&mem);
}
END_TEST

START_TEST(test_clearing_makes_zeros_of_data_and_no_pages_of_holes)
{
	static const uint8_t zeros[PAGE];
	uint8_t read[PAGE];

	if (has_huge_shmem())
		return;
	setup();
	mem_write(&mem, 3 * PAGE, "x", 1);
	mem_write(&mem, 200 * PAGE, "x", 1);
	ck_assert_int_eq(mem_clear(&mem, 0, 200 * PAGE), 0);
	ck_assert_str_eq(runs(0), "3+1 200+1");
	ck_assert_int_eq(mem_read(&mem, 3 * PAGE, read, PAGE), 0);
	ck_assert_mem_eq(read, zeros, PAGE);
	ck_assert_int_eq(mem_read(&mem, 200 * PAGE, read, 1), 0);
	ck_assert_uint_eq(read[0], 'x');
	ck_assert_int_eq(mem_clear(&mem, 8 * MIB - PAGE, 2 * PAGE), -EFAULT);
	ck_assert_int_eq(mem_clear(&mem, 64 * MIB, PAGE), -EFAULT);
	mem_finish(&mem);
}
END_TEST

CHECK_MAIN("data", test_page_with_one_bit_set_is_not_zero,
	   test_memory_that_nobody_wrote_has_no_data, test_data_is_where_it_was_written,
	   test_data_of_a_snapshot_is_the_files_and_what_was_written_since,
	   test_a_run_that_begins_too_late_is_not_told_and_one_that_reaches_further_is_not_cut,
	   test_clearing_makes_zeros_of_data_and_no_pages_of_holes)
