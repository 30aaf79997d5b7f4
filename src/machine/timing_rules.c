/* SPDX-License-Identifier: Apache-2.0 */
/* Holds what the kernel said of the tiny guests against what must be so. */
#include "machine/timing_rules.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/util.h"

#define MS 1000000ULL

/*
 * proc(5) counts in steps of 10 ms, from samples that the kernel takes every 1 to 10 ms. Where
 * threads take turns, turns begin and end at the moments of sampling, and samples lean: the more
 * so, the longer the thread waited for others.
 */
#define SLACK_NS      (30 * MS)
#define SLACK_PERCENT 5
#define SLACK_DELAY   4 /* a quarter */

static const char *const names[] = {
	[TIMING_SCENE_USER] = "spin in user mode",
	[TIMING_SCENE_KERNEL] = "spin in kernel mode",
	[TIMING_SCENE_HALT] = "halt",
	[TIMING_SCENE_EXITS] = "storm of exits",
	[TIMING_SCENE_SHARED] = "two vCPUs on one CPU",
};

static uint64_t slack(const struct timing_seen *seen, uint64_t of)
{
	return SLACK_NS + of / 100 * SLACK_PERCENT + seen->delay / SLACK_DELAY + seen->lost;
}

static bool is_close(const struct timing_seen *seen, uint64_t a, uint64_t b)
{
	return max_u64(a, b) - min_u64(a, b) <= slack(seen, max_u64(a, b));
}

static void add(struct timing *timing, enum timing_scene scene, const char *rule,
		enum timing_verdict verdict, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* There is room: timing_judge() says so. */
static void add(struct timing *timing, enum timing_scene scene, const char *rule,
		enum timing_verdict verdict, const char *fmt, ...)
{
	struct timing_rule *to = &timing->rules[timing->count++];
	va_list args;

	*to = (struct timing_rule){ .guest = names[scene], .rule = rule, .verdict = verdict };
	va_start(args, fmt);
	vsnprintf(to->numbers, sizeof(to->numbers), fmt, args);
	va_end(args);
}

static enum timing_verdict verdict_of(bool right)
{
	return right ? TIMING_RIGHT : TIMING_WRONG;
}

/* On a host so busy that nothing and all of the time are close, being close says nothing. */
static enum timing_verdict verdict_close(const struct timing_seen *seen, uint64_t a, uint64_t b)
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
static void judge_sums(struct timing *timing, enum timing_scene scene,
		       const struct timing_seen *seen)
{
	add(timing, scene, "user + system is the time on a CPU",
	    verdict_of(is_close(seen, seen->user + seen->system, seen->cpu)),
	    "%u + %u ms, %u ms on a CPU", ms(seen->user), ms(seen->system), ms(seen->cpu));
	add(timing, scene, "guest time is a part of user",
	    verdict_of(seen->guest <= seen->user + slack(seen, seen->user)),
	    "guest %u ms, user %u ms", ms(seen->guest), ms(seen->user));
}

static void judge_spin(struct timing *timing, enum timing_scene scene,
		       const struct timing_seen *seen)
{
	add(timing, scene, "guest time is the time on a CPU",
	    verdict_close(seen, seen->guest, seen->cpu),
	    "guest %u ms, user %u ms, system %u ms; %u ms on a CPU, %u ms delayed, %u not sampled",
	    ms(seen->guest), ms(seen->user), ms(seen->system), ms(seen->cpu), ms(seen->delay),
	    ms(seen->lost));
	judge_sums(timing, scene, seen);
}

static void judge_halt(struct timing *timing, enum timing_scene scene,
		       const struct timing_seen *seen)
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
static void judge_exits(struct timing *timing, enum timing_scene scene,
			const struct timing_seen *seen)
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
static void judge_shared(struct timing *timing, enum timing_scene scene,
			 const struct timing_seen *seen)
{
	for (uint32_t i = 0; i < TIMING_VCPUS; i++)
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

void timing_judge(struct timing *timing, enum timing_scene scene, const struct timing_seen *seen)
{
	switch (scene) {
	case TIMING_SCENE_USER:
	case TIMING_SCENE_KERNEL:
		judge_spin(timing, scene, seen);
		break;
	case TIMING_SCENE_HALT:
		judge_halt(timing, scene, seen);
		break;
	case TIMING_SCENE_EXITS:
		judge_exits(timing, scene, seen);
		break;
	case TIMING_SCENE_SHARED:
		judge_shared(timing, scene, seen);
		break;
	}
}
