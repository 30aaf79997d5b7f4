/* SPDX-License-Identifier: Apache-2.0 */
/* What a running guest finds when its memory is moved, taken away, protected, or in all of KVM's
 * slots. */
#include "mem/txn.h"

#include <unistd.h>

#include "kvm/ioctl.h"
#include "kvm/kvm.h"
#include "mem/dirty.h"
#include "mem/writer.h"
#include "vm/vm.h"

#define FIRST 2048 /* pages of RAM that nothing else uses */
#define A     (WRITER_RAM + 64 * MIB)
#define B     (WRITER_RAM + 96 * MIB)
#define SLOTS (WRITER_RAM + GIB) /* where memory of many slots lies, every other page of it */

static struct writer w;
static uint64_t bitmap[4096 / 64];
static uint8_t *ram;

static void begin(void)
{
	writer_start(&w, (struct machine_options){ 0 });
	ram = mem_ptr_rw(w.mem, WRITER_RAM, 16 * MIB);
	ck_assert_int_eq(vm_start(w.t.vm), 0);
}

static uint32_t page_of(gpa_t gpa)
{
	return (uint32_t)((gpa - WRITER_RAM) / PAGE);
}

static uint32_t guest_reads(gpa_t gpa)
{
	writer_do(&w, page_of(gpa) | WRITER_READ, 1);
	return w.word;
}

static void commit(struct mem_txn *txn)
{
	int r = mem_txn_commit(txn);

	ck_assert_msg(r == 0, "%s", error_text(r));
}

static void put(gpa_t gpa, uint32_t value)
{
	ck_assert_int_eq(mem_write(w.mem, gpa, &value, sizeof(value)), 0);
}

static void move(gpa_t gpa, gpa_t to)
{
	struct mem_txn txn;

	mem_txn_begin(&txn, w.mem);
	mem_txn_move(&txn, gpa, to);
	commit(&txn);
}

/* The kernel's set_memory_region_test: a value that was there, or nothing, and no third thing. */
START_TEST(test_a_moved_region_is_here_or_there)
{
	begin();
	ck_assert_int_eq(mem_map_ram(w.mem, "moved", A, 2 * PAGE, 0), 0);
	put(A, 0x1111);
	ck_assert_uint_eq(guest_reads(A), 0x1111);
	ck_assert_uint_eq(guest_reads(B), UINT32_MAX);
	for (int i = 0; i < 100; i++) {
		writer_ask(&w, page_of(A) | WRITER_READ, 1);
		move(A, B);
		writer_wait(&w);
		ck_assert(w.word == 0x1111 || w.word == UINT32_MAX);
		ck_assert_uint_eq(guest_reads(A), UINT32_MAX);
		ck_assert_uint_eq(guest_reads(B), 0x1111);
		move(B, A);
		ck_assert_uint_eq(guest_reads(A), 0x1111);
	}
	ck_assert_int_eq(mem_unmap(w.mem, A), 0);
	ck_assert_uint_eq(guest_reads(A), UINT32_MAX);
	ck_assert_int_eq(mem_map_ram(w.mem, "new", A, PAGE, 0), 0);
	ck_assert_uint_eq(guest_reads(A), 0);
	writer_finish(&w);
}
END_TEST

static void protect(gpa_t gpa, bool readonly)
{
	struct mem_txn txn;

	mem_txn_begin(&txn, w.mem);
	mem_txn_protect(&txn, gpa, readonly);
	commit(&txn);
}

START_TEST(test_a_protected_region_keeps_what_it_held)
{
	begin();
	ck_assert_int_eq(mem_map_ram(w.mem, "protected", A, PAGE, 0), 0);
	writer_do(&w, page_of(A), 1);
	ck_assert_uint_eq(guest_reads(A), 1);
	protect(A, true);
	writer_do(&w, page_of(A), 1);
	ck_assert_uint_eq(guest_reads(A), 1);
	ck_assert_ptr_null(mem_ptr_rw(w.mem, A, 1));
	protect(A, false);
	writer_do(&w, page_of(A), 1);
	ck_assert_uint_eq(guest_reads(A), 2);
	writer_finish(&w);
}
END_TEST

