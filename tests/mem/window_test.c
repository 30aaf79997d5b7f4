/* SPDX-License-Identifier: Apache-2.0 */
/* The window: memory that comes and goes at its place, and a map that can be held still. */
#include "mem/window.h"

#include <errno.h>
#include <ferry/error.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "check_main.h"
#include "mem/adopt.h"
#include "mem/data.h"
#include "mem/dirty.h"

#define BASE  (4 * GIB)
#define SIZE  (64 * MIB)
#define CHUNK (16 * MIB)

static struct mem mem;

static void make(struct mem *made, bool prealloc)
{
	struct mem_options options = { .name = "test", .prealloc = prealloc };

	ck_assert_int_eq(mem_init(made, -1, 8, &options), 0);
	ck_assert_int_eq(mem_map_ram(made, "low", 0, 2 * MIB, 0), 0);
	ck_assert_int_eq(mem_window_reserve(made, BASE, SIZE), 0);
}

static void setup(void)
{
	make(&mem, false);
}

static uint64_t blocks_of(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void map_chunk(struct mem *in, unsigned n)
{
	ck_assert_int_eq(mem_map_ram(in, "chunk", BASE + n * CHUNK, CHUNK, 0), 0);
}

START_TEST(test_window_is_no_memory_until_it_is_mapped)
{
	setup();
	ck_assert_ptr_null(mem_ptr(&mem, BASE, 1));
	ck_assert_uint_eq(mem_total(&mem), 2 * MIB);
	map_chunk(&mem, 1);
	ck_assert_ptr_null(mem_ptr(&mem, BASE, 1));
	ck_assert_ptr_nonnull(mem_ptr(&mem, BASE + CHUNK, CHUNK));
	ck_assert_int_eq(mem_unmap(&mem, BASE + CHUNK), 0);
	ck_assert_ptr_null(mem_ptr(&mem, BASE + CHUNK, 1));
	mem_finish(&mem);
}
END_TEST

START_TEST(test_chunk_has_its_place_whenever_it_is_mapped)
{
	const struct mem_map *map;
	uint64_t offset;
	uint8_t *hva;

	setup();
	map_chunk(&mem, 2);
	map = mem_map(&mem);
	offset = mem_map_at(map, 1)->offset;
	hva = mem_map_at(map, 1)->hva;
	ck_assert_uint_eq(offset, 2 * MIB + 2 * CHUNK);
	ck_assert_int_eq(mem_unmap(&mem, BASE + 2 * CHUNK), 0);
	map_chunk(&mem, 0);
	map_chunk(&mem, 2);
	map = mem_map(&mem);
	ck_assert_uint_eq(mem_map_at(map, 2)->offset, offset);
	ck_assert_ptr_eq(mem_map_at(map, 2)->hva, hva);
	ck_assert_int_eq(mem_map_ram(&mem, "other", 8 * GIB, MIB, 0), 0);
	ck_assert_uint_eq(mem_map_at(mem_map(&mem), 3)->offset, 2 * MIB + SIZE);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_unmapped_chunk_leaves_nothing)
{
	uint64_t word = 42;

	setup();
	map_chunk(&mem, 0);
	for (uint64_t at = 0; at < CHUNK; at += 4096)
		ck_assert_int_eq(mem_write(&mem, BASE + at, &word, sizeof(word)), 0);
	ck_assert_uint_ge(blocks_of(mem.memfd), CHUNK);
	ck_assert_int_eq(mem_unmap(&mem, BASE), 0);
	ck_assert_uint_lt(blocks_of(mem.memfd), MIB);
	map_chunk(&mem, 0);
	ck_assert_int_eq(mem_read(&mem, BASE, &word, sizeof(word)), 0);
	ck_assert_uint_eq(word, 0);
	mem_finish(&mem);
}
END_TEST

/* A device's thread that took its pointer before: it harms nobody. */
START_TEST(test_reader_of_an_old_picture_finds_memory_that_is_nobodys)
{
	uint64_t word = 0;
	uint64_t *old;

	setup();
	map_chunk(&mem, 0);
	old = mem_ptr_rw(&mem, BASE, 8);
	*old = 42;
	ck_assert_int_eq(mem_unmap(&mem, BASE), 0);
	ck_assert_uint_eq(*old, 0);
	*old = 43;
	map_chunk(&mem, 0);
	ck_assert_int_eq(mem_read(&mem, BASE, &word, sizeof(word)), 0);
	ck_assert_uint_eq(word, 0);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_window_does_not_overlap_and_is_mapped_in_whole_parts)
{
	setup();
	ck_assert_int_eq(mem_window_reserve(&mem, 16 * GIB, SIZE), -EEXIST);
	ck_assert_int_eq(mem_map_ram(&mem, "x", BASE - MIB, 2 * MIB, 0), -EINVAL);
	ck_assert_int_eq(mem_map_ram(&mem, "x", BASE + SIZE - MIB, 2 * MIB, 0), -EINVAL);
	ck_assert_int_eq(mem_map_ram(&mem, "x", BASE + 4096, CHUNK, 0), -EINVAL);
	mem_finish(&mem);
	ck_assert_int_eq(mem_init(&mem, -1, 8, &(struct mem_options){ .name = "test" }), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "low", 0, 2 * MIB, 0), 0);
	ck_assert_int_eq(mem_window_reserve(&mem, MIB, SIZE), -EEXIST);
	ck_assert_int_eq(mem_window_reserve(&mem, BASE, 4096), -EINVAL);
	ck_assert_int_eq(mem_window_reserve(&mem, BASE, 0), -EINVAL);
	ck_assert_int_eq(mem_window_reserve(&mem, 0ULL - MIB, SIZE), -EINVAL);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_chunk_is_tracked_like_other_memory)
{
	uint64_t bits[CHUNK / 4096 / 64] = { 0 };
	uint64_t word = 42;

	setup();
	map_chunk(&mem, 1);
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	ck_assert_int_eq(mem_write(&mem, BASE + CHUNK + 3 * 4096, &word, sizeof(word)), 0);
	ck_assert_int_eq(mem_dirty_collect(&mem, mem_map_at(mem_map(&mem), 1), bits), 0);
	ck_assert_uint_eq(bits[0], 1 << 3);
	mem_dirty_stop(&mem);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_prealloc_takes_what_is_asked_for_and_not_the_chunk)
{
	uint64_t before;

	make(&mem, true);
	map_chunk(&mem, 0);
	before = blocks_of(mem.memfd);
	ck_assert_uint_lt(before, 3 * MIB);
	ck_assert_int_eq(mem_window_take(&mem, BASE + 2 * MIB, 2 * MIB), 0);
	ck_assert_uint_eq(blocks_of(mem.memfd), before + 2 * MIB);
	mem_finish(&mem);
}
END_TEST

