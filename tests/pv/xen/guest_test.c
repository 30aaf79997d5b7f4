/* SPDX-License-Identifier: Apache-2.0 */
/* Tiny guests that see Xen, on every engine that this host has, in both bands of versions. */
#include "machine/machine_for_test.h"

#include "kvm/kvm.h"
#include "vm/vm.h"

#define ROUNDS "rounds=100"

static const uint32_t versions[] = { 0x40011, 0x40012 };

static void run_one(const char *guest, const char *cmdline, uint32_t vcpus, uint32_t version,
		    enum machine_xen_engine engine)
{
	static const char yields[] = "polls are yields\n";
	struct test_machine t;
	const char *said;
	char path[512];

	snprintf(path, sizeof(path), GUEST_DIR "/%s", guest);
	test_machine_create_with(&t, (struct machine_options){ .kernel = path, .cmdline = cmdline,
							      .vm.vcpus = vcpus,
							      .xen_version = version,
							      .xen_engine = engine });
	test_machine_run(&t, NULL, true);
	vm_stop(t.vm);
	machine_flush(t.machine);
	/* KVM answers a poll by itself, and so where it delivers no events (guest/xen/areas.c). */
	said = t.console;
	if (engine == MACHINE_XEN_KERNEL && strncmp(said, yields, strlen(yields)) == 0)
		said += strlen(yields);
	ck_assert_msg(vm_ended(t.vm) == VM_END_POWEROFF && strcmp(said, "ok\n") == 0,
		      "%s %s, Xen %#x, %s engine: %s (%d %s)", guest, cmdline, version,
		      machine_xen_engine_name(t.machine), t.console, vm_ended(t.vm),
		      vm_end_text(t.vm));
	test_machine_finish(&t);
}

static bool has_kernel_engine(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int flags = kvm_check_extension(fd, KVM_CAP_XEN_HVM);

	close(fd);
	return flags > 0 && flags & KVM_XEN_HVM_CONFIG_EVTCHN_SEND;
}

static void run(const char *guest, const char *cmdline, uint32_t vcpus)
{
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		run_one(guest, cmdline, vcpus, versions[i], MACHINE_XEN_PORTABLE);
		if (has_kernel_engine())
			run_one(guest, cmdline, vcpus, versions[i], MACHINE_XEN_KERNEL);
	}
}

START_TEST(test_hypercalls_answer_as_xen_does)
{
	run("xen/calls", "", 1);
}
END_TEST

START_TEST(test_the_embedded_vcpu_info_serves_from_the_moment_it_is_mapped)
{
	run("xen/info", "test=embedded", 1);
}
END_TEST

START_TEST(test_registration_fails_with_xens_errors_in_xens_order)
{
	run("xen/info", "test=errors", 1);
}
END_TEST

START_TEST(test_soft_reset_returns_to_the_embedded_place)
{
	run("xen/info", "test=reset", 1);
}
END_TEST

START_TEST(test_vcpu_33_has_no_vcpu_info_until_it_registers)
{
	run("xen/info", "test=many", 34);
}
END_TEST

START_TEST(test_a_32_bit_guest_has_the_other_layout)
{
	run("xen/info", "test=narrow", 1);
}
END_TEST

START_TEST(test_no_event_is_lost_while_vcpu_info_moves)
{
	run("xen/info", "test=storm " ROUNDS, 2);
}
END_TEST

START_TEST(test_no_timer_is_lost_while_vcpu_info_moves)
{
	run("xen/info", "test=timer " ROUNDS, 1);
}
END_TEST

/* Under the sanitizers of the debug build. */
START_TEST(test_hostile_hypercalls_are_all_answered)
{
	char cmdline[64];

	for (int seed = 1; seed <= 4; seed++) {
		snprintf(cmdline, sizeof(cmdline), "seed=%d rounds=3000", seed);
		run_one("xen/hostile", cmdline, 2, versions[seed % 2], MACHINE_XEN_PORTABLE);
		if (has_kernel_engine())
			run_one("xen/hostile", cmdline, 2, versions[seed % 2], MACHINE_XEN_KERNEL);
	}
}
END_TEST

START_TEST(test_runstates_are_written_at_every_offset_over_a_page_edge)
{
	run("xen/areas", "test=runstate", 1);
}
END_TEST

START_TEST(test_fifo_events_are_queued_by_priority)
{
	run("xen/areas", "test=fifo", 1);
}
END_TEST

START_TEST(test_a_poll_ends_by_an_event_or_in_time)
{
	run("xen/areas", "test=polls", 1);
}
END_TEST

START_TEST(test_timers_fire_once_or_by_the_period)
{
	run("xen/areas", "test=timers", 2);
}
END_TEST

START_TEST(test_grants_of_both_versions_answer_as_xens)
{
	run("xen/grants", "", 1);
}
END_TEST

START_TEST(test_xenstore_serves_its_ring)
{
	run("xen/store", "", 1);
}
END_TEST

CHECK_MAIN_KVM("xen guests", test_grants_of_both_versions_answer_as_xens,
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
	       test_no_event_is_lost_while_vcpu_info_moves,
	       test_no_timer_is_lost_while_vcpu_info_moves)
