/* SPDX-License-Identifier: Apache-2.0 */
/* A VM's life on the host's own KVM: start, pause, resume, end; and what a pause leaves behind. */
#include "machine/machine_for_test.h"

#include <ferry/bus.h>
#include <pthread.h>
#include <stdatomic.h>

#include "vm/vm.h"

#define PORT_VALUE   0x1000
#define PORT_ADDRESS 0x1004
#define PAUSES       200

static struct test_machine t;

/* What the guest was served; only its vCPU's thread writes here, a paused guest's is at rest. */
static struct {
	uint32_t instruction;
	uint32_t last;
	_Atomic(uint64_t) served;
} port;

static void port_read(void *self, uint64_t offset, void *data, unsigned len)
{
	(void)self;
	(void)offset;
	port.last = (uint32_t)atomic_fetch_add(&port.served, 1);
	memcpy(data, &port.last, len);
}

static void port_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	(void)self;
	if (offset == PORT_ADDRESS - PORT_VALUE)
		memcpy(&port.instruction, data, len);
}

static const struct bus_ops port_ops = { .read = port_read, .write = port_write };

static void make_counter(const char *how)
{
	memset(&port, 0, sizeof(port));
	test_machine_create(&t, "basic/count", how, 1);
	ck_assert_int_eq(bus_add(vm_pio(t.vm), "test", PORT_VALUE, 8, &port_ops, NULL), 0);
}

static void start_counting(const char *how)
{
	make_counter(how);
	ck_assert_int_eq(vm_start(t.vm), 0);
}

/* Lets the guest get on by at least a few exits; bounded by the test's own time limit. */
static void let_it_run(void)
{
	uint64_t seen = atomic_load(&port.served);

	while (atomic_load(&port.served) < seen + 3)
		sched_yield();
}

START_TEST(test_pause_finds_the_last_exit_retired)
{
	unsigned behind = 0;

	start_counting("in");
	for (int i = 0; i < PAUSES; i++) {
		let_it_run();
		vm_pause(t.vm);
		if (test_register(&t, "vcpu.rip") == port.instruction) {
			ck_assert_uint_eq(test_register(&t, "vcpu.rbx"), port.served);
		} else if (test_register(&t, "vcpu.rip") == port.instruction + 1) {
			ck_assert_uint_eq(test_register(&t, "vcpu.rbx") + 1, port.served);
			ck_assert_uint_eq(test_register(&t, "vcpu.rax"), port.last);
			behind++;
		}
		vm_resume(t.vm);
	}
	ck_assert_uint_gt(behind, 0);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_pause_in_a_string_instruction_loses_and_doubles_nothing)
{
	start_counting("string");
	for (int i = 0; i < PAUSES; i++) {
		let_it_run();
		vm_pause(t.vm);
		if (test_register(&t, "vcpu.rip") == port.instruction)
			ck_assert_uint_eq((4096 - test_register(&t, "vcpu.rcx")) & 4095, port.served & 4095);
		vm_resume(t.vm);
	}
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_paused_guest_does_not_move)
{
	uint64_t count;

	start_counting("in");
	let_it_run();
	vm_pause(t.vm);
	vm_pause(t.vm);
	ck_assert(vm_is_paused(t.vm));
	count = port.served;
	vm_resume(t.vm);
	ck_assert(vm_is_paused(t.vm));
	ck_assert_uint_eq(port.served, count);
	vm_resume(t.vm);
	ck_assert(!vm_is_paused(t.vm));
	let_it_run();
	test_machine_finish(&t);
}
END_TEST

static const struct {
	const char *how;
	enum vm_end end;
} ends[] = {
	{ "poweroff", VM_END_POWEROFF },
	{ "reset", VM_END_RESET },
	{ "panic", VM_END_PANIC },
	{ "fault", VM_END_RESET },
};

START_TEST(test_each_way_to_end_is_told_apart)
{
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		test_machine_create(&t, "basic/end", ends[i].how, 1);
		test_machine_run(&t, NULL, true);
		ck_assert_int_eq(vm_ended(t.vm), ends[i].end);
		test_machine_finish(&t);
	}
}
END_TEST

START_TEST(test_first_reason_to_end_counts)
{
	test_machine_create(&t, "basic/end", "spin", 1);
	ck_assert_int_eq(vm_start(t.vm), 0);
	vm_end(t.vm, VM_END_STOPPED, "first");
	vm_end(t.vm, VM_END_CRASH, "second");
	ck_assert_int_eq(vm_wait(t.vm), 0);
	ck_assert_int_eq(vm_ended(t.vm), VM_END_STOPPED);
	ck_assert_str_eq(vm_end_text(t.vm), "first");
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_a_paused_vm_can_be_destroyed)
{
	start_counting("in");
	let_it_run();
	vm_pause(t.vm);
	test_machine_finish(&t);
}
END_TEST

