/* SPDX-License-Identifier: Apache-2.0 */
/* Steal time reaches the guest, and is what the host's scheduler says. */
#include "machine/machine_for_test.h"

#include <ferry/bus.h>
#include <sched.h>
#include <stdatomic.h>

#include "vm/stat.h"

#define VCPUS	  2
#define PORT	  0x1000
#define ENOUGH_NS 1000000000ULL

static struct test_machine t;

/* A vCPU's two accounts of its waiting, since it first told the guest's. Its own thread's. */
static struct {
	bool told;
	uint32_t first_us;
	uint64_t first_ns;
	uint64_t guest_ns, host_ns;
} accounts[VCPUS];

static atomic_uint done;

static void told(void *self, uint64_t offset, const void *data, unsigned len)
{
	unsigned vcpu = (unsigned)offset / 4;
	struct vcpu_task task;
	uint32_t us;

	(void)self;
	if (len != 4 || vcpu >= VCPUS || accounts[vcpu].host_ns >= ENOUGH_NS)
		return;
	memcpy(&us, data, 4);
	ck_assert_int_eq(vcpu_task_read(vm_stat_tasks(t.vm), gettid(), &task), 0);
	if (!accounts[vcpu].told) {
		accounts[vcpu].told = true;
		accounts[vcpu].first_us = us;
		accounts[vcpu].first_ns = task.delay;
	}
	accounts[vcpu].guest_ns = (uint64_t)(us - accounts[vcpu].first_us) * 1000;
	accounts[vcpu].host_ns = task.delay - accounts[vcpu].first_ns;
	if (accounts[vcpu].host_ns >= ENOUGH_NS && atomic_fetch_add(&done, 1) + 1 == VCPUS)
		vm_end(t.vm, VM_END_POWEROFF, NULL);
}

static const struct bus_ops ops = { .write = told };

/* Threads are where the one is that made them. */
static void stay_on_one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((unsigned)sched_getcpu(), &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
}

START_TEST(test_the_guest_sees_the_run_delay_of_the_host_within_5_percent)
{
	stay_on_one_cpu();
	test_machine_create(&t, "time/steal", "", VCPUS);
	ck_assert_int_eq(bus_add(vm_pio(t.vm), "test", PORT, 4 * VCPUS, &ops, NULL), 0);
	test_machine_run(&t, NULL, true);
	if (strstr(t.console, "no steal time")) {
		puts("this KVM offers no steal time: not tested");
	} else {
		for (unsigned i = 0; i < VCPUS; i++) {
			uint64_t guest = accounts[i].guest_ns, host = accounts[i].host_ns;

			printf("vCPU %u: %llu us for the guest, %llu us for the host\n", i,
			       (unsigned long long)guest / 1000, (unsigned long long)host / 1000);
			ck_assert_uint_ge(host, ENOUGH_NS);
			ck_assert_uint_ge(guest, host / 100 * 95);
			ck_assert_uint_le(guest, host / 100 * 105);
		}
	}
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("steal", test_the_guest_sees_the_run_delay_of_the_host_within_5_percent)
