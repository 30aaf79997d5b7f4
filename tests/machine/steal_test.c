/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest is told of its time under contention is what the host's scheduler says. */
#include "machine/machine_for_test.h"

#include <ferry/bus.h>
#include <sched.h>
#include <stdatomic.h>

#include "vm/stat.h"

#define VCPUS	  2
#ifdef __aarch64__
#define PORT	  0x0b000000
#define BUS	  vm_mmio
#else
#define PORT	  0x1000
#define BUS	  vm_pio
#endif
#define ENOUGH_NS 500000000ULL

static struct test_machine t;

/*
 * A vCPU's two accounts of its time, since it told the guest's for the second time. Its own thread's. What
 * passes between the guest's look and the host's is in one of them only: at most a turn, at either end.
 */
static struct {
	unsigned tells;
	uint32_t first_us;
	uint64_t first_ns, last_ns;
	uint64_t guest_ns, host_ns;
	uint64_t first_turn_ns, turn_ns;
} accounts[VCPUS];

static atomic_uint done;
static bool runs; /* the guest tells how long it has run, not how long it has waited */

static void told(void *self, uint64_t offset, const void *data, unsigned len)
{
	unsigned vcpu = (unsigned)offset / 4;
	struct vcpu_task task;
	uint64_t host;
	uint32_t us;

	(void)self;
	if (len != 4 || vcpu >= VCPUS || accounts[vcpu].host_ns >= ENOUGH_NS)
		return;
	memcpy(&us, data, 4);
	ck_assert_int_eq(vcpu_task_read(vm_stat_tasks(t.vm), gettid(), &task), 0);
	host = runs ? task.cpu : task.delay;
	accounts[vcpu].turn_ns = host - accounts[vcpu].last_ns;
	accounts[vcpu].last_ns = host;
	if (accounts[vcpu].tells++ < 2) {
		accounts[vcpu].first_us = us;
		accounts[vcpu].first_ns = host;
		accounts[vcpu].first_turn_ns = accounts[vcpu].turn_ns;
	}
	accounts[vcpu].guest_ns = (uint64_t)(us - accounts[vcpu].first_us) * 1000;
	accounts[vcpu].host_ns = host - accounts[vcpu].first_ns;
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

static void check_accounts(void)
{
	for (unsigned i = 0; i < VCPUS; i++) {
		uint64_t guest = accounts[i].guest_ns, host = accounts[i].host_ns;

		printf("vCPU %u: %llu us for the guest, %llu us for the host\n", i,
		       (unsigned long long)guest / 1000, (unsigned long long)host / 1000);
		ck_assert_uint_ge(host, ENOUGH_NS);
		ck_assert_uint_ge(guest + accounts[i].turn_ns, host / 100 * 95);
		ck_assert_uint_le(guest, host / 100 * 105 + accounts[i].first_turn_ns);
	}
}

static void check(struct machine_options options)
{
	struct machine *machine = NULL;
	int r;

	stay_on_one_cpu();
	memset(accounts, 0, sizeof(accounts));
	atomic_store(&done, 0);
	options.vm = (struct vm_options){ .name = "test", .vcpus = VCPUS };
	options.memory = 16 * MIB;
	options.kernel = GUEST_DIR "/time/steal";
	r = machine_create(&options, &machine);
	machine_destroy(machine);
	if (r == -EOPNOTSUPP) {
		printf("not tested: %s\n", error_text(r));
		return;
	}
	test_machine_create_with(&t, options);
	ck_assert_int_eq(bus_add(BUS(t.vm), "test", PORT, 4 * VCPUS, &ops, NULL), 0);
	test_machine_run(&t, NULL, true);
	if (strstr(t.console, "no steal time"))
		puts("this KVM offers no steal time: not tested");
	else
		check_accounts();
	test_machine_finish(&t);
}

START_TEST(test_the_guest_sees_the_run_delay_of_the_host_within_5_percent)
{
	check((struct machine_options){ .cmdline = "from=kvm" });
}
END_TEST

#ifdef __aarch64__
CHECK_MAIN_KVM("steal", test_the_guest_sees_the_run_delay_of_the_host_within_5_percent)
#else
START_TEST(test_a_xen_guest_sees_it_as_the_runstate_runnable)
{
	check((struct machine_options){ .cmdline = "from=xen",
					.xen_version = 4 << 16 | 17,
					.xen_engine = MACHINE_XEN_KERNEL });
}
END_TEST

static void check_hyperv(enum machine_hyperv_engine engine)
{
	runs = true;
	check((struct machine_options){ .cmdline = "from=hyperv", .hyperv = "runtime",
					.hyperv_engine = engine });
}

START_TEST(test_a_hyperv_guest_sees_its_run_time_from_ferry)
{
	check_hyperv(MACHINE_HYPERV_PORTABLE);
}
END_TEST

START_TEST(test_a_hyperv_guest_sees_its_run_time_from_kvm)
{
	check_hyperv(MACHINE_HYPERV_KERNEL);
}
END_TEST

CHECK_MAIN_KVM("steal", test_the_guest_sees_the_run_delay_of_the_host_within_5_percent,
	       test_a_xen_guest_sees_it_as_the_runstate_runnable,
	       test_a_hyperv_guest_sees_its_run_time_from_ferry,
	       test_a_hyperv_guest_sees_its_run_time_from_kvm)
#endif
