/* SPDX-License-Identifier: Apache-2.0 */
/* Tiny guests that see Xen, on every engine that this host has, in both bands of versions. */
#include "machine/machine_for_test.h"

#include <pthread.h>
#include <sched.h>

#include "kvm/kvm.h"
#include "kvm/kvm_x86.h"
#include "machine/machine.h"
#include "pv/xen/xen_impl.h"
#include "vm/vm.h"

/*
 * So often vcpu_info moves in a storm: a hundred times, or with FERRY_TEST_LONG ten thousand times, for which
 * a guest under emulation needs minutes (CK_TIMEOUT_MULTIPLIER).
 */
static const char *rounds(const char *test)
{
	static char cmdline[64];

	snprintf(cmdline, sizeof(cmdline), "test=%s rounds=%d", test, getenv("FERRY_TEST_LONG") ? 10000 : 25);
	return cmdline;
}

/* The ports that guest/xen/info.c opens first. */
#define PORTS 8
/* Behind Xenstore's and the console's: the first that the guest is given. */
#define FIRST_PORT 3

static const uint32_t versions[] = { 0x40011, 0x40012 };

static void create(struct test_machine *t, const char *guest, const char *cmdline, uint32_t vcpus,
		   uint32_t version, enum machine_xen_engine engine)
{
	char path[512];

	snprintf(path, sizeof(path), GUEST_DIR "/%s", guest);
	test_machine_create_with(t, (struct machine_options){ .kernel = path, .cmdline = cmdline,
							      .vm.vcpus = vcpus,
							      .xen_version = version,
							      .xen_engine = engine,
							      .xen_entry = MACHINE_XEN_ENTRY_HVM,
							      .xen_pirqs = strcmp(guest, "xen/pirqs") == 0 });
}

static void finish(struct test_machine *t, const char *guest, const char *cmdline, uint32_t version,
		   enum machine_xen_engine engine)
{
	static const char yields[] = "polls are yields\n";
	const char *said;

	/* KVM answers a poll by itself, and so where it delivers no events (guest/xen/areas.c). */
	said = t->console;
	if (engine == MACHINE_XEN_KERNEL && strncmp(said, yields, strlen(yields)) == 0)
		said += strlen(yields);
	ck_assert_msg(vm_ended(t->vm) == VM_END_POWEROFF && strcmp(said, "ok\n") == 0,
		      "%s %s, Xen %#x, %s engine: %s (%d %s)", guest, cmdline, version,
		      machine_xen_engine_name(t->machine), t->console, vm_ended(t->vm),
		      vm_end_text(t->vm));
	test_machine_finish(t);
}

static void run_one(const char *guest, const char *cmdline, uint32_t vcpus, uint32_t version,
		    enum machine_xen_engine engine)
{
	struct test_machine t;

	create(&t, guest, cmdline, vcpus, version, engine);
	test_machine_run(&t, NULL, true);
	vm_stop(t.vm);
	machine_flush(t.machine);
	finish(&t, guest, cmdline, version, engine);
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
	run("xen/info", rounds("storm"), 2);
}
END_TEST

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
	const char *cmdline = rounds("outside");
	struct outside outside = { 0 };
	struct test_machine t;

	create(&t, "xen/info", cmdline, 1, version, engine);
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
	finish(&t, "xen/info", cmdline, version, engine);
}

/* On the kernel's engine by irqfds, whenever KVM delivers. */
START_TEST(test_no_event_from_outside_is_lost_while_vcpu_info_moves)
{
	run_outside(versions[0], MACHINE_XEN_PORTABLE);
	if (has_kernel_engine())
		run_outside(versions[1], MACHINE_XEN_KERNEL);
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

	create(&t, "xen/pirqs", "", 1, versions[0], engine);
	ck_assert_int_eq(irq_msi_init(&sender.msi, t.vm, 0), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, send_message, &sender), 0);
	test_machine_run(&t, NULL, true);
	vm_stop(t.vm);
	machine_flush(t.machine);
	pthread_join(thread, NULL);
	irq_msi_finish(&sender.msi);
	finish(&t, "xen/pirqs", "", versions[0], engine);
}

START_TEST(test_lines_and_messages_of_devices_are_events)
{
	run_pirqs(MACHINE_XEN_PORTABLE);
	if (has_kernel_engine())
		run_pirqs(MACHINE_XEN_KERNEL);
}
END_TEST

START_TEST(test_no_timer_is_lost_while_vcpu_info_moves)
{
	run("xen/info", rounds("timer"), 1);
}
END_TEST

START_TEST(test_an_upcall_comes_by_the_vcpus_vector)
{
	run("xen/upcalls", "test=own", 1);
}
END_TEST

START_TEST(test_an_upcall_that_a_lapic_was_off_for_comes_when_it_is_on)
{
	run("xen/upcalls", "test=late", 1);
}
END_TEST

START_TEST(test_an_upcall_comes_by_the_domains_vector_which_nobody_acknowledges)
{
	run("xen/upcalls", "test=domain", 1);
}
END_TEST

START_TEST(test_an_upcall_comes_by_a_gsi_that_stays_up)
{
	run("xen/upcalls", "test=gsi", 1);
}
END_TEST

START_TEST(test_an_upcall_comes_by_the_platform_devices_intx)
{
	run("xen/upcalls", "test=intx", 1);
}
END_TEST

START_TEST(test_the_platform_device_unplugs_and_its_logs_are_the_console)
{
	struct test_machine t;

	create(&t, "xen/platform", "", 1, versions[0], MACHINE_XEN_PORTABLE);
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
		run("xen/user", "", 1);
}
END_TEST

/* guest/xen/steps.c has the list. */
START_TEST(test_the_steps_of_kvms_own_tests_have_counterparts)
{
	static const char *const one[] = { "test=inline", "test=moves", "test=masked", "test=loop",
					   "test=clock" };
	static const char *const two[] = { "test=update", "test=wake", "test=race" };

	for (size_t i = 0; i < ARRAY_SIZE(one); i++)
		run("xen/steps", one[i], 1);
	for (size_t i = 0; i < ARRAY_SIZE(two); i++)
		run("xen/steps", two[i], 2);
}
END_TEST

/* Exits of both vCPUs while they run so many rounds, and all else. */
static uint64_t exits_of(unsigned count, enum machine_xen_engine engine)
{
	struct test_machine t;
	uint64_t exits = 0;
	char cmdline[64];

	snprintf(cmdline, sizeof(cmdline), "test=ipi rounds=%u", count);
	create(&t, "xen/upcalls", cmdline, 2, versions[0], engine);
	test_machine_run(&t, NULL, true);
	vm_stop(t.vm);
	machine_flush(t.machine);
	for (uint32_t i = 0; i < t.vm->vcpu_count; i++) {
		struct vcpu_time_reading reading;

		vcpu_time_read(&t.vm->vcpus[i].time, &reading);
		for (size_t reason = 0; reason < VCPU_EXIT_REASONS; reason++)
			exits += reading.exits[reason];
	}
	finish(&t, "xen/upcalls", cmdline, versions[0], engine);
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
	run("xen/vcpus", "test=initialise", 33);
}
END_TEST

START_TEST(test_a_domain_says_and_asks_of_itself_what_xen_allows)
{
	run("xen/vcpus", "test=params", 1);
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

	create(&t, "xen/state", "calls=1", 2, versions[0], engine);
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
	       test_no_timer_is_lost_while_vcpu_info_moves,
	       test_no_event_from_outside_is_lost_while_vcpu_info_moves,
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
