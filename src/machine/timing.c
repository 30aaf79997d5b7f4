/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the tiny guests and judges what the kernel says of them. */
#include "machine/timing.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ferry/error.h>

#include "base/clock.h"
#include "base/util.h"
#include "vm/stat.h"
#include "vm/vm.h"

#define MS	  1000000ULL
#define VCPUS_MAX 2

/* Until a vCPU has a thread, and has come to what it does. */
#define START_NS  (10000 * MS)
#define SETTLE_NS (100 * MS)

/*
 * proc(5) counts in steps of 10 ms, from samples that the kernel takes every 1 to 10 ms. Where
 * threads take turns, turns begin and end at the moments of sampling, and samples lean: the more
 * so, the longer the thread waited for others.
 */
#define SLACK_NS      (30 * MS)
#define SLACK_PERCENT 5
#define SLACK_DELAY   4 /* a quarter */

/* What one vCPU did while it was watched. */
struct seen {
	uint64_t wall, run;
	uint64_t user, system, guest, cpu, delay;
	bool has_halts;
	uint64_t halted;
};

struct scene {
	const char *name;
	enum timing_guest guest;
	uint32_t vcpus;
	bool one_cpu; /* all vCPUs on one CPU */
	void (*judge)(struct timing *timing, const struct scene *scene, const struct seen *seen);
};

static uint64_t slack(const struct seen *seen, uint64_t of)
{
	return SLACK_NS + of / 100 * SLACK_PERCENT + seen->delay / SLACK_DELAY;
}

static bool is_close(const struct seen *seen, uint64_t a, uint64_t b)
{
	return max_u64(a, b) - min_u64(a, b) <= slack(seen, max_u64(a, b));
}

