/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes of the memory map take, under a guest that writes, in memory that is laid out as the
 * kernel's memslot_perf_test does it: by transactions; by bare ioctls; or, where a guest would see
 * memory nowhere for a moment, by bare ioctls with the vCPUs kept out. Prints "NAME MICROSECONDS"
 * lines.
 */
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ferry/error.h>
#include <ferry/machine.h>

#include "base/util.h"
#include "kvm/kvm.h"
#include "mem/txn.h"
#include "vm/vm.h"

#define PAGE	 GUEST_PAGE_SIZE
#define AREA	 (256 * MIB) /* 512 MiB of memory in so many regions */
#define CHUNKS	 512
#define CHUNK	 MIB
#define LAST	 (AREA + (CHUNKS - 1) * CHUNK) /* the one that is moved */
#define AWAY	 (AREA + CHUNKS * CHUNK)
#define MOVED	 (192 * KIB) /* how much of it the guest writes */
#define DUMMY	 (2 * GIB)
#define MANY	 (4 * GIB)
#define SECONDS	 1.0
#define SAMPLES	 (1U << 20)
#define STALL	 50

/* As in guest/bench/slots.c. */
struct control {
	_Atomic uint64_t begin, size, stop, rounds;
};

static struct vm *vm;
static struct mem *mem;
static struct control *control;
static uint8_t *page; /* what comes and goes */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int r, const char *what)
{
	if (r < 0)
		errx(1, "%s: %s", what, error_text(r));
}

static size_t swallow(void *self, enum machine_console console, const void *buf, size_t len)
{
	(void)self, (void)console, (void)buf;
	return len;
}

static void create(const char *guest)
{
	const struct machine_options options = {
		.vm = { .name = "slots", .vcpus = 1 },
		.memory = 16 * MIB,
		.kernel = guest,
		.output = swallow,
	};
	struct machine *machine;

	must(machine_create(&options, &machine), "machine_create");
	vm = machine_vm(machine);
	mem = vm_mem(vm);
	control = (struct control *)mem_ptr_rw(mem, 0x600000, sizeof(*control));
	page = (uint8_t *)mem_ptr_rw(mem, 8 * MIB, PAGE);
}

/* The guest writes [begin, begin + size), and has begun to. */
static void write_at(gpa_t begin, uint64_t size)
{
	uint64_t rounds;

	control->begin = begin;
	control->size = size;
	rounds = control->rounds + 2;
	while (control->rounds < rounds && vm_ended(vm) == VM_END_NONE)
		sched_yield();
	if (vm_ended(vm) != VM_END_NONE)
		errx(1, "the guest ended: %s", vm_end_text(vm));
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Their mean, but for those that lasted so long that this machine was doing something else. */
static double mean(double *taken, size_t count)
{
	double sum = 0;
	size_t used = 0;

	qsort(taken, count, sizeof(*taken), compare);
	for (; used < count && taken[used] <= STALL * taken[count / 2]; used++)
		sum += taken[used];
	return sum / (double)used;
}

static void measure(const char *name, void (*fn)(void))
{
	static double taken[SAMPLES];
	double begin = now();
	size_t count = 0;

	for (double at = begin; at - begin < SECONDS && count < SAMPLES; count++) {
		double end;

		fn();
		end = now();
		taken[count] = end - at;
		at = end;
	}
	printf("%s %.3f\n", name, mean(taken, count) * 1e6);
}

static double map_area(void)
{
	struct mem_txn txn;
	double begin = now(), taken;

	mem_txn_begin(&txn, mem);
	for (unsigned i = 0; i < CHUNKS; i++)
		mem_txn_map(&txn, "chunk", AREA + i * CHUNK, CHUNK, 0);
	must(mem_txn_commit(&txn), "map");
	taken = now() - begin;
	/* As the kernel's test does: the host's pages are there. */
	for (gpa_t gpa = AREA; gpa < AWAY; gpa += CHUNK)
		memset(mem_ptr_rw(mem, gpa, CHUNK), 0, CHUNK);
	return taken * 1e6;
}

static void move(gpa_t from, gpa_t to)
{
	struct mem_txn txn;

	mem_txn_begin(&txn, mem);
	mem_txn_move(&txn, from, to);
	must(mem_txn_commit(&txn), "move");
}

static void move_away_and_back(void)
{
	move(LAST, AWAY);
	move(AWAY, LAST);
}

static void move_stopped(gpa_t to)
{
	const struct mem_region *region = mem_map_find(mem_map(mem), LAST);
	struct kvm_userspace_memory_region slot = {
		.slot = region->slot,
		.guest_phys_addr = to,
		.memory_size = CHUNK,
		.userspace_addr = (uintptr_t)region->hva,
	};

	must(mem->guard.stop(mem->guard.self), "stop");
	must(kvm_set_user_memory_region(mem->vm_fd, &slot), "move");
	mem->guard.go(mem->guard.self);
}

static void move_stopped_away_and_back(void)
{
	move_stopped(AWAY);
	move_stopped(LAST);
}

static void add_and_remove(void)
{
	struct mem_txn txn;

	mem_txn_begin(&txn, mem);
	mem_txn_map_alias(&txn, "dummy", DUMMY, PAGE, 0, page);
	must(mem_txn_commit(&txn), "add");
	must(mem_unmap(mem, DUMMY), "remove");
}

static void add_and_remove_bare(void)
{
	struct kvm_userspace_memory_region slot = {
		.slot = mem->max_slots - 1,
		.guest_phys_addr = DUMMY,
		.memory_size = PAGE,
		.userspace_addr = (uintptr_t)page,
	};

	must(kvm_set_user_memory_region(mem->vm_fd, &slot), "add");
	slot.memory_size = 0;
	must(kvm_set_user_memory_region(mem->vm_fd, &slot), "remove");
}

static void map_many(unsigned count)
{
	struct mem_txn txn;

	mem_txn_begin(&txn, mem);
	for (unsigned i = 0; i < count; i++)
		mem_txn_map_alias(&txn, "many", MANY + i * 2 * PAGE, PAGE, 0, page);
	must(mem_txn_commit(&txn), "map");
}

static void measure_moves(void (*fn)(void))
{
	write_at(LAST - MOVED / 2, MOVED);
	measure("slots-active", fn);
	write_at(LAST - MOVED, MOVED);
	measure("slots-inactive", fn);
}

/* With a count, beside so many others. */
int main(int argc, char **argv)
{
	bool by_ferry = argc > 2 && strcmp(argv[2], "ferry") == 0;
	bool stopped = argc > 2 && strcmp(argv[2], "stopped") == 0;
	bool beside = argc == 4;
	double mapped = 0;

	if (argc < 3 || argc > 4)
		errx(1, "usage: slots GUEST ferry|bare|stopped [COUNT]");
	create(argv[1]);
	if (beside)
		map_many((unsigned)atoi(argv[3]));
	else
		mapped = map_area();
	must(vm_start(vm), "vm_start");
	write_at(9 * MIB, MOVED);
	if (!stopped)
		measure(beside ? "slots-many" : "slots-add",
			by_ferry ? add_and_remove : add_and_remove_bare);
	if (!beside && by_ferry) {
		printf("slots-map %.3f\n", mapped);
		measure_moves(move_away_and_back);
	}
	if (stopped)
		measure_moves(move_stopped_away_and_back);
	fflush(stdout);
	/* What is left is the kernel's to take down. */
	_Exit(0);
}
