/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clocks that KVM gives a guest, watched: do they ever go back, or leap? On arm64 there is one,
 * the virtual counter, for what is told here of kvmclock and the TSC.
 */
#ifndef GUEST_LIB_CLOCK_H
#define GUEST_LIB_CLOCK_H

#include <stdint.h>

/*
 * One CPU's watch. A monitor may let a guest's clocks stand still while it moves: then the guest
 * finds no gap in them. KVM tells, when asked, at which time of the host the guest's clock was
 * zero; by how much that has moved on is how long the clock stood still. "gap" counts both.
 */
struct clock_watch {
	uint64_t tsc, now; /* as last read; "now" is kvmclock, in ns */
	uint64_t gap;	   /* longest time between two reads, ns, up to the last clock_settle() */
	uint64_t recent;   /* likewise, since then, and of kvmclock alone */
	uint64_t back;	   /* how often the TSC or kvmclock was before what any CPU had read */
	uint64_t leap;	   /* longest time between two reads, ns, by kvmclock or by the TSC */
	int64_t epoch;	   /* the host's time at zero, as last asked for */
};

/* Starts the clock of this CPU, which is number N, below USER_CPUS. In supervisor mode; -1: KVM
 * offers none. */
int clock_init(uint32_t n);
/* Begins to watch it. In user mode, like all that follow. */
void clock_begin(struct clock_watch *watch, uint32_t n);
/* Reads both clocks; returns kvmclock. */
uint64_t clock_look(struct clock_watch *watch, uint32_t n);
/* Asks for the host's time, and brings "gap" up to date. An exit to the hypervisor. */
void clock_settle(struct clock_watch *watch, uint32_t n);
/* Whether the CPUs' clocks are one. */
int clock_is_common(void);

#endif