/* By a descriptor of the memory that a like process has: a chunk that comes later is in it, too. */
START_TEST(test_adopted_memory_has_the_window)
{
	struct mem from;
	uint64_t word = 42;

	setup();
	make(&from, false);
	map_chunk(&from, 1);
	map_chunk(&mem, 1);
	ck_assert_int_eq(mem_write(&from, BASE + CHUNK, &word, sizeof(word)), 0);
	ck_assert_int_eq(mem_adopt(&mem, dup(from.memfd), MEM_ADOPT_SHARED), 0);
	word = 0;
	ck_assert_int_eq(mem_read(&mem, BASE + CHUNK, &word, sizeof(word)), 0);
	ck_assert_uint_eq(word, 42);
	map_chunk(&mem, 3);
	map_chunk(&from, 3);
	ck_assert_int_eq(mem_write(&mem, BASE + 3 * CHUNK, &word, sizeof(word)), 0);
	word = 0;
	ck_assert_int_eq(mem_read(&from, BASE + 3 * CHUNK, &word, sizeof(word)), 0);
	ck_assert_uint_eq(word, 42);
	mem_finish(&from);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_adopted_memory_without_room_for_the_window_is_refused)
{
	struct mem_options options = { .name = "test" };
	struct mem from;
	int fd;

	setup();
	ck_assert_int_eq(mem_init(&from, -1, 8, &options), 0);
	ck_assert_int_eq(mem_map_ram(&from, "low", 0, 2 * MIB, 0), 0);
	fd = dup(from.memfd);
	ck_assert_int_eq(mem_adopt(&mem, fd, MEM_ADOPT_SHARED), -EINVAL);
	close(fd);
	mem_finish(&from);
	mem_finish(&mem);
}
END_TEST

