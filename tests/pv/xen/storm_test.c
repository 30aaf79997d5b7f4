/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No event is lost while vcpu_info moves, whoever sends it. With FERRY_TEST_LONG vcpu_info moves ten thousand
 * times, for which a guest under emulation needs minutes (CK_TIMEOUT_MULTIPLIER); FERRY_TEST_ENGINE=kernel or
 * portable leaves the other engine out.
 */
#include "pv/xen/guest_for_test.h"

#include <pthread.h>
#include <sched.h>

static unsigned rounds(void)
{
	return getenv("FERRY_TEST_LONG") ? 10000 : 25;
}

static const char *cmdline_of(const char *test)
{
	static char cmdline[64];

	snprintf(cmdline, sizeof(cmdline), "test=%s rounds=%u", test, rounds());
	return cmdline;
}

static bool is_wanted(enum machine_xen_engine engine)
{
	const char *only = getenv("FERRY_TEST_ENGINE");
	bool is_kernel = engine == MACHINE_XEN_KERNEL;

	if (only && strcmp(only, is_kernel ? "kernel" : "portable") != 0)
		return false;
	return !is_kernel || has_kernel_engine();
}

static void tell(const char *test, uint32_t version, enum machine_xen_engine engine)
{
	printf("%s: %u rounds, Xen %u.%u, %s engine: nothing is lost\n", test, rounds(), version >> 16,
	       version & 0xffff, engine == MACHINE_XEN_KERNEL ? "kernel" : "portable");
	fflush(stdout);
}

static void storm(const char *test, uint32_t vcpus)
{
	static const enum machine_xen_engine engines[] = { MACHINE_XEN_PORTABLE, MACHINE_XEN_KERNEL };

	for (size_t e = 0; e < ARRAY_SIZE(engines); e++)
		for (size_t i = 0; i < ARRAY_SIZE(guest_versions) && is_wanted(engines[e]); i++) {
			guest_run_one("xen/info", cmdline_of(test), vcpus, guest_versions[i], engines[e]);
			tell(test, guest_versions[i], engines[e]);
		}
}

START_TEST(test_no_event_of_another_vcpu_is_lost_while_vcpu_info_moves)
{
	storm("storm", 2);
}
END_TEST

START_TEST(test_no_timer_is_lost_while_vcpu_info_moves)
{
	storm("timer", 1);
}
END_TEST

/* The ports that guest/xen/info.c opens first. */
#define PORTS 8
/* Behind Xenstore's and the console's: the first that the guest is given. */
#define FIRST_PORT 3

struct outside {
	struct test_machine *t;
	struct xen_sender senders[PORTS];
	pthread_t thread;
};

/* Where the guest has its turn: it says so by a parameter. NULL: it has ended. */
static uint32_t *find_turn(struct outside *outside)
{
	struct xen *xen = outside->t->machine->xen;
	uint64_t gpa = 0;

	while (!gpa && vm_ended(outside->t->vm) == VM_END_NONE) {
		xen_lock(xen);
		gpa = xen->param[HVM_PARAM_VM_GENERATION_ID_ADDR];
		xen_unlock(xen);
		sched_yield();
	}
	return gpa ? mem_ptr_rw(vm_mem(outside->t->vm), gpa, 8) : NULL;
}

static void *storm_from_outside(void *arg)
{
	struct outside *outside = arg;
	unsigned look = mem_look_begin(vm_mem(outside->t->vm));
	uint32_t *turn = find_turn(outside), round = 0;

	while (turn && vm_ended(outside->t->vm) == VM_END_NONE) {
		if (__atomic_load_n(&turn[0], __ATOMIC_SEQ_CST) == round) {
			sched_yield();
			continue;
		}
		round++;
		for (int i = 0; i < PORTS; i++)
			xen_sender_raise(&outside->senders[i]);
		__atomic_store_n(&turn[1], round, __ATOMIC_SEQ_CST);
	}
	mem_look_end(vm_mem(outside->t->vm), look);
	return NULL;
}

static void run_outside(uint32_t version, enum machine_xen_engine engine)
{
	const char *cmdline = cmdline_of("outside");
	struct outside outside = { 0 };
	struct test_machine t;

	guest_create(&t, "xen/info", cmdline, 1, version, engine);
	outside.t = &t;
	for (uint32_t i = 0; i < PORTS; i++)
		ck_assert_int_eq(xen_sender_init(&outside.senders[i], t.machine->xen,
						 FIRST_PORT + i), 0);
	ck_assert_int_eq(pthread_create(&outside.thread, NULL, storm_from_outside, &outside), 0);
	test_machine_run(&t, NULL, true);
	vm_stop(t.vm);
	machine_flush(t.machine);
	pthread_join(outside.thread, NULL);
	for (int i = 0; i < PORTS; i++)
		xen_sender_finish(&outside.senders[i]);
	guest_finish(&t, "xen/info", cmdline, version, engine);
	tell("outside", version, engine);
}

/* On the kernel's engine by irqfds, whenever KVM delivers. */
START_TEST(test_no_event_from_outside_is_lost_while_vcpu_info_moves)
{
	if (is_wanted(MACHINE_XEN_PORTABLE))
		run_outside(guest_versions[0], MACHINE_XEN_PORTABLE);
	if (is_wanted(MACHINE_XEN_KERNEL))
		run_outside(guest_versions[1], MACHINE_XEN_KERNEL);
}
END_TEST

CHECK_MAIN_KVM("storms", test_no_event_of_another_vcpu_is_lost_while_vcpu_info_moves,
	       test_no_event_from_outside_is_lost_while_vcpu_info_moves,
	       test_no_timer_is_lost_while_vcpu_info_moves)
