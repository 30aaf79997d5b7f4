/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots come and go under a guest that runs a guest (guest/mem/nested.c). For that KVM allocates
 * reverse maps for each slot, when it first shadows page tables and for each that comes later: before,
 * after and meanwhile, the nested guest finds its memory.
 */
#include "machine/machine_for_test.h"

#include <sched.h>
#include <stdatomic.h>

#include "kvm/kvm.h"
#include "kvm/kvm_x86.h"
#include "mem/mem.h"
#include "mem/txn.h"
#include "vm/vm.h"

#define PAGE	GUEST_PAGE_SIZE
#define RAM	(16 * MIB)
#define CONTROL 0x600000ULL
#define WINDOW	0x700000ULL
#define SPARE	0x800000ULL
#define FAR	(1 * GIB)
#define AWAY	(2 * GIB)

/* As in the guest. */
struct control {
	_Atomic uint64_t generation, nested, stop, ended;
	_Atomic uint64_t failed, expected, found, rounds, nested_rounds;
};

static struct test_machine t;
static struct mem *mem;
static uint8_t *ram;
static struct control *control;

static bool offers_svm(int kvm)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	bool found = false;

	cpuid->nent = 256;
	if (kvm_get_supported_cpuid(kvm, cpuid) < 0)
		cpuid->nent = 0;
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 0x80000001)
			found = cpuid->entries[i].ecx >> 2 & 1;
	free(cpuid);
	return found;
}

/* What the CPU of the host offers its guests decides: kvm_amd has nested=1 unless it was told. */
__attribute__((constructor)) static void need_svm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	bool offered = kvm >= 0 && offers_svm(kvm);

	close(kvm);
	if (offered)
		return;
	printf("skipped: this KVM offers its guests no SVM\n");
	fflush(stdout);
	_exit(77);
}

static void alias(struct mem_txn *txn, gpa_t from, gpa_t to)
{
	mem_txn_map_alias(txn, "RAM", from, to - from, 0, ram + from);
}

static void commit(struct mem_txn *txn)
{
	int r = mem_txn_commit(txn);

	ck_assert_msg(r == 0, "%s", error_text(r));
}

/* The window becomes a region of its own. */
static void cut(void)
{
	struct mem_txn txn;

	mem_txn_begin(&txn, mem);
	mem_txn_unmap(&txn, 0);
	alias(&txn, 0, WINDOW);
	mem_txn_map_alias(&txn, "window", WINDOW, PAGE, 0, ram + SPARE);
	alias(&txn, WINDOW + PAGE, RAM);
	commit(&txn);
}

static void begin(void)
{
	test_machine_create_with(&t, (struct machine_options){ .kernel = GUEST_DIR "/mem/nested",
							      .vm.vcpus = 1 });
	mem = vm_mem(t.vm);
	ram = mem_ptr_rw(mem, 0, RAM);
	control = (struct control *)(ram + CONTROL);
	cut();
	ck_assert_int_eq(vm_start(t.vm), 0);
}

static void check_guest(void)
{
	ck_assert_msg(control->failed == 0, "check %u: %#llx, not %#llx", (unsigned)control->failed,
		      (unsigned long long)control->found, (unsigned long long)control->expected);
	ck_assert_msg(vm_ended(t.vm) == VM_END_NONE, "%s", vm_end_text(t.vm));
}

/* The test's time limit bounds the wait. */
static void wait_for(const _Atomic uint64_t *rounds, uint64_t more)
{
	uint64_t until = *rounds + more;

	while (*rounds < until && !control->failed && vm_ended(t.vm) == VM_END_NONE)
		sched_yield();
	check_guest();
}

static void end(void)
{
	control->stop = 1;
	while (!control->ended && vm_ended(t.vm) == VM_END_NONE)
		sched_yield();
	check_guest();
	test_machine_finish(&t);
}

/* The other page behind the window, and in every second turn the whole of RAM anew. */
static void remap(unsigned turn)
{
	uint64_t generation = control->generation + 1;
	uint8_t *page = ram + SPARE + generation % 2 * PAGE;
	struct mem_txn txn;

	atomic_store((_Atomic uint64_t *)page, generation);
	mem_txn_begin(&txn, mem);
	mem_txn_unmap(&txn, WINDOW);
	mem_txn_map_alias(&txn, "window", WINDOW, PAGE, turn % 3 ? 0 : MEM_READONLY, page);
	if (turn % 2) {
		mem_txn_move(&txn, 0, AWAY);
		mem_txn_move(&txn, AWAY, 0);
	}
	commit(&txn);
	control->generation = generation;
	check_guest();
}

static void come_and_go(unsigned turn)
{
	gpa_t gpa = FAR + turn % 8 * 2 * MIB;

	if (turn >= 8)
		ck_assert_int_eq(mem_unmap(mem, gpa), 0);
	ck_assert_int_eq(mem_map_ram(mem, "comes", gpa, (1 + turn % 5) * PAGE, 0), 0);
	check_guest();
}

START_TEST(test_nested_guest_begins_while_slots_come_and_go)
{
	begin();
	wait_for(&control->rounds, 10);
	for (unsigned turn = 0; turn < 60; turn++) {
		if (turn == 20)
			control->nested = 1;
		come_and_go(turn);
	}
	wait_for(&control->nested_rounds, 20);
	end();
}
END_TEST

START_TEST(test_nested_guest_sees_no_hole_and_no_old_page)
{
	begin();
	control->nested = 1;
	wait_for(&control->nested_rounds, 5);
	for (unsigned turn = 0; turn < 60; turn++) {
		remap(turn);
		come_and_go(turn);
		wait_for(&control->nested_rounds, turn % 4);
	}
	end();
}
END_TEST

/* The log needs the reverse maps too: pages of a nested guest are protected by them. */
START_TEST(test_slots_of_a_nested_guest_are_logged_and_not)
{
	begin();
	control->nested = 1;
	wait_for(&control->nested_rounds, 5);
	for (unsigned turn = 0; turn < 20; turn++) {
		struct mem_txn txn;

		mem_txn_begin(&txn, mem);
		mem_txn_log(&txn, turn % 2 == 0);
		commit(&txn);
		remap(turn);
		wait_for(&control->nested_rounds, 3);
	}
	end();
}
END_TEST

CHECK_MAIN_KVM("slots under a nested guest", test_nested_guest_begins_while_slots_come_and_go,
	       test_nested_guest_sees_no_hole_and_no_old_page,
	       test_slots_of_a_nested_guest_are_logged_and_not)
