/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest (guest/mem/remap.c) whose own code, data and page tables are remapped by transactions
 * sees neither a hole nor a page that was there before. FERRY_TEST_REMAPS is how often; by default
 * few.
 */
#include "machine/machine_for_test.h"

#include <ferry/bus.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "mem/mem.h"
#include "mem/txn.h"
#include "vm/vm.h"

#define PAGE	GUEST_PAGE_SIZE
/* guest/lib: where RAM begins, and where the guest asks. */
#ifdef __aarch64__
#define RAM	GIB
#define ASK	0x0f000000
#define ASK_BUS vm_mmio
#else
#define RAM	0ULL
#define ASK	0x1000
#define ASK_BUS vm_pio
#endif
#define END	(RAM + 16 * MIB)
#define CONTROL (RAM + 0x600000)
#define WINDOW	(RAM + 0x700000)
#define SPARE	(RAM + 0x800000) /* two pages, by turns behind the window */
#define FAR	(64 * GIB)

/* As in the guest. */
struct control {
	_Atomic uint64_t generation, stop, cpus, ended;
	_Atomic uint64_t failed, expected, found;
	_Atomic uint64_t rounds[8];
};

static struct test_machine t;
static struct mem *mem;
static uint8_t *first;
static struct control *control;
static unsigned remaps;
static uint64_t limit;
static uint64_t asked;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* ask: generation, remaps and asked */

static void unmap_ram(struct mem_txn *txn)
{
	const struct mem_map *map = mem_map(mem);

	for (size_t i = 0; i < map->count; i++)
		if (mem_map_at(map, i)->gpa - RAM < END - RAM)
			mem_txn_unmap(txn, mem_map_at(map, i)->gpa);
}

/* Where it lies for good, whatever is mapped. */
static uint8_t *ram(gpa_t gpa)
{
	return first + (gpa - RAM);
}

static void alias(struct mem_txn *txn, gpa_t from, gpa_t to)
{
	ck_assert_int_eq(mem_txn_map_alias(txn, "RAM", from, to - from, 0, ram(from)), 0);
}

/* All of RAM anew, in other pieces: what the guest runs on is cut somewhere else each time. */
static void map_anew(struct mem_txn *txn, const uint8_t *page)
{
	static const gpa_t cuts[] = { 0x100000, 0x101000, 0x104000, 0x106000, 0x200000, 0x10a000 };
	gpa_t cut = RAM + cuts[remaps / 4 % ARRAY_SIZE(cuts)];

	unmap_ram(txn);
	alias(txn, RAM, cut);
	alias(txn, cut, WINDOW);
	mem_txn_map_alias(txn, "window", WINDOW, PAGE, 0, page);
	alias(txn, WINDOW + PAGE, END);
}

/* The next page behind the window, and more, in one of four ways. */
static void remap(void)
{
	uint64_t generation = control->generation + 1;
	uint8_t *page = ram(SPARE) + generation % 2 * PAGE;
	struct mem_txn txn;
	int r;

	atomic_store((_Atomic uint64_t *)page, generation);
	mem_txn_begin(&txn, mem);
	if (remaps % 4 == 1) {
		mem_txn_unmap(&txn, WINDOW);
		mem_txn_map_alias(&txn, "window", WINDOW, PAGE, MEM_READONLY, page);
	} else {
		map_anew(&txn, page);
	}
	if (remaps % 4 == 2) {
		mem_txn_move(&txn, RAM, FAR);
		mem_txn_move(&txn, FAR, RAM);
	}
	if (remaps % 4 == 3) {
		mem_txn_protect(&txn, WINDOW, true);
		mem_txn_map(&txn, "more", FAR, PAGE, 0);
		mem_txn_unmap(&txn, FAR);
	}
	r = mem_txn_commit(&txn);
	ck_assert_msg(r == 0, "%s", error_text(r));
	atomic_store(&control->generation, generation);
	remaps++;
}

static void check_guest(void)
{
	ck_assert_msg(control->failed == 0, "check %u after %u: %#llx, not %#llx",
		      (unsigned)control->failed, remaps, (unsigned long long)control->found,
		      (unsigned long long)control->expected);
	ck_assert_msg(vm_ended(t.vm) == VM_END_NONE, "%s", vm_end_text(t.vm));
}

static void ask(void *self, uint64_t offset, const void *data, unsigned len)
{
	(void)self, (void)offset, (void)data, (void)len;
	/* A device's lock, with all vCPUs at it. */
	pthread_mutex_lock(&lock);
	asked++;
	if (remaps < limit)
		remap();
	else
		atomic_store(&control->stop, 1);
	pthread_mutex_unlock(&lock);
}

static void no_read(void *self, uint64_t offset, void *data, unsigned len)
{
	(void)self, (void)offset;
	memset(data, 0xff, len);
}

static const struct bus_ops ask_ops = { .read = no_read, .write = ask };

/* In the lab each takes that much longer. */
static uint64_t wanted(uint64_t by_default)
{
	const char *text = getenv("FERRY_TEST_SLOWDOWN");

	return text && strtoull(text, NULL, 10) ? by_default / strtoull(text, NULL, 10) + 4
						: by_default;
}

static void begin(uint32_t cpus, const char *words, uint64_t count)
{
	const struct machine_options options = { .kernel = GUEST_DIR "/mem/remap",
						 .cmdline = words,
						 .vm.vcpus = cpus };

	test_machine_create_with(&t, options);
	mem = vm_mem(t.vm);
	first = mem_ptr_rw(mem, RAM, END - RAM);
	control = (struct control *)ram(CONTROL);
	remaps = 0;
	asked = 0;
	limit = wanted(count);
	atomic_store(&control->cpus, cpus);
	ck_assert_int_eq(bus_add(ASK_BUS(t.vm), "test", ASK, 4, &ask_ops, NULL), 0);
}

