/* SPDX-License-Identifier: Apache-2.0 */
/* A vCPU's time, apart from the switch itself. */
#include "vm/vcpu_time.h"

#include <stddef.h>
#include <time.h>

#include "base/util.h"

/* KVM_EXIT_*'s, in lower case. */
static const char *const exits[] = {
	[KVM_EXIT_UNKNOWN] = "unknown",
	[KVM_EXIT_EXCEPTION] = "exception",
	[KVM_EXIT_IO] = "io",
	[KVM_EXIT_HYPERCALL] = "hypercall",
	[KVM_EXIT_DEBUG] = "debug",
	[KVM_EXIT_HLT] = "hlt",
	[KVM_EXIT_MMIO] = "mmio",
	[KVM_EXIT_IRQ_WINDOW_OPEN] = "irq_window_open",
	[KVM_EXIT_SHUTDOWN] = "shutdown",
	[KVM_EXIT_FAIL_ENTRY] = "fail_entry",
	[KVM_EXIT_INTR] = "intr",
	[KVM_EXIT_SET_TPR] = "set_tpr",
	[KVM_EXIT_TPR_ACCESS] = "tpr_access",
	[KVM_EXIT_NMI] = "nmi",
	[KVM_EXIT_INTERNAL_ERROR] = "internal_error",
	[KVM_EXIT_SYSTEM_EVENT] = "system_event",
	[KVM_EXIT_IOAPIC_EOI] = "ioapic_eoi",
	[KVM_EXIT_HYPERV] = "hyperv",
	[KVM_EXIT_ARM_NISV] = "arm_nisv",
	[KVM_EXIT_X86_RDMSR] = "rdmsr",
	[KVM_EXIT_X86_WRMSR] = "wrmsr",
	[KVM_EXIT_DIRTY_RING_FULL] = "dirty_ring_full",
	[KVM_EXIT_X86_BUS_LOCK] = "bus_lock",
	[KVM_EXIT_XEN] = "xen",
	[KVM_EXIT_NOTIFY] = "notify",
	[VCPU_EXIT_REASONS - 1] = "newer",
};

static const char *const names[VCPU_TIMES] = {
	[VCPU_TIME_RUN] = "run",
	[VCPU_TIME_PIO] = "pio",
	[VCPU_TIME_MMIO] = "mmio",
	[VCPU_TIME_CALL] = "call",
	[VCPU_TIME_OTHER] = "other",
	[VCPU_TIME_SUSPENDED] = "suspended",
	[VCPU_TIME_THROTTLED] = "throttled",
};

enum vcpu_time_class vcpu_time_class_of_rare(uint32_t exit_reason)
{
	switch (exit_reason) {
	case KVM_EXIT_ARM_NISV:
		return VCPU_TIME_MMIO;
	case KVM_EXIT_HYPERCALL:
	case KVM_EXIT_HYPERV:
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
	case KVM_EXIT_XEN:
		return VCPU_TIME_CALL;
	default:
		return VCPU_TIME_OTHER;
	}
}

const char *vcpu_time_name(enum vcpu_time_class class)
{
	return names[class];
}

const char *vcpu_exit_name(uint32_t exit_reason)
{
	return exit_reason < ARRAY_SIZE(exits) ? exits[exit_reason] : NULL;
}

void vcpu_time_init(struct vcpu_time *time)
{
	VCPU_TIME_SET(time->class, VCPU_TIMES);
}

void vcpu_time_begin(struct vcpu_time *time)
{
	uint32_t sequence = VCPU_TIME_GET(time->sequence);
	uint64_t now = arch_ticks();

	VCPU_TIME_SET(time->sequence, sequence + 1);
	atomic_thread_fence(memory_order_release);
	VCPU_TIME_SET(time->began, now);
	VCPU_TIME_SET(time->since, now);
	VCPU_TIME_SET(time->class, VCPU_TIME_OTHER);
	atomic_store_explicit(&time->sequence, sequence + 2, memory_order_release);
}

void vcpu_time_end(struct vcpu_time *time)
{
	vcpu_time_switch(time, VCPU_TIMES);
}

bool vcpu_time_is_balanced(const struct vcpu_time *time)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < VCPU_TIMES; i++)
		sum += VCPU_TIME_GET(time->ticks[i]);
	return sum == VCPU_TIME_GET(time->since) - VCPU_TIME_GET(time->began);
}

static void copy(const struct vcpu_time *time, struct vcpu_time_reading *to)
{
	uint32_t class = VCPU_TIME_GET(time->class);
	uint64_t since = VCPU_TIME_GET(time->since), now = arch_ticks();

	for (unsigned i = 0; i < VCPU_TIMES; i++)
		to->ticks[i] = VCPU_TIME_GET(time->ticks[i]);
	for (unsigned i = 0; i < VCPU_EXIT_REASONS; i++)
		to->exits[i] = VCPU_TIME_GET(time->exits[i]);
	if (class < VCPU_TIMES && now > since)
		to->ticks[class] += now - since;
}

void vcpu_time_read(const struct vcpu_time *time, struct vcpu_time_reading *ret_reading)
{
	static const struct timespec moment = { .tv_nsec = 20000 };
	uint32_t before, after;

	for (;;) {
		before = atomic_load_explicit(&time->sequence, memory_order_acquire);
		copy(time, ret_reading);
		atomic_thread_fence(memory_order_acquire);
		after = VCPU_TIME_GET(time->sequence);
		if (before == after && !(before & 1))
			return;
		/* The writer may have lost its CPU to this thread: yielding would not always do. */
		if (before & 1)
			nanosleep(&moment, NULL);
	}
}
