/* SPDX-License-Identifier: Apache-2.0 */
/* Tiny guests that see Xen, on every engine that this host has, in both bands of versions. */
#include "pv/xen/guest_for_test.h"

#include <pthread.h>
#include <sched.h>

#include "kvm/kvm_x86.h"

START_TEST(test_hypercalls_answer_as_xen_does)
{
	guest_run("xen/calls", "", 1);
}
END_TEST

START_TEST(test_the_embedded_vcpu_info_serves_from_the_moment_it_is_mapped)
{
	guest_run("xen/info", "test=embedded", 1);
}
END_TEST

START_TEST(test_registration_fails_with_xens_errors_in_xens_order)
{
	guest_run("xen/info", "test=errors", 1);
}
END_TEST

START_TEST(test_soft_reset_returns_to_the_embedded_place)
{
	guest_run("xen/info", "test=reset", 1);
}
END_TEST

START_TEST(test_vcpu_33_has_no_vcpu_info_until_it_registers)
{
	guest_run("xen/info", "test=many", 34);
}
END_TEST

START_TEST(test_a_32_bit_guest_has_the_other_layout)
{
	guest_run("xen/info", "test=narrow", 1);
}
END_TEST

struct sender {
	struct test_machine *t;
	struct irq_msi msi;
};

/* As a device that the guest has told to send its messages to a PIRQ. */
static void *send_message(void *arg)
{
	struct sender *sender = arg;
	struct xen *xen = sender->t->machine->xen;
	uint64_t pirq = 0;

	while (!pirq && vm_ended(sender->t->vm) == VM_END_NONE) {
		xen_lock(xen);
		pirq = xen->param[HVM_PARAM_VM_GENERATION_ID_ADDR];
		xen_unlock(xen);
		sched_yield();
	}
	if (pirq && irq_msi_route(&sender->msi, 0xfee00000 | pirq << 12, 0x4300) == 0)
		irq_msi_raise(&sender->msi);
	return NULL;
}

static void run_pirqs(enum machine_xen_engine engine)
{
	struct test_machine t;
	struct sender sender = { .t = &t };
	pthread_t thread;

	guest_create(&t, "xen/pirqs", "", 1, guest_versions[0], engine);
	ck_assert_int_eq(irq_msi_init(&sender.msi, t.vm, 0), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, send_message, &sender), 0);
	test_machine_run(&t, NULL, true);
	vm_stop(t.vm);
	machine_flush(t.machine);
	pthread_join(thread, NULL);
	irq_msi_finish(&sender.msi);
	guest_finish(&t, "xen/pirqs", "", guest_versions[0], engine);
}

START_TEST(test_lines_and_messages_of_devices_are_events)
{
	run_pirqs(MACHINE_XEN_PORTABLE);
	if (has_kernel_engine())
		run_pirqs(MACHINE_XEN_KERNEL);
}
END_TEST

START_TEST(test_an_upcall_comes_by_the_vcpus_vector)
{
	guest_run("xen/upcalls", "test=own", 1);
}
END_TEST

START_TEST(test_an_upcall_that_a_lapic_was_off_for_comes_when_it_is_on)
{
	guest_run("xen/upcalls", "test=late", 1);
}
END_TEST

START_TEST(test_an_upcall_comes_by_the_domains_vector_which_nobody_acknowledges)
{
	guest_run("xen/upcalls", "test=domain", 1);
}
END_TEST

START_TEST(test_an_upcall_comes_by_a_gsi_that_stays_up)
{
	guest_run("xen/upcalls", "test=gsi", 1);
}
END_TEST

START_TEST(test_an_upcall_comes_by_the_platform_devices_intx)
{
	guest_run("xen/upcalls", "test=intx", 1);
}
END_TEST

START_TEST(test_the_platform_device_unplugs_and_its_logs_are_the_console)
{
	struct test_machine t;

	guest_create(&t, "xen/platform", "", 1, guest_versions[0], MACHINE_XEN_PORTABLE);
	test_machine_run(&t, NULL, true);
	ck_assert_str_eq(t.console, "debug\nlog\nbar\nok\n");
	vm_stop(t.vm);
	machine_flush(t.machine);
	ck_assert_uint_eq(test_register(&t, "xen_platform.unplugged"), 3);
	ck_assert_uint_eq(test_register(&t, "xen_platform.product"), 3);
	ck_assert_uint_eq(test_register(&t, "xen_platform.driver"), 0x60c75);
	ck_assert_uint_eq(test_register(&t, "xen_platform.flags"), 1);
	test_machine_finish(&t);
}
END_TEST