/*
 * What becomes of it is the CPU's: KVM cannot run it, or there are three faults in a row, or it
 * faults for ever (QEMU's SVM, and arm64), until it is stopped.
 */
START_TEST(test_a_guest_without_memory_ends_and_ferry_goes_on)
{
	enum vm_end end;

	begin();
	ck_assert_uint_eq(guest_reads(WRITER_RAM + FIRST * PAGE), 0);
	ck_assert_int_eq(mem_unmap(w.mem, WRITER_RAM), 0);
	for (int i = 0; i < 1000 && vm_ended(w.t.vm) == VM_END_NONE; i++)
		usleep(1000);
	end = vm_ended(w.t.vm);
	ck_assert(end == VM_END_CRASH || end == VM_END_RESET ||
		  (end == VM_END_NONE && (WRITER_RAM || getenv("FERRY_TEST_SLOWDOWN"))));
	ck_assert_int_eq(mem_map_ram(w.mem, "again", WRITER_RAM, MIB, 0), 0);
	writer_finish(&w);
}
END_TEST

static struct {
	int left; /* the ioctl that fails, counted from 1 */
} fault;

static int fail_in_the_end(void *self, const char *name, long arg)
{
	(void)self, (void)arg;
	if (strcmp(name, "KVM_SET_USER_MEMORY_REGION") != 0 || --fault.left != 0)
		return 0;
	return -ENOMEM;
}

static uint32_t slot_count(void)
{
	return w.mem->max_slots - (uint32_t)mem_map(w.mem)->count;
}

static int fill_slots(uint32_t count)
{
	struct mem_txn txn;

	mem_txn_begin(&txn, w.mem);
	for (uint32_t i = 0; i < count; i++)
		mem_txn_map_alias(&txn, "many", SLOTS + i * 2 * PAGE, PAGE, 0,
				  ram + (FIRST + i % 1024) * PAGE);
	return mem_txn_commit(&txn);
}

/* The guest is paused meanwhile: KVM waits for who is in KVM_RUN at each of so many ioctls. */
static int fill_slots_paused(uint32_t count)
{
	int r;

	vm_pause(w.t.vm);
	r = fill_slots(count);
	vm_resume(w.t.vm);
	return r;
}

static void empty_slots(uint32_t count)
{
	struct mem_txn txn;

	mem_txn_begin(&txn, w.mem);
	while (count--)
		mem_txn_unmap(&txn, SLOTS + count * 2 * PAGE);
	vm_pause(w.t.vm);
	commit(&txn);
	vm_resume(w.t.vm);
}

/* 32,000 and more on x86. One more than there are takes all of them back. */
START_TEST(test_all_of_kvms_slots_hold_memory)
{
	const struct mem_map *map;
	uint32_t count;

	begin();
	/* In the lab 32,000 would take minutes. */
	if (getenv("FERRY_TEST_SLOWDOWN"))
		w.mem->max_slots = 600;
	map = mem_map(w.mem);
	count = slot_count();
	ck_assert_uint_gt(count, 500);
	for (uint32_t i = 0; i < 1024; i++)
		put(WRITER_RAM + (FIRST + i) * PAGE, i + 1);
	ck_assert_int_eq(fill_slots_paused(count + 1), -ENOSPC);
	ck_assert_ptr_eq(mem_map(w.mem), map);
	ck_assert_uint_eq(guest_reads(SLOTS), UINT32_MAX);
	ck_assert_int_eq(fill_slots_paused(count), 0);
	ck_assert_int_eq(mem_map_ram(w.mem, "one more", A, PAGE, 0), -ENOSPC);
	for (uint32_t i = 0; i < count; i += count / 10)
		ck_assert_uint_eq(guest_reads(SLOTS + i * 2 * PAGE), i % 1024 + 1);
	ck_assert_uint_eq(guest_reads(SLOTS + PAGE), UINT32_MAX);
	empty_slots(count);
	ck_assert_uint_eq(guest_reads(SLOTS), UINT32_MAX);
	ck_assert_uint_eq(guest_reads(WRITER_RAM + FIRST * PAGE), 1);
	writer_finish(&w);
}
END_TEST

