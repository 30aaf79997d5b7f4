/* SPDX-License-Identifier: Apache-2.0 */
/* Memory from a file: a snapshot's stays as it is, another process's becomes ours, bad ones are
 * refused. */
#include "mem/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/util.h"
#include "check_main.h"
#include "mem/data.h"
#include "mem/dirty.h"

#define PAGE GUEST_PAGE_SIZE

static struct mem mem;

static void init(struct mem *m, uint64_t hugepage_size)
{
	struct mem_options options = { .name = "test", .hugepage_size = hugepage_size };

	ck_assert_int_eq(mem_init(m, -1, 8, &options), 0);
}

static void setup(void)
{
	init(&mem, 0);
	ck_assert_int_eq(mem_map_ram(&mem, "low", 0, 64 * MIB, 0), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "high", 4 * GIB, MIB, 0), 0);
}

static void expect(struct mem *m, gpa_t gpa, const char *text)
{
	char found[16] = { 0 };

	ck_assert_int_eq(mem_read(m, gpa, found, strlen(text) + 1), 0);
	ck_assert_str_eq(found, text);
}

/* A sparse file with a word at some places. */
static int snapshot(uint64_t size)
{
	char path[] = "/tmp/ferry-adopt-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	ck_assert_int_eq(pwrite(fd, "low", 4, 5 * PAGE), 4);
	ck_assert_int_eq(pwrite(fd, "high", 5, 64 * MIB + PAGE), 5);
	return fd;
}

static void check_file(int fd)
{
	char text[8] = { 0 };

	ck_assert_int_eq(pread(fd, text, 8, 5 * PAGE), 8);
	ck_assert_str_eq(text, "low");
	ck_assert_int_eq(pread(fd, text, 8, 6 * PAGE), 8);
	ck_assert_str_eq(text, "");
}

START_TEST(test_snapshot_is_the_content_and_stays_as_it_is)
{
	int fd = snapshot(65 * MIB), again = dup(fd);

	setup();
	mem_write(&mem, 0, "before", 7);
	ck_assert(mem_is_shared(&mem));
	ck_assert_int_eq(mem_adopt(&mem, fd, MEM_ADOPT_PRIVATE), 0);
	ck_assert(!mem_is_shared(&mem));
	expect(&mem, 0, "");
	expect(&mem, 5 * PAGE, "low");
	expect(&mem, 4 * GIB + PAGE, "high");
	mem_write(&mem, 5 * PAGE, "mine", 5);
	mem_write(&mem, 6 * PAGE, "mine", 5);
	expect(&mem, 5 * PAGE, "mine");
	check_file(again);
	mem_finish(&mem);
	check_file(again);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	close(again);
}
END_TEST

START_TEST(test_discarded_pages_of_a_snapshot_are_zero)
{
	setup();
	ck_assert_int_eq(mem_adopt(&mem, snapshot(65 * MIB), MEM_ADOPT_PRIVATE), 0);
	mem_write(&mem, 4 * PAGE, "written", 8);
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	ck_assert_int_eq(mem_discard(&mem, 4 * PAGE, 3 * PAGE), 0);
	for (gpa_t gpa = 4 * PAGE; gpa < 7 * PAGE; gpa += PAGE)
		ck_assert(page_is_zero(mem_ptr(&mem, gpa, PAGE)));
	mem_write(&mem, 5 * PAGE, "new", 4);
	expect(&mem, 5 * PAGE, "new");
	ck_assert_int_eq(mem_discard(&mem, 5 * PAGE, PAGE), 0);
	expect(&mem, 5 * PAGE, "");
	expect(&mem, 4 * GIB + PAGE, "high");
	mem_populate(&mem, 0, 64 * MIB);
	expect(&mem, 5 * PAGE, "");
	mem_finish(&mem);
}
END_TEST

static unsigned mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned lines = 0;
	int c;

	ck_assert_ptr_nonnull(maps);
	while ((c = getc(maps)) != EOF)
		lines += c == '\n';
	fclose(maps);
	return lines;
}