/* kvm_pvm, a software KVM, gives user mode no ports whatever its IOPL is. */
START_TEST(test_hypercalls_of_user_mode_are_refused)
{
	if (has_kernel_engine())
		guest_run("xen/user", "", 1);
}
END_TEST

/* guest/xen/steps.c has the list. */
START_TEST(test_the_steps_of_kvms_own_tests_have_counterparts)
{
	static const char *const one[] = { "test=inline", "test=moves", "test=masked", "test=loop",
					   "test=clock" };
	static const char *const two[] = { "test=update", "test=wake", "test=race" };

	for (size_t i = 0; i < ARRAY_SIZE(one); i++)
		guest_run("xen/steps", one[i], 1);
	for (size_t i = 0; i < ARRAY_SIZE(two); i++)
		guest_run("xen/steps", two[i], 2);
}
END_TEST

/* Exits of both vCPUs while they run so many rounds, and all else. */
static uint64_t exits_of(unsigned count, enum machine_xen_engine engine)
{
	struct test_machine t;
	uint64_t exits = 0;
	char cmdline[64];

	snprintf(cmdline, sizeof(cmdline), "test=ipi rounds=%u", count);
	guest_create(&t, "xen/upcalls", cmdline, 2, guest_versions[0], engine);
	test_machine_run(&t, NULL, true);
	vm_stop(t.vm);
	machine_flush(t.machine);
	for (uint32_t i = 0; i < t.vm->vcpu_count; i++) {
		struct vcpu_time_reading reading;

		vcpu_time_read(&t.vm->vcpus[i].time, &reading);
		for (size_t reason = 0; reason < VCPU_EXIT_REASONS; reason++)
			exits += reading.exits[reason];
	}
	guest_finish(&t, "xen/upcalls", cmdline, guest_versions[0], engine);
	return exits;
}

/* The rest is what the host's scheduler does to the vCPUs meanwhile. */
static void check_exits(enum machine_xen_engine engine, unsigned each)
{
	unsigned few = 10, many = 50;
	uint64_t fewer = exits_of(few, engine), more = exits_of(many, engine);
	double per_ipi = ((double)more - (double)fewer) / (many - few);

	printf("%s engine: %.3f exits to user space an IPI\n",
	       engine == MACHINE_XEN_KERNEL ? "kernel" : "portable", per_ipi);
	ck_assert_msg(per_ipi < each + 0.2, "%.3f exits an IPI", per_ipi);
}

START_TEST(test_an_ipi_by_event_channel_leaves_the_kernel_twice_at_most_or_never)
{
	check_exits(MACHINE_XEN_PORTABLE, 2);
	if (has_kernel_engine())
		check_exits(MACHINE_XEN_KERNEL, 0);
}
END_TEST

START_TEST(test_vcpus_begin_by_hypercall_in_either_width)
{
	guest_run("xen/vcpus", "test=initialise", 33);
}
END_TEST

START_TEST(test_a_domain_says_and_asks_of_itself_what_xen_allows)
{
	guest_run("xen/vcpus", "test=params", 1);
}
END_TEST

/* The bytes of an entry of the hypercall page that are the call: behind the mov, before the ret. */
#define CALL_AT	    5
#define CALL_BEHIND 8

static void stand_still(enum machine_xen_engine engine)
{
	struct test_machine t;
	struct kvm_regs regs;
	uint64_t at;

	guest_create(&t, "xen/state", "calls=1", 2, guest_versions[0], engine);
	test_machine_run(&t, "\n", true);
	for (int i = 0; i < 30; i++) {
		vm_pause(t.vm);
		ck_assert_int_eq(kvm_get_regs(t.vm->vcpus[0].fd, &regs), 0);
		at = regs.rip - t.machine->xen->hypercall_page;
		ck_assert_msg(at >= XEN_PAGE_SIZE || at % 32 <= CALL_AT || at % 32 >= CALL_BEHIND,
			      "it stands %llu bytes into a hypercall",
			      (unsigned long long)(at % 32 - CALL_AT));
		vm_resume(t.vm);
	}
	vm_stop(t.vm);
	machine_flush(t.machine);
	test_machine_finish(&t);
}