static const struct mem_region *ram_region(void)
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
	ck_assert_int_eq(mem_dirty_collect(w.mem, ram_region(), bitmap), 0);
}

static void begin_tracking(void)
{
	begin();
	ck_assert_int_eq(mem_dirty_start(w.mem), 0);
	memset(bitmap, 0xff, sizeof(bitmap));
	ck_assert_int_eq(mem_dirty_clear(w.mem, ram_region(), 0, 4096, bitmap), 0);
	collect();
	ck_assert_uint_eq(told(FIRST, 2048), 0);
}

/* All of the guest's RAM goes and comes back in one transaction, twice. */
static void shake(bool fails)
{
	static const struct kvm_hook hook = { .before = fail_in_the_end };
	struct mem_txn txn;

	fault.left = fails ? 5 : 0;
	kvm_hook_set(&hook);
	mem_txn_begin(&txn, w.mem);
	mem_txn_move(&txn, WRITER_RAM, 64 * GIB);
	mem_txn_move(&txn, 64 * GIB, WRITER_RAM);
	mem_txn_protect(&txn, WRITER_RAM, true);
	mem_txn_protect(&txn, WRITER_RAM, false);
	ck_assert_int_eq(mem_txn_commit(&txn), fails ? -ENOMEM : 0);
	kvm_hook_set(NULL);
}

/* Between the last collect and a deletion is where other monitors lose some. */
START_TEST(test_what_the_guest_writes_before_a_deletion_is_told)
{
	begin_tracking();
	writer_do(&w, FIRST, 100);
	shake(false);
	writer_do(&w, FIRST + 200, 10);
	shake(true);
	collect();
	ck_assert_uint_eq(told(FIRST, 2048), 110);
	ck_assert_uint_eq(told(FIRST, 100), 100);
	ck_assert_uint_eq(told(FIRST + 200, 10), 10);
	ck_assert_int_eq(mem_dirty_clear(w.mem, ram_region(), 0, 4096, bitmap), 0);
	collect();
	ck_assert_uint_eq(told(FIRST, 2048), 0);
	writer_do(&w, FIRST, 3);
	collect();
	ck_assert_uint_eq(told(FIRST, 2048), 3);
	writer_finish(&w);
}
END_TEST

/* The kernel's dirty_log_test, with transactions all the while: nothing is ever missed. */
START_TEST(test_copy_by_dirty_pages_survives_transactions)
{
	static uint8_t copy[4096][PAGE];

	begin_tracking();
	memcpy(copy, ram, sizeof(copy));
	memset(bitmap, 0xff, sizeof(bitmap));
	for (int round = 0; round < 32; round++) {
		writer_ask(&w, FIRST + 32 * (uint32_t)round, 1000);
		for (int i = 0; i < 5; i++) {
			shake(i == 3);
			collect();
			mem_dirty_clear(w.mem, ram_region(), 0, 4096, bitmap);
			for (uint32_t page = 0; page < 4096; page++)
				if (told(page, 1))
					memcpy(copy[page], ram + page * PAGE, PAGE);
		}
		writer_wait(&w);
	}
	vm_pause(w.t.vm);
	shake(false);
	collect();
	for (uint32_t page = 0; page < 4096; page++)
		if (told(page, 1))
			memcpy(copy[page], ram + page * PAGE, PAGE);
	/* Besides what was written before it began. */
	ck_assert(memcmp(copy[FIRST], ram + FIRST * PAGE, 2048 * PAGE) == 0);
	writer_finish(&w);
}
END_TEST

CHECK_MAIN_KVM("slots of a guest", test_a_moved_region_is_here_or_there,
	       test_a_protected_region_keeps_what_it_held,
	       test_a_guest_without_memory_ends_and_ferry_goes_on,
	       test_all_of_kvms_slots_hold_memory,
	       test_what_the_guest_writes_before_a_deletion_is_told,
	       test_copy_by_dirty_pages_survives_transactions)
