/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pair of inhibit and its end takes, under a guest whose CPUs do nothing or flush each
 * other's TLBs. usage: bench-inhibit ENGINE GUEST CPUS. Prints "NAME MICROSECONDS" lines.
 */
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ferry/bus.h>
#include <ferry/error.h>
#include <ferry/machine.h>

#include "base/util.h"
#include "vm/vm.h"

#define PAIRS 200
#define PORT  0x1000 /* guest/hyperv/flush.c: where CPUs say what they do */
#define CPUS  4

static atomic_ulong told;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
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

static void told_port(void *self, uint64_t offset, const void *data, unsigned len)
{
	(void)self, (void)offset, (void)data, (void)len;
	atomic_fetch_add(&told, 1);
}

static void read_port(void *self, uint64_t offset, void *data, unsigned len)
{
	(void)self, (void)offset, (void)data, (void)len;
}

static struct machine *create(const char *engine, const char *guest, uint32_t cpus, bool flushes)
{
	static const struct bus_ops ops = { .read = read_port, .write = told_port };
	bool is_kernel = strcmp(engine, "kernel") == 0;
	struct machine *machine;
	char cmdline[64];
	struct machine_options options = {
		.vm = { .name = "inhibit", .vcpus = cpus },
		.memory = 16 * MIB,
		.kernel = guest,
		.cmdline = cmdline,
		.output = swallow,
		.hyperv = "",
		.hyperv_engine = is_kernel ? MACHINE_HYPERV_KERNEL : MACHINE_HYPERV_PORTABLE,
	};

	/* The first CPU flushes the others', or some CPU flushes that is not there. */
	snprintf(cmdline, sizeof(cmdline), "cpus=%u flushers=%u targets=%u spin=1", cpus,
		 flushes ? 1 : 1U << CPUS, flushes ? (1U << cpus) - 1 : 0);
	must(machine_create(&options, &machine), "machine_create");
	must(bus_add(vm_pio(machine_vm(machine)), "told", PORT, CPUS, &ops, NULL), "bus_add");
	must(vm_start(machine_vm(machine)), "vm_start");
	while (flushes && atomic_load(&told) < 10)
		sched_yield();
	return machine;
}

/* The median pair. */
static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const char *engine, const char *guest, uint32_t cpus, bool flushes)
{
	struct machine *machine = create(engine, guest, cpus, flushes);
	double took[PAIRS];

	for (unsigned i = 0; i < PAIRS; i++) {
		double begin = now();

		must(machine_hyperv_inhibit(machine, cpus - 1, true), "inhibit");
		must(machine_hyperv_inhibit(machine, cpus - 1, false), "its end");
		took[i] = now() - begin;
		sched_yield();
	}
	qsort(took, PAIRS, sizeof(took[0]), compare);
	printf("%s-%u %.1f\n", flushes ? "inhibit-flushing" : "inhibit", cpus, took[PAIRS / 2]);
	machine_destroy(machine);
}

int main(int argc, char **argv)
{
	unsigned cpus = argc > 3 ? (unsigned)atoi(argv[3]) : 0;

	if (cpus < 1 || cpus > CPUS)
		errx(2, "usage: bench-inhibit ENGINE GUEST CPUS (1 to %u)", CPUS);
	measure(argv[1], argv[2], cpus, false);
	if (cpus > 1)
		measure(argv[1], argv[2], cpus, true);
	return 0;
}
