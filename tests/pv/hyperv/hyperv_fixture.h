/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine whose guest sees Hyper-V, on the host's KVM: ferry's own, or with
 * FERRY_TEST_HYPERV_ENGINE=kernel KVM's; and with FERRY_TEST_HYPERV_IOCTL=1 that knows inhibits
 * itself, and tells nobody who waits.
 */
#ifndef TESTS_PV_HYPERV_FIXTURE_H
#define TESTS_PV_HYPERV_FIXTURE_H

#include <sched.h>
#include <stdatomic.h>

#include <ferry/bus.h>

#include "machine/machine_for_test.h"
#include "vm/vm.h"

/* What guest/hyperv/flush.c tells its port. */
#define FLUSH_PORT   0x1000
#define FLUSH_BEGINS 1
#define FLUSH_DONE   2
#define FLUSH_FAILED 3
#define FLUSH_NMI    4
#define FLUSH_CPUS   4

static inline void hyperv_machine_create_on(struct test_machine *t, const char *guest,
					    const char *cmdline, uint32_t vcpus,
					    const char *features,
					    enum machine_hyperv_engine engine)
{
	struct machine_options options = {
		.cmdline = cmdline, .vm.vcpus = vcpus, .hyperv = features, .hyperv_engine = engine,
	};
	char path[512];

	snprintf(path, sizeof(path), GUEST_DIR "/hyperv/%s", guest);
	options.kernel = path;
	test_machine_create_with(t, options);
}

static inline bool hyperv_is_kernel(void)
{
	const char *engine = getenv("FERRY_TEST_HYPERV_ENGINE");

	return engine && strcmp(engine, "kernel") == 0;
}

static inline void hyperv_machine_create(struct test_machine *t, const char *guest,
					 const char *cmdline, uint32_t vcpus, const char *features)
{
	hyperv_machine_create_on(t, guest, cmdline, vcpus, features,
				 hyperv_is_kernel() ? MACHINE_HYPERV_KERNEL
						    : MACHINE_HYPERV_PORTABLE);
}

/* What guests say by hyperv_say(). */
static inline void hyperv_check_says(const struct test_machine *t, unsigned cpu, const char *what,
				     unsigned value)
{
	char line[96];

	snprintf(line, sizeof(line), "cpu %u %s %u\n", cpu, what, value);
	ck_assert_msg(strstr(t->console, line) != NULL, "no '%s' in:\n%s", line, t->console);
}

/* How often each vCPU has begun a flush, and seen it done. */
struct flush_counts {
	atomic_ulong begun[FLUSH_CPUS], done[FLUSH_CPUS], nmis[FLUSH_CPUS], failed;
};

static inline void flush_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct flush_counts *counts = self;
	uint8_t what = *(const uint8_t *)data;

	(void)len;
	if (what == FLUSH_BEGINS)
		atomic_fetch_add(&counts->begun[offset], 1);
	else if (what == FLUSH_DONE)
		atomic_fetch_add(&counts->done[offset], 1);
	else if (what == FLUSH_NMI)
		atomic_fetch_add(&counts->nmis[offset], 1);
	else
		atomic_fetch_add(&counts->failed, 1);
}

static inline void flush_read(void *self, uint64_t offset, void *data, unsigned len)
{
	(void)self, (void)offset, (void)data, (void)len;
}

static inline void flush_count(struct test_machine *t, struct flush_counts *counts)
{
	static const struct bus_ops ops = { .read = flush_read, .write = flush_write };

	ck_assert_int_eq(bus_add(vm_pio(t->vm), "flushes", FLUSH_PORT, FLUSH_CPUS, &ops, counts), 0);
}

/* Waits go on as long as the guest does, and Check's timeout is their limit. */
static inline void hyperv_wait_on(struct test_machine *t)
{
	ck_assert_msg(vm_ended(t->vm) == VM_END_NONE, "the guest has ended: %s", vm_end_text(t->vm));
	sched_yield();
}

/* Until the vCPU has seen so many more flushes done. */
static inline void flush_await(struct test_machine *t, struct flush_counts *counts, unsigned vcpu,
			       unsigned long more)
{
	unsigned long seen = atomic_load(&counts->done[vcpu]);

	while (atomic_load(&counts->done[vcpu]) < seen + more)
		hyperv_wait_on(t);
}

static inline struct machine_hyperv_vcpu hyperv_state(struct test_machine *t, uint32_t vcpu)
{
	struct machine_hyperv_vcpu state = { 0 };

	ck_assert_int_eq(machine_hyperv_vcpu(t->machine, vcpu, &state), 0);
	return state;
}

static inline bool hyperv_waits_in_kvm(const struct test_machine *t)
{
	return getenv("FERRY_TEST_HYPERV_IOCTL") &&
	       strcmp(machine_hyperv_engine_name(t->machine), "kernel") == 0;
}

/* KVM has put it to sleep. These guests have no HLT. */
static inline bool hyperv_is_blocking(struct test_machine *t, uint32_t vcpu)
{
	struct kvm_stats *stats = &t->vm->vcpus[vcpu].kvm_stats;
	int r = kvm_stats_read(stats);

	ck_assert(r == 0 || r == -ENODEV); /* it has not been started yet */
	return r == 0 && kvm_stats_find(stats, "blocking")->values[0];
}

static inline void hyperv_await_wait(struct test_machine *t, uint32_t vcpu, uint32_t whom)
{
	struct machine_hyperv_vcpu state;

	/* Who has come from elsewhere waits here all the same, until he is released. */
	while (hyperv_waits_in_kvm(t)) {
		if (hyperv_is_blocking(t, vcpu) || hyperv_state(t, vcpu).waits)
			return;
		hyperv_wait_on(t);
	}
	do {
		hyperv_wait_on(t);
		state = hyperv_state(t, vcpu);
	} while (!state.waits || state.waits_on != whom);
}

static inline void hyperv_inhibit(struct test_machine *t, uint32_t vcpu, bool on)
{
	ck_assert_int_eq(machine_hyperv_inhibit(t->machine, vcpu, on), 0);
}

#endif
