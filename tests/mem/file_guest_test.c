/* SPDX-License-Identifier: Apache-2.0 */
/* A guest whose memory becomes a file's, or comes page by page, while its slots stay. */
#include "mem/adopt.h"
#include "mem/data.h"
#include "mem/dirty.h"
#include "mem/pager.h"
#include "mem/writer.h"

#define FIRST 2048

static struct writer w;
static uint8_t *saved; /* the memory's file, as it was when the guest was paused */
static uint64_t saved_size;

/* Runs until it has written 100 pages twice, and stops with its memory in saved. */
static void run_and_save(void)
{
	const struct mem_map *map;

	writer_start(&w, (struct machine_options){ 0 });
	ck_assert_int_eq(vm_start(w.t.vm), 0);
	writer_do(&w, FIRST, 100);
	writer_do(&w, FIRST, 100);
	vm_pause(w.t.vm);
	map = mem_map(w.mem);
	saved_size = w.mem->memfd_size;
	saved = calloc(1, saved_size);
	for (size_t i = 0; i < map->count; i++)
		memcpy(saved + mem_map_at(map, i)->offset, mem_map_at(map, i)->hva,
		       mem_map_at(map, i)->size);
}

static int save_to_file(void)
{
	char path[] = "/tmp/ferry-memory-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(ftruncate(fd, (off_t)saved_size), 0);
	for (uint64_t at = 0; at < saved_size; at += PAGE)
		if (!page_is_zero(saved + at))
			ck_assert_int_eq(pwrite(fd, saved + at, PAGE, (off_t)at), PAGE);
	return fd;
}

/* What the guest finds in a page, which it wrote so many times before. */
static void expect_word(uint32_t page, uint32_t word)
{
	writer_do(&w, page, 1);
	ck_assert_uint_eq(atomic_load(&w.word), word);
}

static void finish(void)
{
	free(saved);
	writer_finish(&w);
}

START_TEST(test_guest_goes_on_over_its_snapshot)
{
	uint64_t bitmap[4096 / 64] = { 0 };
	uint8_t *before;
	int fd;

	run_and_save();
	fd = save_to_file();
	before = malloc(saved_size);
	ck_assert_int_eq(pread(fd, before, saved_size, 0), (ssize_t)saved_size);
	ck_assert_int_eq(mem_adopt(w.mem, dup(fd), MEM_ADOPT_PRIVATE), 0);
	ck_assert_int_eq(mem_dirty_start(w.mem), 0);
	vm_resume(w.t.vm);
	expect_word(FIRST, 2);
	expect_word(FIRST, 3);
	expect_word(FIRST + 99, 2);
	expect_word(FIRST + 100, 0);
	ck_assert_int_eq(mem_dirty_collect(w.mem, mem_map_find(mem_map(w.mem), WRITER_RAM), bitmap), 0);
	ck_assert_uint_eq(bitmap[FIRST / 64] & 1, 1);
	/* What is discarded is zero to the guest too, and so is what is written after. */
	ck_assert_int_eq(mem_discard(w.mem, WRITER_RAM + FIRST * PAGE, 50 * PAGE), 0);
	expect_word(FIRST, 0);
	expect_word(FIRST, 1);
	expect_word(FIRST + 49, 0);
	expect_word(FIRST + 50, 2);
	vm_pause(w.t.vm);
	ck_assert_int_eq(pread(fd, saved, saved_size, 0), (ssize_t)saved_size);
	ck_assert(memcmp(before, saved, saved_size) == 0);
	free(before);
	close(fd);
	finish();
}
END_TEST

START_TEST(test_guest_goes_on_in_memory_that_was_handed_over)
{
	run_and_save();
	ck_assert_int_eq(mem_adopt(w.mem, dup(w.mem->memfd), MEM_ADOPT_SHARED), 0);
	vm_resume(w.t.vm);
	expect_word(FIRST, 2);
	expect_word(FIRST + 99, 2);
	expect_word(FIRST + 100, 0);
	ck_assert_int_eq(mem_discard(w.mem, WRITER_RAM + FIRST * PAGE, PAGE), 0);
	expect_word(FIRST, 0);
	finish();
}
END_TEST

static _Atomic unsigned asked;

/* The guest runs only after it is there. */
static _Atomic(struct pager *) serving;

static void serve(void *self, gpa_t page)
{
	const struct mem_map *map = mem_map(w.mem);

	(void)self;
	atomic_fetch_add(&asked, 1);
	for (size_t i = 0; i < map->count; i++) {
		const struct mem_region *region = mem_map_at(map, i);

		if (page - region->gpa < region->size)
			ck_assert_int_eq(pager_place(atomic_load(&serving), page,
						     saved + region->offset + page - region->gpa,
						     1),
					 0);
	}
}

START_TEST(test_guest_runs_while_its_pages_come)
{
	const struct mem_region *ram;
	uint64_t missing[4096 / 64];
	struct pager *pager = NULL;
	int r;

	run_and_save();
	ram = mem_map_find(mem_map(w.mem), WRITER_RAM);
	for (size_t i = 0; i < mem_map(w.mem)->count; i++) {
		const struct mem_region *region = mem_map_at(mem_map(w.mem), i);

		r = mem_drop(w.mem, region->gpa, region->size);
		ck_assert_msg(r == 0, "%s", error_text(r));
	}
	r = pager_create(w.mem, serve, NULL, &pager);
	if (r == -EPERM) { /* pager_test says so */
		finish();
		return;
	}
	ck_assert_int_eq(r, 0);
	atomic_store(&serving, pager);
	vm_resume(w.t.vm);
	for (uint32_t i = 0; i < 100; i++)
		expect_word(FIRST + i, 2);
	expect_word(FIRST + 100, 0);
	ck_assert_uint_gt(atomic_load(&asked), 101);
	ck_assert_uint_lt(atomic_load(&asked), 200);
	/* The rest comes unasked, also onto what the guest has written since. */
	ck_assert_int_eq(pager_place(pager, WRITER_RAM, saved + ram->offset, ram->size / PAGE), 0);
	ck_assert_int_eq(pager_missing(pager, ram, missing), 0);
	for (unsigned i = 0; i < 4096 / 64; i++)
		ck_assert_uint_eq(missing[i], 0);
	expect_word(FIRST, 3);
	pager_destroy(pager);
	expect_word(FIRST + 99, 3);
	expect_word(FIRST + 100, 1);
	finish();
}
END_TEST

CHECK_MAIN_KVM("a guest in a file", test_guest_goes_on_over_its_snapshot,
	       test_guest_goes_on_in_memory_that_was_handed_over,
	       test_guest_runs_while_its_pages_come)
