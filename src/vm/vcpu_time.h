/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a vCPU's thread spends its time, and how often and why it leaves the guest. The run loop
 * switches from class to class; all the time from the thread's start on is in exactly one of them.
 * Time is counted in ticks of arch_ticks() and becomes nanoseconds when somebody asks (vm/stat.h).
 */
#ifndef VM_VCPU_TIME_H
#define VM_VCPU_TIME_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "kvm/uapi.h"
#include "vm/arch.h"

enum vcpu_time_class {
	VCPU_TIME_RUN, /* in KVM_RUN: the guest, KVM's work for it, halted, or waiting for a CPU */
	VCPU_TIME_PIO, /* in ferry, for a port access; likewise what follows */
	VCPU_TIME_MMIO,
	VCPU_TIME_CALL,	     /* hypercalls and MSRs */
	VCPU_TIME_OTHER,     /* any other exit, requests, the thread's start */
	VCPU_TIME_SUSPENDED, /* the VM is paused or held, or the vCPU blocked */
	VCPU_TIME_THROTTLED, /* vm_throttle() */
	VCPU_TIMES
};

/* By KVM_EXIT_*; what KVM adds later is in the last. */
#define VCPU_EXIT_REASONS 64

/*
 * All of it is atomic: the vCPU's thread writes, by plain loads and stores; any thread reads.
 * sequence is odd while the others change.
 */
struct vcpu_time {
	_Atomic uint32_t sequence;
	_Atomic uint32_t class;	       /* enum vcpu_time_class; VCPU_TIMES: there is no thread */
	_Atomic uint64_t began, since; /* ticks: the thread's start; the last switch */
	_Atomic uint64_t ticks[VCPU_TIMES];
	_Atomic uint64_t exits[VCPU_EXIT_REASONS];
};

/* What a reader gets: the times are of one moment, the exits may be one ahead of it. */
struct vcpu_time_reading {
	uint64_t ticks[VCPU_TIMES]; /* what has passed of the class that lasts is in it */
	uint64_t exits[VCPU_EXIT_REASONS];
};

/* Before the thread starts; on the thread first; and last. */
void vcpu_time_init(struct vcpu_time *time);
void vcpu_time_begin(struct vcpu_time *time);
void vcpu_time_end(struct vcpu_time *time);

/* Any thread. Waits while the vCPU's is in the middle of a switch: that is a dozen instructions. */
void vcpu_time_read(const struct vcpu_time *time, struct vcpu_time_reading *ret_reading);

/* The class of what ferry does about a KVM_EXIT_*; without a table for the two that are frequent. */
enum vcpu_time_class vcpu_time_class_of_rare(uint32_t exit_reason);

static inline enum vcpu_time_class vcpu_time_class_of(uint32_t exit_reason)
{
	if (exit_reason == KVM_EXIT_IO)
		return VCPU_TIME_PIO;
	if (exit_reason == KVM_EXIT_MMIO)
		return VCPU_TIME_MMIO;
	return vcpu_time_class_of_rare(exit_reason);
}

/* "run", "pio" …; and "io", "mmio", "hlt" …, NULL for a number without a meaning. */
const char *vcpu_time_name(enum vcpu_time_class class);
const char *vcpu_exit_name(uint32_t exit_reason);

/* Whether every tick since the thread's start is in one class. On the vCPU's thread. */
bool vcpu_time_is_balanced(const struct vcpu_time *time);

#define VCPU_TIME_GET(field)	    atomic_load_explicit(&(field), memory_order_relaxed)
#define VCPU_TIME_SET(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

/* The time up to now is the last class's, from now on it is this one's. On the vCPU's thread. */
static inline void vcpu_time_switch(struct vcpu_time *time, enum vcpu_time_class class)
{
	uint32_t sequence = VCPU_TIME_GET(time->sequence), last = VCPU_TIME_GET(time->class);
	uint64_t since = VCPU_TIME_GET(time->since), now = arch_ticks();

	/* CPUs whose counters differ: time stands still for a while, it never goes back. */
	if (now < since)
		now = since;
	VCPU_TIME_SET(time->sequence, sequence + 1);
	atomic_thread_fence(memory_order_release);
	VCPU_TIME_SET(time->ticks[last], VCPU_TIME_GET(time->ticks[last]) + (now - since));
	VCPU_TIME_SET(time->class, class);
	VCPU_TIME_SET(time->since, now);
	atomic_store_explicit(&time->sequence, sequence + 2, memory_order_release);
}

/* Around KVM_RUN. The debug build proves after every exit that nothing is lost or counted twice. */
static inline void vcpu_time_enter(struct vcpu_time *time)
{
	assert(VCPU_TIME_GET(time->class) != VCPU_TIME_RUN);
	vcpu_time_switch(time, VCPU_TIME_RUN);
}

static inline void vcpu_time_leave(struct vcpu_time *time, uint32_t exit_reason)
{
	uint32_t i = exit_reason < VCPU_EXIT_REASONS ? exit_reason : VCPU_EXIT_REASONS - 1;

	assert(VCPU_TIME_GET(time->class) == VCPU_TIME_RUN);
	vcpu_time_switch(time, vcpu_time_class_of(exit_reason));
	VCPU_TIME_SET(time->exits[i], VCPU_TIME_GET(time->exits[i]) + 1);
	assert(vcpu_time_is_balanced(time));
}

#endif