/* A snapshot's file: what was there goes, and what comes at its place is new. */
START_TEST(test_private_chunk_goes_and_comes_back_empty)
{
	struct mem from;
	uint64_t word = 42;

	setup();
	make(&from, false);
	map_chunk(&from, 0);
	map_chunk(&mem, 0);
	ck_assert_int_eq(mem_write(&from, BASE, &word, sizeof(word)), 0);
	ck_assert_int_eq(mem_adopt(&mem, dup(from.memfd), MEM_ADOPT_PRIVATE), 0);
	word = 0;
	ck_assert_int_eq(mem_read(&mem, BASE, &word, sizeof(word)), 0);
	ck_assert_uint_eq(word, 42);
	ck_assert_int_eq(mem_unmap(&mem, BASE), 0);
	map_chunk(&mem, 0);
	ck_assert_int_eq(mem_read(&mem, BASE, &word, sizeof(word)), 0);
	ck_assert_uint_eq(word, 0);
	ck_assert(!(mem_map_at(mem_map(&mem), 1)->flags & MEM_PRIVATE));
	mem_finish(&from);
	mem_finish(&mem);
}
END_TEST

START_TEST(test_pinned_map_cannot_be_changed)
{
	setup();
	ck_assert_int_eq(mem_change_begin(&mem), 0);
	mem_change_end(&mem);
	mem_pin(&mem);
	mem_pin(&mem);
	mem_unpin(&mem);
	ck_assert_int_eq(mem_change_begin(&mem), -EBUSY);
	mem_unpin(&mem);
	ck_assert_int_eq(mem_change_begin(&mem), 0);
	mem_change_end(&mem);
	mem_finish(&mem);
}
END_TEST

static atomic_bool is_pinned;

static void *pin(void *arg)
{
	mem_pin(arg);
	is_pinned = true;
	return NULL;
}

START_TEST(test_pinning_waits_for_the_end_of_a_change)
{
	pthread_t thread;

	setup();
	ck_assert_int_eq(mem_change_begin(&mem), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, pin, &mem), 0);
	map_chunk(&mem, 0);
	ck_assert(!is_pinned);
	mem_change_end(&mem);
	pthread_join(thread, NULL);
	ck_assert(is_pinned);
	ck_assert_int_eq(mem_change_begin(&mem), -EBUSY);
	mem_finish(&mem);
}
END_TEST

CHECK_MAIN("window", test_window_is_no_memory_until_it_is_mapped,
	   test_chunk_has_its_place_whenever_it_is_mapped, test_unmapped_chunk_leaves_nothing,
	   test_reader_of_an_old_picture_finds_memory_that_is_nobodys,
	   test_window_does_not_overlap_and_is_mapped_in_whole_parts,
	   test_chunk_is_tracked_like_other_memory,
	   test_prealloc_takes_what_is_asked_for_and_not_the_chunk,
	   test_adopted_memory_has_the_window,
	   test_adopted_memory_without_room_for_the_window_is_refused,
	   test_private_chunk_goes_and_comes_back_empty, test_pinned_map_cannot_be_changed,
	   test_pinning_waits_for_the_end_of_a_change)