static void wait_until_parked(void)
{
	bool parked;

	do {
		sched_yield();
		pthread_mutex_lock(&t.vm->lock);
		parked = t.vm->parked == t.vm->threads;
		pthread_mutex_unlock(&t.vm->lock);
		ck_assert_uint_eq(atomic_load(&port.served), 0);
	} while (!parked);
}

/* A pause is over when every thread that there is has come to rest: they wait, and have run nothing. */
START_TEST(test_threads_that_are_made_early_wait_for_the_start)
{
	uint64_t entry;

	make_counter("in");
	ck_assert_int_eq(vm_make_threads(t.vm), 0);
	wait_until_parked();
	vm_pause(t.vm);
	entry = test_register(&t, "vcpu.rip");
	vm_resume(t.vm);
	vm_pause(t.vm);
	ck_assert_uint_eq(test_register(&t, "vcpu.rip"), entry);
	ck_assert_uint_eq(port.served, 0);
	ck_assert_int_eq(vm_start(t.vm), 0);
	ck_assert_uint_eq(port.served, 0);
	vm_resume(t.vm);
	let_it_run();
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_threads_that_never_started_end)
{
	make_counter("in");
	ck_assert_int_eq(vm_make_threads(t.vm), 0);
	vm_end(t.vm, VM_END_STOPPED, NULL);
	vm_pause(t.vm);
	vm_resume(t.vm);
	ck_assert_int_eq(vm_start(t.vm), 0);
	ck_assert_int_eq(vm_wait(t.vm), 0);
	test_machine_finish(&t);
	ck_assert_uint_eq(port.served, 0);
	make_counter("in");
	ck_assert_int_eq(vm_make_threads(t.vm), 0);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_two_vms_live_in_one_process)
{
	struct test_machine other;

	test_machine_create(&t, "basic/hello", "", 1);
	test_machine_create(&other, "basic/end", "reset", 2);
	test_machine_run(&t, NULL, true);
	test_machine_run(&other, NULL, true);
	ck_assert_int_eq(vm_ended(t.vm), VM_END_POWEROFF);
	ck_assert_int_eq(vm_ended(other.vm), VM_END_RESET);
	test_machine_finish(&t);
	test_machine_finish(&other);
}
END_TEST

START_TEST(test_apic_ids_above_255_are_reached)
{
	test_machine_create(&t, "basic/smp", "260", 260);
	test_machine_run(&t, NULL, true);
	ck_assert_ptr_nonnull(strstr(t.console, "all 260 CPUs run"));
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_wrong_numbers_of_vcpus_are_refused)
{
	struct machine_options options = { .kernel = GUEST_DIR "/basic/hello", .memory = 16 * MIB };
	struct machine *machine = NULL;

	ck_assert_int_eq(machine_create(&options, &machine), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error_text(-EINVAL), "vCPUs"));
	options.vm.vcpus = 1000000;
	ck_assert_int_eq(machine_create(&options, &machine), -EINVAL);
	ck_assert_ptr_null(machine);
}
END_TEST

static atomic_int traced;

static void trace(void *self, const char *name, long arg, int result)
{
	(void)arg;
	ck_assert_ptr_eq(self, &traced);
	if (strcmp(name, "KVM_RUN") == 0 && result >= 0)
		atomic_fetch_add(&traced, 1);
}

START_TEST(test_trace_sees_every_ioctl_of_its_vm)
{
	test_machine_create_with(&t, (struct machine_options){
		.kernel = GUEST_DIR "/basic/hello", .vm.vcpus = 1,
		.vm.trace_kvm = trace, .vm.trace_self = &traced });
	test_machine_run(&t, NULL, true);
	ck_assert_int_gt(atomic_load(&traced), 10);
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("vm", test_pause_finds_the_last_exit_retired,
	       test_pause_in_a_string_instruction_loses_and_doubles_nothing,
	       test_paused_guest_does_not_move,
	       test_each_way_to_end_is_told_apart, test_first_reason_to_end_counts,
	       test_a_paused_vm_can_be_destroyed, test_threads_that_are_made_early_wait_for_the_start,
	       test_threads_that_never_started_end, test_two_vms_live_in_one_process,
	       test_apic_ids_above_255_are_reached, test_wrong_numbers_of_vcpus_are_refused,
	       test_trace_sees_every_ioctl_of_its_vm)