/* There it may find the other engine's code when it goes on. */
START_TEST(test_a_vcpu_stands_still_before_a_hypercall_or_behind_it)
{
	stand_still(MACHINE_XEN_PORTABLE);
	if (has_kernel_engine())
		stand_still(MACHINE_XEN_KERNEL);
}
END_TEST

/* Under the sanitizers of the debug build. */
START_TEST(test_hostile_hypercalls_are_all_answered)
{
	char cmdline[64];

	for (int seed = 1; seed <= 4; seed++) {
		snprintf(cmdline, sizeof(cmdline), "seed=%d rounds=3000", seed);
		guest_run_one("xen/hostile", cmdline, 2, guest_versions[seed % 2], MACHINE_XEN_PORTABLE);
		if (has_kernel_engine())
			guest_run_one("xen/hostile", cmdline, 2, guest_versions[seed % 2], MACHINE_XEN_KERNEL);
	}
}
END_TEST

START_TEST(test_runstates_are_written_at_every_offset_over_a_page_edge)
{
	guest_run("xen/areas", "test=runstate", 1);
}
END_TEST

START_TEST(test_fifo_events_are_queued_by_priority)
{
	guest_run("xen/areas", "test=fifo", 1);
}
END_TEST

START_TEST(test_a_poll_ends_by_an_event_or_in_time)
{
	guest_run("xen/areas", "test=polls", 1);
}
END_TEST

START_TEST(test_timers_fire_once_or_by_the_period)
{
	guest_run("xen/areas", "test=timers", 2);
}
END_TEST

START_TEST(test_grants_of_both_versions_answer_as_xens)
{
	guest_run("xen/grants", "", 1);
}
END_TEST

START_TEST(test_xenstore_serves_its_ring)
{
	guest_run("xen/store", "", 1);
}
END_TEST

START_TEST(test_the_power_button_is_xenstores_for_who_can_be_asked_so)
{
	struct test_machine t;

	guest_create(&t, "xen/store", "shutdown=1", 1, guest_versions[0], MACHINE_XEN_PORTABLE);
	test_machine_run(&t, "waits\n", true);
	machine_power_button(t.machine);
	test_machine_run(&t, NULL, false);
	vm_stop(t.vm);
	machine_flush(t.machine);
	ck_assert_str_eq(t.console, "waits\nok\n");
	ck_assert_int_eq(vm_ended(t.vm), VM_END_POWEROFF);
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("xen guests", test_the_power_button_is_xenstores_for_who_can_be_asked_so,
	       test_grants_of_both_versions_answer_as_xens,
	       test_xenstore_serves_its_ring, test_hostile_hypercalls_are_all_answered,
	       test_runstates_are_written_at_every_offset_over_a_page_edge,
	       test_fifo_events_are_queued_by_priority, test_a_poll_ends_by_an_event_or_in_time,
	       test_timers_fire_once_or_by_the_period,
	       test_hypercalls_answer_as_xen_does,
	       test_the_embedded_vcpu_info_serves_from_the_moment_it_is_mapped,
	       test_registration_fails_with_xens_errors_in_xens_order,
	       test_soft_reset_returns_to_the_embedded_place,
	       test_vcpu_33_has_no_vcpu_info_until_it_registers,
	       test_a_32_bit_guest_has_the_other_layout,
	       test_lines_and_messages_of_devices_are_events,
	       test_an_upcall_comes_by_the_vcpus_vector,
	       test_an_upcall_that_a_lapic_was_off_for_comes_when_it_is_on,
	       test_an_upcall_comes_by_the_domains_vector_which_nobody_acknowledges,
	       test_an_upcall_comes_by_a_gsi_that_stays_up,
	       test_an_upcall_comes_by_the_platform_devices_intx,
	       test_hypercalls_of_user_mode_are_refused,
	       test_the_platform_device_unplugs_and_its_logs_are_the_console,
	       test_the_steps_of_kvms_own_tests_have_counterparts,
	       test_an_ipi_by_event_channel_leaves_the_kernel_twice_at_most_or_never,
	       test_a_vcpu_stands_still_before_a_hypercall_or_behind_it,
	       test_vcpus_begin_by_hypercall_in_either_width,
	       test_a_domain_says_and_asks_of_itself_what_xen_allows)