static void add(struct timing *timing, const struct scene *scene, const char *rule,
		enum timing_verdict verdict, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* There is room: timing_read() saw to it. */
static void add(struct timing *timing, const struct scene *scene, const char *rule,
		enum timing_verdict verdict, const char *fmt, ...)
{
	struct timing_rule *to = &timing->rules[timing->count++];
	va_list args;

	*to = (struct timing_rule){ .guest = scene->name, .rule = rule, .verdict = verdict };
	va_start(args, fmt);
	vsnprintf(to->numbers, sizeof(to->numbers), fmt, args);
	va_end(args);
}

static enum timing_verdict verdict_of(bool right)
{
	return right ? TIMING_RIGHT : TIMING_WRONG;
}

/* On a host so busy that nothing and all of the time are close, being close says nothing. */
static enum timing_verdict verdict_close(const struct seen *seen, uint64_t a, uint64_t b)
{
	if (!is_close(seen, a, b))
		return TIMING_WRONG;
	return is_close(seen, 0, b) ? TIMING_UNKNOWN : TIMING_RIGHT;
}

static unsigned ms(uint64_t ns)
{
	return (unsigned)(ns / MS);
}

/* What holds whatever the guest does. */
static void judge_sums(struct timing *timing, const struct scene *scene, const struct seen *seen)
{
	add(timing, scene, "user + system is the time on a CPU",
	    verdict_of(is_close(seen, seen->user + seen->system, seen->cpu)),
	    "%u + %u ms, %u ms on a CPU", ms(seen->user), ms(seen->system), ms(seen->cpu));
	add(timing, scene, "guest time is a part of user",
	    verdict_of(seen->guest <= seen->user + slack(seen, seen->user)),
	    "guest %u ms, user %u ms", ms(seen->guest), ms(seen->user));
}

static void judge_spin(struct timing *timing, const struct scene *scene, const struct seen *seen)
{
	add(timing, scene, "guest time is the time on a CPU",
	    verdict_close(seen, seen->guest, seen->cpu),
	    "guest %u ms, user %u ms, system %u ms; %u ms on a CPU, %u ms delayed", ms(seen->guest),
	    ms(seen->user), ms(seen->system), ms(seen->cpu), ms(seen->delay));
	judge_sums(timing, scene, seen);
}

static void judge_halt(struct timing *timing, const struct scene *scene, const struct seen *seen)
{
	const char *rule = "KVM counts the halt";

	add(timing, scene, "a halted guest uses no CPU",
	    verdict_of(seen->user + seen->system <= slack(seen, 0) && seen->cpu <= slack(seen, 0)),
	    "user %u ms, system %u ms; %u ms on a CPU", ms(seen->user), ms(seen->system),
	    ms(seen->cpu));
	if (seen->has_halts)
		add(timing, scene, rule, verdict_of(is_close(seen, seen->halted, seen->wall)),
		    "halted %u ms of %u ms", ms(seen->halted), ms(seen->wall));
	else
		add(timing, scene, rule, TIMING_UNKNOWN, "this KVM does not tell");
}

/* The guest itself executes two instructions an exit; leaving and entering are the kernel's work.
 */
static void judge_exits(struct timing *timing, const struct scene *scene, const struct seen *seen)
{
	add(timing, scene, "guest time leaves out what is not in KVM_RUN",
	    verdict_of(seen->guest <= min_u64(seen->run, seen->cpu) + slack(seen, seen->cpu)),
	    "guest %u ms; %u ms in KVM_RUN, %u ms on a CPU", ms(seen->guest), ms(seen->run),
	    ms(seen->cpu));
	add(timing, scene, "exits cost system time", verdict_of(seen->system >= seen->cpu / 10),
	    "system %u ms of %u ms on a CPU", ms(seen->system), ms(seen->cpu));
	judge_sums(timing, scene, seen);
}

/* The scheduler measures both and samples neither. */
static bool is_exact(uint64_t a, uint64_t b)
{
	return max_u64(a, b) - min_u64(a, b) <= SLACK_NS + b / 100 * SLACK_PERCENT;
}

/* Each runs at most half of the time, less where others want that CPU, too. */
static void judge_shared(struct timing *timing, const struct scene *scene, const struct seen *seen)
{
	for (uint32_t i = 0; i < VCPUS_MAX; i++)
		add(timing, scene, "run delay is the time without a CPU",
		    verdict_of(is_exact(seen[i].cpu + seen[i].delay, seen[i].wall) &&
			       seen[i].delay >= seen[i].wall / 5 * 2),
		    "vCPU %u: %u ms on a CPU + %u ms delayed, of %u ms", i, ms(seen[i].cpu),
		    ms(seen[i].delay), ms(seen[i].wall));
	add(timing, scene, "guest time leaves out the delay",
	    verdict_of(seen->guest <= seen->cpu + slack(seen, seen->cpu)),
	    "guest %u ms, %u ms on a CPU, %u ms delayed", ms(seen->guest), ms(seen->cpu),
	    ms(seen->delay));
}

static const struct scene scenes[] = {
	{ "spin in user mode", TIMING_SPIN_USER, 1, false, judge_spin },
	{ "spin in kernel mode", TIMING_SPIN_KERNEL, 1, false, judge_spin },
	{ "halt", TIMING_HALT, 1, false, judge_halt },
	{ "storm of exits", TIMING_EXITS, 1, false, judge_exits },
	{ "two vCPUs on one CPU", TIMING_SPIN_USER, VCPUS_MAX, true, judge_shared },
};

/* No scene has more rules than that. */
#define RULES_MAX 4

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

static void subtract(const struct vcpu_stat *from, const struct vcpu_stat *to, struct seen *seen)
{
	seen->run = to->time_ns[VCPU_TIME_RUN] - from->time_ns[VCPU_TIME_RUN];
	seen->user = to->task.user - from->task.user;
	seen->system = to->task.system - from->task.system;
	seen->guest = to->task.guest - from->task.guest;
	seen->cpu = to->task.cpu - from->task.cpu;
	seen->delay = to->task.delay - from->task.delay;
}

static int watch(struct vm *vm, uint64_t ns, struct seen *seen)
{
	struct vcpu_stat before[VCPUS_MAX], after[VCPUS_MAX], last;
	uint64_t began[VCPUS_MAX];

	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		vm_stat_vcpu(vm, i, &before[i]);
		began[i] = clock_now();
	}
	sleep_ns(ns);
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		vm_stat_vcpu(vm, i, &after[i]);
		seen[i].wall = clock_now() - began[i];
		if (!before[i].has_task || !after[i].has_task)
			return because(-EIO, "the guest came to an end: %s", vm_end_text(vm));
		subtract(&before[i], &after[i], &seen[i]);
	}
	/* A halt counts when it is over: from the guest's start on, less what it took to come to
	 * it. */
	vm_pause(vm);
	vm_stat_vcpu(vm, 0, &last);
	vm_resume(vm);
	seen->has_halts = last.has_halts;
	seen->halted = min_u64(last.halt_wait_ns + last.halt_poll_ns, seen->wall);
	return 0;
}

static int play(const struct scene *scene, uint64_t ns, struct seen *seen)
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

int timing_read(uint64_t ns, struct timing *timing)
{
	int r = 0;

	timing->rules = calloc(ARRAY_SIZE(scenes) * RULES_MAX, sizeof(*timing->rules));
	if (!timing->rules)
		return because(-ENOMEM, "out of memory");
	for (size_t i = 0; i < ARRAY_SIZE(scenes) && r == 0; i++) {
		struct seen seen[VCPUS_MAX] = { 0 };

		r = play(&scenes[i], ns, seen);
		if (r == 0)
			scenes[i].judge(timing, &scenes[i], seen);
	}
	return r;
}

void timing_finish(struct timing *timing)
{
	free(timing->rules);
	*timing = (struct timing){ 0 };
}
