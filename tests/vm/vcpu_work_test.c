/* SPDX-License-Identifier: Apache-2.0 */
/* Work on vCPUs' threads, and vCPUs that wait outside the guest. */
#include "machine/machine_for_test.h"

#include <stdatomic.h>

#include <ferry/bus.h>

#include "vm/vm.h"

#define PORT_VALUE   0x1000
#define ROUNDS	     50

static struct test_machine t;
static atomic_ulong served;
static atomic_int worked, wrong_thread;
static atomic_bool block_next;

static void port_read(void *self, uint64_t offset, void *data, unsigned len)
{
	uint32_t value = (uint32_t)atomic_fetch_add(&served, 1);

	(void)self, (void)offset;
	memcpy(data, &value, len);
	if (atomic_exchange(&block_next, false))
		vcpu_block(vcpu_current());
}

static void port_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	(void)self, (void)offset, (void)data, (void)len;
}

static void work(void *self, struct vcpu *vcpu)
{
	if (self != &t || vcpu != vcpu_current())
		atomic_fetch_add(&wrong_thread, 1);
	atomic_fetch_add(&worked, 1);
}

static void start_counting(void)
{
	static const struct bus_ops ops = { .read = port_read, .write = port_write };

	atomic_store(&served, 0);
	atomic_store(&worked, 0);
	test_machine_create(&t, "basic/count", "in", 1);
	ck_assert_int_eq(vm_work_add(t.vm, work, &t), 0);
	ck_assert_int_eq(bus_add(vm_pio(t.vm), "test", PORT_VALUE, 8, &ops, NULL), 0);
	ck_assert_int_eq(vm_start(t.vm), 0);
}

static void let_it_run(void)
{
	unsigned long seen = atomic_load(&served);

	while (atomic_load(&served) < seen + 3)
		sched_yield();
}

static bool is_suspended(void)
{
	return atomic_load(&t.vm->vcpus[0].time.class) == VCPU_TIME_SUSPENDED;
}

/* Until the guest's next read, in which it is blocked; then the count of reads stands still. */
static void wait_blocked(void)
{
	atomic_store(&block_next, true);
	while (atomic_load(&block_next) || !is_suspended())
		sched_yield();
}

START_TEST(test_work_is_done_on_the_vcpus_own_thread_each_time_it_is_asked)
{
	start_counting();
	for (int i = 0; i < ROUNDS; i++) {
		vcpu_request(&t.vm->vcpus[0], VCPU_REQUEST_WORK);
		while (atomic_load(&worked) <= i)
			sched_yield();
	}
	ck_assert_int_eq(atomic_load(&wrong_thread), 0);
	let_it_run();
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_a_blocked_vcpu_stays_out_of_the_guest_until_it_is_released)
{
	unsigned long seen;

	start_counting();
	for (int i = 0; i < ROUNDS; i++) {
		let_it_run();
		wait_blocked();
		seen = atomic_load(&served);
		vcpu_request(&t.vm->vcpus[0], VCPU_REQUEST_WORK);
		while (atomic_load(&worked) <= i)
			sched_yield();
		ck_assert_uint_eq(atomic_load(&served), seen);
		vcpu_unblock(&t.vm->vcpus[0]);
	}
	let_it_run();
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_a_blocked_vcpu_takes_pause_and_resume_and_stays_blocked)
{
	unsigned long seen;

	start_counting();
	wait_blocked();
	seen = atomic_load(&served);
	vm_pause(t.vm);
	vcpu_request(&t.vm->vcpus[0], VCPU_REQUEST_WORK);
	vm_resume(t.vm);
	while (!atomic_load(&worked) || !is_suspended())
		sched_yield();
	ck_assert_uint_eq(atomic_load(&served), seen);
	vcpu_unblock(&t.vm->vcpus[0]);
	let_it_run();
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_a_vm_with_a_blocked_vcpu_stops)
{
	start_counting();
	wait_blocked();
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_there_is_room_for_so_much_work_and_no_more)
{
	test_machine_create(&t, "basic/hello", "", 1);
	for (int i = 0; i < VM_WORKS; i++)
		ck_assert_int_eq(vm_work_add(t.vm, work, &t), 0);
	ck_assert_int_eq(vm_work_add(t.vm, work, &t), -ENOSPC);
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("vcpu_work", test_work_is_done_on_the_vcpus_own_thread_each_time_it_is_asked,
	       test_a_blocked_vcpu_stays_out_of_the_guest_until_it_is_released,
	       test_a_blocked_vcpu_takes_pause_and_resume_and_stays_blocked,
	       test_a_vm_with_a_blocked_vcpu_stops,
	       test_there_is_room_for_so_much_work_and_no_more)
