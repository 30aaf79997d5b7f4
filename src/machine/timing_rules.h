/* SPDX-License-Identifier: Apache-2.0 */
/* What must be so of a guest's time, for machine/timing.c and its tests. */
#ifndef MACHINE_TIMING_RULES_H
#define MACHINE_TIMING_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/timing.h"

enum timing_scene {
	TIMING_SCENE_USER,
	TIMING_SCENE_KERNEL,
	TIMING_SCENE_HALT,
	TIMING_SCENE_EXITS,
	TIMING_SCENE_SHARED,
};

/* No scene has more rules, or more vCPUs. */
#define TIMING_RULES_MAX 4
#define TIMING_VCPUS	 2

/* What a vCPU's thread did while it was watched; ns. */
struct timing_seen {
	uint64_t wall;
	uint64_t lost; /* by all CPUs together: time of which /proc/stat has nothing, as ticks are
			  missing */
	uint64_t run;  /* in KVM_RUN */
	uint64_t user, system, guest, cpu, delay; /* struct vcpu_task */
	bool has_halts;
	uint64_t halted; /* by KVM */
};

/* Adds a verdict for each rule; timing->rules has room for TIMING_RULES_MAX more. seen: of each
 * vCPU. */
void timing_judge(struct timing *timing, enum timing_scene scene, const struct timing_seen *seen);

#endif