static bool all_run(uint64_t rounds)
{
	for (uint64_t n = 0; n < control->cpus; n++)
		if (control->rounds[n] < rounds)
			return false;
	return true;
}

/* The test's time limit bounds the waits. */
static void wait_for_all(uint64_t rounds)
{
	while (!all_run(rounds) && !control->failed && vm_ended(t.vm) == VM_END_NONE)
		sched_yield();
	check_guest();
}

static void end(void)
{
	uint64_t exits = 0;

	atomic_store(&control->stop, 1);
	while (control->ended < control->cpus && vm_ended(t.vm) == VM_END_NONE)
		sched_yield();
	check_guest();
	vm_stop(t.vm);
	/* What is not memory is MMIO; the guest asks for no other. */
	for (uint32_t i = 0; i < t.vm->vcpu_count; i++)
		exits += t.vm->vcpus[i].time.exits[KVM_EXIT_MMIO];
	ck_assert_uint_eq(exits, ASK_BUS == vm_mmio ? asked : 0);
	test_machine_finish(&t);
}

static void check_remaps(uint32_t cpus)
{
	const char *text = getenv("FERRY_TEST_REMAPS");

	begin(cpus, "", 400 / cpus);
	if (text)
		limit = strtoull(text, NULL, 10);
	ck_assert_int_eq(vm_start(t.vm), 0);
	wait_for_all(10);
	while (remaps < limit) {
		remap();
		check_guest();
	}
	wait_for_all(20);
	printf("%u CPUs: %u remaps, %llu rounds of the first\n", cpus, remaps,
	       (unsigned long long)control->rounds[0]);
	end();
}

START_TEST(test_one_cpu_sees_no_hole_and_no_old_page)
{
	check_remaps(1);
}
END_TEST

START_TEST(test_two_cpus_see_no_hole_and_no_old_page)
{
	check_remaps(2);
}
END_TEST

START_TEST(test_four_cpus_see_no_hole_and_no_old_page)
{
	check_remaps(4);
}
END_TEST

static void check_asking(uint32_t cpus)
{
	begin(cpus, "ask", 200);
	ck_assert_int_eq(vm_start(t.vm), 0);
	while (!control->stop && vm_ended(t.vm) == VM_END_NONE)
		sched_yield();
	ck_assert_uint_eq(remaps, limit);
	end();
}

START_TEST(test_a_vcpu_remaps_what_it_runs_on)
{
	check_asking(1);
}
END_TEST

START_TEST(test_vcpus_remap_what_all_run_on)
{
	check_asking(2);
}
END_TEST

/* From both sides, and with pauses between. */
START_TEST(test_vcpus_and_others_remap_and_pause)
{
	begin(2, "ask", 200);
	ck_assert_int_eq(vm_start(t.vm), 0);
	for (bool done = false; !done && vm_ended(t.vm) == VM_END_NONE;) {
		pthread_mutex_lock(&lock);
		done = remaps >= limit;
		if (!done)
			remap();
		pthread_mutex_unlock(&lock);
		vm_pause(t.vm);
		vm_resume(t.vm);
	}
	/* Without pauses: who is paused again and again gets nowhere on one CPU. */
	while (!control->stop && vm_ended(t.vm) == VM_END_NONE)
		sched_yield();
	ck_assert_uint_ge(remaps, limit);
	end();
}
END_TEST

static struct mem_guard guard;
static unsigned stops;

static int count_stop(void *self)
{
	stops++;
	return guard.stop(self);
}

/*
 * memslot_modification_stress_test: regions that nobody uses come, all at once, and go and come, one
 * by one, and no vCPU is kept out for any of them. It is for two that go together.
 */
START_TEST(test_what_comes_or_goes_in_one_piece_stops_nobody)
{
	struct mem_txn txn;

	begin(2, "", 400);
	guard = mem->guard;
	mem->guard.stop = count_stop;
	ck_assert_int_eq(vm_start(t.vm), 0);
	wait_for_all(10);
	mem_txn_begin(&txn, mem);
	for (unsigned i = 0; i < 20; i++)
		mem_txn_map(&txn, "dummy", FAR + i * PAGE, PAGE, 0);
	ck_assert_int_eq(mem_txn_commit(&txn), 0);
	check_guest();
	for (unsigned i = 0; i < limit; i++) {
		ck_assert_int_eq(mem_unmap(mem, FAR), 0);
		ck_assert_int_eq(mem_map_ram(mem, "dummy", FAR, PAGE, 0), 0);
		check_guest();
	}
	ck_assert_uint_eq(stops, 0);
	mem_txn_begin(&txn, mem);
	mem_txn_unmap(&txn, FAR);
	mem_txn_unmap(&txn, FAR + PAGE);
	ck_assert_int_eq(mem_txn_commit(&txn), 0);
	ck_assert_uint_eq(stops, 1);
	wait_for_all(control->rounds[0] + 10);
	end();
}
END_TEST

CHECK_MAIN_KVM("remapping a guest", test_one_cpu_sees_no_hole_and_no_old_page,
	       test_two_cpus_see_no_hole_and_no_old_page,
	       test_four_cpus_see_no_hole_and_no_old_page, test_a_vcpu_remaps_what_it_runs_on,
	       test_vcpus_remap_what_all_run_on, test_vcpus_and_others_remap_and_pause,
	       test_what_comes_or_goes_in_one_piece_stops_nobody)