START_TEST(test_scattered_discards_cut_memory_into_a_bounded_number_of_mappings)
{
	unsigned before;
	uint8_t *low;

	setup();
	ck_assert_int_eq(mem_adopt(&mem, snapshot(65 * MIB), MEM_ADOPT_PRIVATE), 0);
	before = mappings();
	low = mem_ptr_rw(&mem, 0, 64 * MIB);
	for (uint64_t at = PAGE; at < 64 * MIB; at += 2 * PAGE) {
		low[at] = 1;
		ck_assert_int_eq(mem_discard(&mem, at, PAGE), 0);
		if (low[at])
			ck_abort_msg("page %llx is not zero", (unsigned long long)at);
	}
	ck_assert_uint_gt(mappings(), before + 4000);
	ck_assert_uint_lt(mappings(), before + 8300);
	/* Together again, and from there the same once more. */
	ck_assert_int_eq(mem_discard(&mem, 0, 64 * MIB), 0);
	ck_assert_uint_eq(mem.pieces, 2);
	ck_assert_uint_lt(mappings(), before + 10);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_memory_added_after_a_snapshot_is_zero_and_shared_no_more)
{
	setup();
	ck_assert_int_eq(mem_adopt(&mem, snapshot(65 * MIB), MEM_ADOPT_PRIVATE), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "more", GIB, MIB, 0), 0);
	expect(&mem, GIB, "");
	mem_write(&mem, GIB, "x", 2);
	ck_assert_int_eq(mem_discard(&mem, GIB, PAGE), 0);
	expect(&mem, GIB, "");
	ck_assert(!mem_is_shared(&mem));
	ck_assert_int_eq(mem_unmap(&mem, 0), 0);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_short_file_is_refused)
{
	int fd = snapshot(65 * MIB - 1);

	setup();
	ck_assert_int_eq(mem_adopt(&mem, fd, MEM_ADOPT_PRIVATE), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(-EINVAL), "68157440 are needed"));
	ck_assert_int_eq(mem_adopt(&mem, fd, MEM_ADOPT_SHARED), -EINVAL);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC & fcntl(fd, F_GETFD));
	close(fd);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_memory_of_another_becomes_ours)
{
	struct mem other;
	int fd;

	setup();
	init(&other, 0);
	ck_assert_int_eq(mem_map_ram(&other, "low", 0, 64 * MIB, 0), 0);
	ck_assert_int_eq(mem_map_ram(&other, "high", 4 * GIB, MIB, 0), 0);
	mem_write(&other, 5 * PAGE, "other", 6);
	mem_write(&other, 4 * GIB, "high", 5);
	mem_write(&mem, 6 * PAGE, "before", 7);
	fd = dup(other.memfd);
	ck_assert_int_eq(mem_adopt(&mem, fd, MEM_ADOPT_SHARED), 0);
	ck_assert_int_eq(mem.memfd, fd);
	ck_assert(mem_is_shared(&mem));
	expect(&mem, 5 * PAGE, "other");
	expect(&mem, 6 * PAGE, "");
	mem_write(&other, 6 * PAGE, "late", 5);
	expect(&mem, 6 * PAGE, "late");
	mem_finish(&other);
	expect(&mem, 4 * GIB, "high");
	ck_assert_int_eq(mem_discard(&mem, 0, 64 * MIB), 0);
	expect(&mem, 5 * PAGE, "");
	ck_assert_int_eq(mem_map_ram(&mem, "more", GIB, MIB, 0), 0);
	mem_write(&mem, GIB, "more", 5);
	expect(&mem, 4 * GIB, "high");
	mem_finish(&mem);
}
END_TEST

START_TEST(test_memory_that_could_be_truncated_is_refused)
{
	int sealable, plain, file = snapshot(65 * MIB);

	setup();
	ck_assert_int_eq(mem_adopt(&mem, file, MEM_ADOPT_SHARED), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(-EINVAL), "not a memfd"));
	plain = memfd_create("plain", MFD_CLOEXEC);
	ck_assert_int_eq(ftruncate(plain, 65 * MIB), 0);
	ck_assert_int_eq(mem_adopt(&mem, plain, MEM_ADOPT_SHARED), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(-EINVAL), "sealed"));
	sealable = memfd_create("sealable", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ck_assert_int_eq(ftruncate(sealable, 65 * MIB), 0);
	ck_assert_int_eq(mem_adopt(&mem, sealable, MEM_ADOPT_SHARED), 0);
	ck_assert_int_lt(ftruncate(sealable, 0), 0);
	close(plain);
	close(file);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_own_memory_cannot_be_truncated)
{
	setup();
	ck_assert_int_lt(ftruncate(mem.memfd, 0), 0);
	mem_finish(&mem);
}
END_TEST

/* What needs huge pages; without any on this host the case has nothing to show. */
static bool setup_huge(void)
{
	struct mem other;

	init(&other, 2 * MIB);
	if (mem_map_ram(&other, "low", 0, 4 * MIB, 0) < 0) {
		mem_finish(&other);
		return false;
	}
	init(&mem, 0);
	ck_assert_int_eq(mem_map_ram(&mem, "low", 0, 4 * MIB, 0), 0);
	ck_assert_int_eq(mem_adopt(&mem, other.memfd, MEM_ADOPT_SHARED), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(-EINVAL), "--hugepages"));
	mem_finish(&mem);
	mem = other;
	return true;
}

START_TEST(test_snapshot_is_copied_into_huge_pages)
{
	if (!setup_huge())
		return;
	mem_write(&mem, 3 * MIB, "before", 7);
	ck_assert_int_eq(mem_adopt(&mem, snapshot(65 * MIB), MEM_ADOPT_PRIVATE), 0);
	ck_assert(mem_is_shared(&mem));
	expect(&mem, 5 * PAGE, "low");
	expect(&mem, 3 * MIB, "");
	mem_finish(&mem);
}
END_TEST

CHECK_MAIN("adopt", test_snapshot_is_the_content_and_stays_as_it_is,
	   test_discarded_pages_of_a_snapshot_are_zero,
	   test_scattered_discards_cut_memory_into_a_bounded_number_of_mappings,
	   test_memory_added_after_a_snapshot_is_zero_and_shared_no_more,
	   test_short_file_is_refused, test_memory_of_another_becomes_ours,
	   test_memory_that_could_be_truncated_is_refused, test_own_memory_cannot_be_truncated,
	   test_snapshot_is_copied_into_huge_pages)
