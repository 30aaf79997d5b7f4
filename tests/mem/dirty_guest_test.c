/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest writes is told, by each of the ways in which KVM can be asked. */
#include "mem/dirty.h"

#include "kvm/ioctl.h"
#include "kvm/kvm.h"
#include "mem/writer.h"

static struct writer w;
static uint64_t bitmap[4096 / 64]; /* of the guest's 16 MiB */

#define FIRST 2048 /* pages that nothing else uses */

static const struct mem_region *ram(void)
{
	return mem_map_find(mem_map(w.mem), WRITER_RAM);
}

static unsigned told(uint32_t first, uint32_t count)
{
	unsigned sum = 0;

	for (uint32_t page = first; page < first + count; page++)
		sum += bitmap[page / 64] >> page % 64 & 1;
	return sum;
}

static void collect(void)
{
	memset(bitmap, 0, sizeof(bitmap));
	ck_assert_int_eq(mem_dirty_collect(w.mem, ram(), bitmap), 0);
}

static void clear(uint32_t first, uint32_t count)
{
	ck_assert_int_eq(mem_dirty_clear(w.mem, ram(), first, count, bitmap), 0);
}

static int refuse_manual(void *self, const char *name, long arg)
{
	(void)self;
	return strcmp(name, "KVM_CHECK_EXTENSION") == 0 && arg == KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2
		       ? -EINVAL
		       : 0;
}

/* Tracks, and gets the first round behind it in which everything may be told. */
static void begin_with(const struct kvm_hook *hook)
{
	writer_start(&w, (struct machine_options){ 0 });
	ck_assert_uint_eq(ram()->size, 16 * MIB);
	ck_assert_int_eq(vm_start(w.t.vm), 0);
	writer_do(&w, FIRST, 512);
	kvm_hook_set(hook);
	ck_assert_int_eq(mem_dirty_start(w.mem), 0);
	ck_assert_int_eq(w.mem->manual_protect, !hook);
	kvm_hook_set(NULL);
	memset(bitmap, 0xff, sizeof(bitmap));
	for (uint32_t page = 0; page < 4096; page += 1024)
		clear(page, 1024);
	collect();
	ck_assert_uint_eq(told(FIRST, 1024), 0);
}

static void begin(void)
{
	begin_with(NULL);
}

static void check_rounds(const struct kvm_hook *hook)
{
	struct kvm_dirty_log log = { .dirty_bitmap = bitmap };

	begin_with(hook);
	log.slot = ram()->slot;
	writer_do(&w, FIRST, 100);
	writer_do(&w, FIRST + 300, 1);
	collect();
	ck_assert_uint_eq(told(FIRST, 100), 100);
	ck_assert_uint_eq(told(FIRST, 1024), 101);
	collect();
	ck_assert_uint_eq(told(FIRST, 1024), 101);
	clear(FIRST, 70); /* ends inside a word */
	collect();
	ck_assert_uint_eq(told(FIRST, 70), 0);
	ck_assert_uint_eq(told(FIRST, 1024), 31);
	writer_do(&w, FIRST + 64, 10); /* six of them are clean */
	collect();
	ck_assert_uint_eq(told(FIRST, 1024), 37);
	clear(FIRST, 2048);
	collect();
	ck_assert_uint_eq(told(FIRST, 1024), 0);
	mem_dirty_stop(w.mem);
	ck_assert_int_eq(kvm_get_dirty_log(w.mem->vm_fd, &log), -ENOENT);
	writer_do(&w, FIRST, 10);
	writer_finish(&w);
}

START_TEST(test_guests_writes_are_told_until_cleared)
{
	check_rounds(NULL);
}
END_TEST

START_TEST(test_guests_writes_are_told_by_a_kvm_without_manual_protection)
{
	struct kvm_hook hook = { .before = refuse_manual };

	check_rounds(&hook);
}
END_TEST

START_TEST(test_a_second_tracking_starts_anew)
{
	begin();
	writer_do(&w, FIRST, 10);
	mem_dirty_stop(w.mem);
	ck_assert_int_eq(mem_dirty_start(w.mem), 0);
	memset(bitmap, 0xff, sizeof(bitmap));
	clear(0, 4096);
	writer_do(&w, FIRST + 20, 3);
	collect();
	ck_assert_uint_eq(told(FIRST, 1024), 3);
	mem_dirty_stop(w.mem);
	writer_finish(&w);
}
END_TEST

START_TEST(test_a_slot_that_comes_while_tracking_is_tracked)
{
	const struct mem_region *added;

	begin();
	ck_assert_int_eq(mem_map_ram(w.mem, "added", WRITER_RAM + 64 * MIB, 2 * MIB, 0), 0);
	added = mem_map_find(mem_map(w.mem), WRITER_RAM + 64 * MIB);
	memset(bitmap, 0, sizeof(bitmap));
	ck_assert_int_eq(mem_dirty_collect(w.mem, added, bitmap), 0);
	ck_assert_uint_eq(told(0, 512), 512);
	ck_assert_int_eq(mem_dirty_clear(w.mem, added, 0, 512, bitmap), 0);
	writer_do(&w, 64 * MIB / PAGE + 7, 2);
	memset(bitmap, 0, sizeof(bitmap));
	ck_assert_int_eq(mem_dirty_collect(w.mem, added, bitmap), 0);
	ck_assert_uint_eq(told(0, 512), 2);
	ck_assert_uint_eq(told(7, 2), 2);
	writer_finish(&w);
}
END_TEST

/* Fewer where a CPU is emulated. */
static int rounds(void)
{
	return getenv("FERRY_TEST_SLOWDOWN") ? 4 : 20;
}

/* What migration does, with a guest that writes all the time: collect, clear, copy, and compare. */
START_TEST(test_copy_by_dirty_pages_is_the_memory_of_a_writing_guest)
{
	static uint8_t copy[4096][PAGE];
	const uint8_t *memory;

	begin();
	memory = ram()->hva;
	memcpy(copy, memory, sizeof(copy));
	for (int round = 0; round < rounds(); round++) {
		writer_ask(&w, FIRST + 64 * (uint32_t)round, 1000);
		for (int i = 0; i < 5; i++) {
			collect();
			clear(0, 4096);
			for (uint32_t page = 0; page < 4096; page++)
				if (told(page, 1))
					memcpy(copy[page], memory + page * PAGE, PAGE);
		}
		writer_wait(&w);
	}
	vm_pause(w.t.vm);
	collect();
	for (uint32_t page = 0; page < 4096; page++)
		if (told(page, 1))
			memcpy(copy[page], memory + page * PAGE, PAGE);
	ck_assert(memcmp(copy, memory, sizeof(copy)) == 0);
	writer_finish(&w);
}
END_TEST

CHECK_MAIN_KVM("dirty by a guest", test_guests_writes_are_told_until_cleared,
	       test_guests_writes_are_told_by_a_kvm_without_manual_protection,
	       test_a_second_tracking_starts_anew, test_a_slot_that_comes_while_tracking_is_tracked,
	       test_copy_by_dirty_pages_is_the_memory_of_a_writing_guest)
