/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the tiny guests, and watches what the kernel says of them. */
#include "machine/timing.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/clock.h"
#include "base/util.h"
#include "machine/timing_rules.h"
#include "vm/stat.h"
#include "vm/vm.h"

#define MS 1000000ULL

/* Until a vCPU has a thread, and has come to what it does. */
#define START_NS  (10000 * MS)
#define SETTLE_NS (100 * MS)
#define TRIES	  3

static const struct scene {
	enum timing_guest guest;
	uint32_t vcpus;
	bool one_cpu; /* all vCPUs on one CPU */
} scenes[] = {
	[TIMING_SCENE_USER] = { TIMING_SPIN_USER, 1, false },
	[TIMING_SCENE_KERNEL] = { TIMING_SPIN_KERNEL, 1, false },
	[TIMING_SCENE_HALT] = { TIMING_HALT, 1, false },
	[TIMING_SCENE_EXITS] = { TIMING_EXITS, 1, false },
	[TIMING_SCENE_SHARED] = { TIMING_SPIN_USER, TIMING_VCPUS, true },
};

static void sleep_ns(uint64_t ns)
{
	struct timespec left = { .tv_sec = (time_t)(ns / (1000 * MS)),
				 .tv_nsec = (long)(ns % (1000 * MS)) };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

static int wait_for_threads(struct vm *vm)
{
	uint64_t end = clock_now() + START_NS;

	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		while (!atomic_load(&vm->vcpus[i].tid)) {
			if (clock_now() > end)
				return because(-ETIMEDOUT, "vCPU %u does not start", i);
			sleep_ns(MS);
		}
	}
	return 0;
}

/* The first CPU on which this process may run at all. */
static int share_cpu(struct vm *vm)
{
	cpu_set_t may, one;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(may), &may) != 0)
		return because(-errno, "sched_getaffinity: %s", strerror(errno));
	while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &may))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		if (sched_setaffinity(atomic_load(&vm->vcpus[i].tid), sizeof(one), &one) != 0)
			return because(-errno, "sched_setaffinity: %s", strerror(errno));
	return 0;
}

static void subtract(const struct vcpu_stat *from, const struct vcpu_stat *to,
		     struct timing_seen *seen)
{
	seen->run = to->time_ns[VCPU_TIME_RUN] - from->time_ns[VCPU_TIME_RUN];
	seen->user = to->task.user - from->task.user;
	seen->system = to->task.system - from->task.system;
	seen->guest = to->task.guest - from->task.guest;
	seen->cpu = to->task.cpu - from->task.cpu;
	seen->delay = to->task.delay - from->task.delay;
}

/* What /proc/stat has of all CPUs' time, and how many they are. False: this host does not tell. */
static bool read_cpus(uint64_t *ret_ns, unsigned *ret_cpus)
{
	FILE *file = fopen("/proc/stat", "re");
	uint64_t sum = 0;
	unsigned cpus = 0;
	char line[256];

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file) && strncmp(line, "cpu", 3) == 0) {
		char *at = line + strcspn(line, " ");

		/* proc(5): user, nice, system, idle, iowait, irq, softirq, steal. The first line is
		 * all. */
		for (int i = 0; i < 8 && cpus == 0; i++)
			sum += strtoull(at, &at, 10);
		cpus++;
	}
	fclose(file);
	*ret_ns = sum * (1000 * MS / (uint64_t)sysconf(_SC_CLK_TCK));
	*ret_cpus = cpus ? cpus - 1 : 0;
	return cpus > 1;
}

/* What is missing there of the time since then. */
static uint64_t lost_since(uint64_t began, uint64_t ns)
{
	uint64_t wall = clock_now() - began, now;
	unsigned cpus;

	if (!ns || !read_cpus(&now, &cpus))
		return 0;
	return wall * cpus - min_u64(wall * cpus, now - min_u64(now, ns));
}

static int watch(struct vm *vm, uint64_t ns, struct timing_seen *seen)
{
	struct vcpu_stat before[TIMING_VCPUS] = { 0 }, after[TIMING_VCPUS] = { 0 }, last;
	uint32_t vcpus = (uint32_t)min_u64(vm->vcpu_count, TIMING_VCPUS);
	uint64_t began[TIMING_VCPUS] = { 0 }, counted = 0;
	unsigned cpus;

	read_cpus(&counted, &cpus);
	for (uint32_t i = 0; i < vcpus; i++) {
		vm_stat_vcpu(vm, i, &before[i]);
		began[i] = clock_now();
	}
	sleep_ns(ns);
	for (uint32_t i = 0; i < vcpus; i++) {
		vm_stat_vcpu(vm, i, &after[i]);
		seen[i].wall = clock_now() - began[i];
		if (!before[i].has_task || !after[i].has_task)
			return because(-EIO, "the guest came to an end: %s", vm_end_text(vm));
		subtract(&before[i], &after[i], &seen[i]);
		seen[i].lost = lost_since(began[0], counted);
	}
	/* A halt counts when it is over. This one began before the watch. */
	vm_pause(vm);
	vm_stat_vcpu(vm, 0, &last);
	vm_resume(vm);
	seen->has_halts = last.has_halts;
	seen->halted = min_u64(last.halt_wait_ns + last.halt_poll_ns, seen->wall);
	return 0;
}

static int play(const struct scene *scene, uint64_t ns, struct timing_seen *seen)
{
	const struct vm_options options = { .name = "timing", .vcpus = scene->vcpus };
	struct vm *vm = NULL;
	int r = vm_create(&options, &vm);

	if (r == 0)
		r = timing_guest_load(vm, scene->guest);
	if (r == 0)
		r = vm_start(vm);
	if (r == 0)
		r = wait_for_threads(vm);
	if (r == 0 && scene->one_cpu)
		r = share_cpu(vm);
	if (r == 0) {
		sleep_ns(SETTLE_NS);
		r = watch(vm, ns, seen);
	}
	vm_destroy(vm);
	return r;
}

static bool is_broken(const struct timing *timing, size_t from)
{
	for (size_t i = from; i < timing->count; i++)
		if (timing->rules[i].verdict == TIMING_WRONG)
			return true;
	return false;
}

/* A busy host breaks a rule now and then: a wait counts when it is over. A wrong kernel does
 * always. */
static int try_scene(struct timing *timing, enum timing_scene scene, uint64_t ns)
{
	size_t before = timing->count;
	int r = 0;

	for (int i = 0; i < TRIES && r == 0; i++) {
		struct timing_seen seen[TIMING_VCPUS] = { 0 };

		timing->count = before;
		r = play(&scenes[scene], ns, seen);
		if (r == 0)
			timing_judge(timing, scene, seen);
		if (!is_broken(timing, before))
			break;
	}
	return r;
}

int timing_read(uint64_t ns, struct timing *timing)
{
	int r = 0;

	timing->rules = calloc(ARRAY_SIZE(scenes) * TIMING_RULES_MAX, sizeof(*timing->rules));
	if (!timing->rules)
		return because(-ENOMEM, "out of memory");
	for (unsigned i = 0; i < ARRAY_SIZE(scenes) && r == 0; i++)
		r = try_scene(timing, i, ns);
	return r;
}

void timing_finish(struct timing *timing)
{
	free(timing->rules);
	*timing = (struct timing){ 0 };
}
