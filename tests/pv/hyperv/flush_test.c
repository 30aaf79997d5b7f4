/* SPDX-License-Identifier: Apache-2.0 */
/* The inhibit of TLB flushes, line by line of its contract. */
#include "pv/hyperv/hyperv_fixture.h"

#include <abi/hyperv.h>

#include "kvm/kvm_x86.h"
#include "machine/image.h"

#define ROUNDS 20
#define FORMS  8 /* enum hyperv_form of guest/lib/hyperv.h, but those by XMM registers */

static struct test_machine t;
static struct flush_counts counts;

static void start(const char *cmdline, uint32_t vcpus)
{
	memset(&counts, 0, sizeof(counts));
	hyperv_machine_create(&t, "flush", cmdline, vcpus, "");
	flush_count(&t, &counts);
	ck_assert_int_eq(vm_start(t.vm), 0);
}

static void finish(void)
{
	ck_assert_uint_eq(atomic_load(&counts.failed), 0);
	test_machine_finish(&t);
}

/* The vCPU waits for that other, and goes on waiting: nothing is seen done. */
static void check_waits(uint32_t vcpu, uint32_t whom)
{
	unsigned long done;

	hyperv_await_wait(&t, vcpu, whom);
	done = atomic_load(&counts.done[vcpu]);
	for (int i = 0; i < 100; i++)
		sched_yield();
	ck_assert_uint_eq(atomic_load(&counts.done[vcpu]), done);
	ck_assert_uint_eq(atomic_load(&counts.begun[vcpu]), done + 1);
}

START_TEST(test_every_form_of_flush_waits_until_the_inhibit_ends)
{
	char cmdline[64];

	for (unsigned form = 0; form < FORMS; form++) {
		snprintf(cmdline, sizeof(cmdline), "cpus=2 flushers=1 targets=2 form=%u", form);
		start(cmdline, 2);
		flush_await(&t, &counts, 0, 3);
		for (int i = 0; i < 3; i++) {
			hyperv_inhibit(&t, 1, true);
			check_waits(0, 1);
			hyperv_inhibit(&t, 1, false);
			flush_await(&t, &counts, 0, 2);
			ck_assert(!hyperv_state(&t, 1).is_inhibited);
		}
		finish();
	}
}
END_TEST

START_TEST(test_several_flushers_wait_for_one_and_all_go_on)
{
	start("cpus=3 flushers=5 targets=2", 3);
	flush_await(&t, &counts, 0, 2);
	flush_await(&t, &counts, 2, 2);
	for (int i = 0; i < ROUNDS; i++) {
		hyperv_inhibit(&t, 1, true);
		check_waits(0, 1);
		check_waits(2, 1);
		hyperv_inhibit(&t, 1, false);
		flush_await(&t, &counts, 0, 2);
		flush_await(&t, &counts, 2, 2);
	}
	finish();
}
END_TEST

START_TEST(test_a_flusher_waits_until_the_last_of_several_is_released)
{
	start("cpus=3 flushers=1 targets=6", 3);
	for (int i = 0; i < ROUNDS; i++) {
		hyperv_inhibit(&t, 1, true);
		hyperv_inhibit(&t, 2, true);
		check_waits(0, 1);
		hyperv_inhibit(&t, 1, false);
		check_waits(0, 2);
		hyperv_inhibit(&t, 2, false);
		flush_await(&t, &counts, 0, 2);
	}
	finish();
}
END_TEST

START_TEST(test_who_flushes_others_does_not_wait)
{
	start("cpus=3 flushers=1 targets=2", 3);
	hyperv_inhibit(&t, 2, true);
	flush_await(&t, &counts, 0, 5);
	ck_assert(!hyperv_state(&t, 0).waits);
	finish();
}
END_TEST

START_TEST(test_a_caller_never_waits_for_itself)
{
	start("cpus=2 flushers=1 targets=1", 2);
	hyperv_inhibit(&t, 0, true);
	flush_await(&t, &counts, 0, 5);
	finish();
	start("cpus=2 flushers=1 targets=3", 2);
	hyperv_inhibit(&t, 0, true);
	flush_await(&t, &counts, 0, 5);
	hyperv_inhibit(&t, 1, true);
	check_waits(0, 1);
	finish();
}
END_TEST

START_TEST(test_once_inhibited_nothing_more_is_seen_done)
{
	start("cpus=2 flushers=1 targets=2", 2);
	for (int i = 0; i < ROUNDS * 10; i++) {
		unsigned long done;

		hyperv_inhibit(&t, 1, true);
		/* One that was done when this began may be on its way to be told. */
		hyperv_await_wait(&t, 0, 1);
		done = atomic_load(&counts.done[0]);
		ck_assert_uint_eq(atomic_load(&counts.begun[0]), done + 1);
		hyperv_inhibit(&t, 1, false);
		flush_await(&t, &counts, 0, 1);
	}
	finish();
}
END_TEST

START_TEST(test_two_that_flush_each_other_do_not_get_stuck)
{
	start("cpus=2 flushers=3 targets=3", 2);
	for (int i = 0; i < ROUNDS; i++) {
		flush_await(&t, &counts, 0, 5);
		flush_await(&t, &counts, 1, 5);
	}
	finish();
}
END_TEST

START_TEST(test_a_circle_is_shown_and_can_be_stopped)
{
	start("cpus=2 flushers=3 targets=3", 2);
	flush_await(&t, &counts, 0, 1);
	hyperv_inhibit(&t, 0, true);
	hyperv_inhibit(&t, 1, true);
	hyperv_await_wait(&t, 0, 1);
	hyperv_await_wait(&t, 1, 0);
	finish();
}
END_TEST

START_TEST(test_who_waits_uses_no_time_of_a_cpu)
{
	struct timespec before, after;
	clockid_t clock;

	start("cpus=2 flushers=1 targets=2", 2);
	hyperv_inhibit(&t, 1, true);
	hyperv_await_wait(&t, 0, 1);
	while (atomic_load(&t.vm->vcpus[0].time.class) != VCPU_TIME_SUSPENDED &&
	       !hyperv_waits_in_kvm(&t))
		sched_yield();
	ck_assert_int_eq(pthread_getcpuclockid(t.vm->vcpus[0].thread, &clock), 0);
	clock_gettime(clock, &before);
	usleep(200000);
	clock_gettime(clock, &after);
	ck_assert_int_eq(after.tv_sec, before.tv_sec);
	ck_assert_int_lt(after.tv_nsec - before.tv_nsec, 1000000);
	finish();
}
END_TEST

START_TEST(test_who_waits_takes_pause_and_waits_on)
{
	start("cpus=2 flushers=1 targets=2", 2);
	hyperv_inhibit(&t, 1, true);
	hyperv_await_wait(&t, 0, 1);
	for (int i = 0; i < ROUNDS; i++) {
		vm_pause(t.vm);
		vm_resume(t.vm);
	}
	check_waits(0, 1);
	vm_pause(t.vm);
	hyperv_inhibit(&t, 1, false);
	ck_assert(!hyperv_state(&t, 0).waits);
	vm_resume(t.vm);
	flush_await(&t, &counts, 0, 2);
	finish();
}
END_TEST

/* SDM 3, 11.11: what an MSI does besides interrupting. */
#define MSI_NMI	 (4U << 8)
#define MSI_INIT (5U << 8)

static void send(uint32_t vcpu, uint32_t data)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000U | vcpu << 12, .data = data };

	ck_assert_int_ge(kvm_signal_msi(t.vm->fd, &msi), 0);
}

START_TEST(test_who_waits_takes_an_nmi_and_waits_on)
{
	start("cpus=2 flushers=1 targets=2", 2);
	hyperv_inhibit(&t, 1, true);
	for (unsigned long i = 0; i < 3; i++) {
		hyperv_await_wait(&t, 0, 1);
		send(0, MSI_NMI);
		while (atomic_load(&counts.nmis[0]) == i)
			hyperv_wait_on(&t);
	}
	check_waits(0, 1);
	hyperv_inhibit(&t, 1, false);
	flush_await(&t, &counts, 0, 2);
	finish();
}
END_TEST

/* The first flushes itself, which shows that it will not start the other one any more. */
START_TEST(test_who_waits_takes_an_init)
{
	struct kvm_mp_state state = { 0 };

	start("cpus=2 flushers=3 targets=1", 2);
	flush_await(&t, &counts, 0, 1);
	hyperv_inhibit(&t, 0, true);
	check_waits(1, 0);
	send(1, MSI_INIT);
	while (hyperv_state(&t, 1).waits)
		hyperv_wait_on(&t);
	vm_pause(t.vm);
	ck_assert_int_eq(kvm_get_mp_state(t.vm->vcpus[1].fd, &state), 0);
	ck_assert_uint_eq(state.mp_state, KVM_MP_STATE_INIT_RECEIVED);
	vm_resume(t.vm);
	finish();
}
END_TEST

/* A flush of that mask, as the guest has written it down at the beginning of a page. */
static gpa_t find_input(uint64_t mask)
{
	const uint64_t wanted[] = { 0, HV_FLUSH_ALL_SPACES, mask };

	for (gpa_t at = MIB; at < 16 * MIB; at += HV_PAGE_SIZE)
		if (memcmp(mem_ptr(vm_mem(t.vm), at, sizeof(wanted)), wanted, sizeof(wanted)) == 0)
			return at;
	ck_abort_msg("the guest has no such hypercall");
}

/* What it asked for has changed while it waited: it waits for somebody else then. */
START_TEST(test_who_is_released_reads_its_input_again)
{
	uint64_t other = 4;
	gpa_t at;

	start("cpus=3 flushers=1 targets=2", 3);
	flush_await(&t, &counts, 0, 1);
	hyperv_inhibit(&t, 1, true);
	hyperv_inhibit(&t, 2, true);
	check_waits(0, 1);
	at = find_input(2) + offsetof(struct hv_flush, processor_mask);
	ck_assert_int_eq(mem_write(vm_mem(t.vm), at, &other, sizeof(other)), 0);
	hyperv_inhibit(&t, 1, false);
	check_waits(0, 2);
	hyperv_inhibit(&t, 2, false);
	flush_await(&t, &counts, 0, 2);
	finish();
}
END_TEST

/* Saved while it waits, it waits in another machine, and is released there. */
START_TEST(test_waiting_and_inhibits_are_registers)
{
	struct flush_counts moved = { 0 };
	struct test_machine other;
	struct image first, second;

	start("cpus=2 flushers=1 targets=2", 2);
	hyperv_inhibit(&t, 1, true);
	check_waits(0, 1);
	vm_pause(t.vm);
	image_save(vm_regs(t.vm), &first);
	hyperv_machine_create(&other, "flush", "cpus=2 flushers=1 targets=2", 2, "");
	flush_count(&other, &moved);
	memcpy(mem_ptr_rw(vm_mem(other.vm), 0, 16 * MIB), mem_ptr(vm_mem(t.vm), 0, 16 * MIB),
	       16 * MIB);
	image_restore(vm_regs(other.vm), &first);
	image_save(vm_regs(other.vm), &second);
	image_compare(vm_regs(other.vm), &first, &second);
	ck_assert_int_eq(vm_start(other.vm), 0);
	ck_assert(hyperv_state(&other, 1).is_inhibited);
	hyperv_await_wait(&other, 0, 1);
	ck_assert_uint_eq(atomic_load(&moved.begun[0]), 0);
	hyperv_inhibit(&other, 1, false);
	flush_await(&other, &moved, 0, 3);
	ck_assert_uint_eq(atomic_load(&moved.failed), 0);
	image_finish(&first);
	image_finish(&second);
	test_machine_finish(&other);
	vm_resume(t.vm);
	finish();
}
END_TEST

/*
 * A stream that says that somebody waits for one who is not inhibited does not stop him for good.
 */
START_TEST(test_who_waits_for_nobody_goes_on)
{
	uint64_t waits = 1 | 1ULL << 32, nobody = 1 | 7ULL << 32, other = 3;
	const struct reg_key key = { 0, REG_ID(REG_BANK_HYPERV_VP, 0, 3, 3) };

	start("cpus=2 flushers=1 targets=2", 2);
	vm_pause(t.vm);
	ck_assert_int_eq(reg_file_set(vm_regs(t.vm), key, &waits), 0);
	ck_assert_int_eq(reg_file_set(vm_regs(t.vm), key, &nobody), -EINVAL);
	ck_assert_int_eq(reg_file_set(vm_regs(t.vm), key, &other), -EINVAL);
	vm_resume(t.vm);
	flush_await(&t, &counts, 0, 3);
	finish();
}
END_TEST

/* It cannot be put in front of an instruction that is not known: it is denied instead. */
START_TEST(test_who_goes_past_the_page_flushes_nobody_who_is_inhibited)
{
	unsigned long done;

	start("cpus=2 flushers=1 targets=2 own=1", 2);
	flush_await(&t, &counts, 0, 3);
	hyperv_inhibit(&t, 1, true);
	while (atomic_load(&counts.failed) < 2)
		hyperv_wait_on(&t);
	done = atomic_load(&counts.done[0]);
	while (atomic_load(&counts.failed) < 5)
		hyperv_wait_on(&t);
	ck_assert_uint_eq(atomic_load(&counts.done[0]), done);
	hyperv_inhibit(&t, 1, false);
	flush_await(&t, &counts, 0, 3);
	test_machine_finish(&t);
}
END_TEST

START_TEST(test_there_is_nothing_to_inhibit_elsewhere)
{
	struct machine_hyperv_vcpu state;

	start("cpus=2 flushers=1 targets=2", 2);
	ck_assert_int_eq(machine_hyperv_inhibit(t.machine, 2, true), -ENOENT);
	ck_assert_int_eq(machine_hyperv_vcpu(t.machine, 2, &state), -ENOENT);
	finish();
	test_machine_create(&t, "basic/hello", "", 1);
	ck_assert_int_eq(machine_hyperv_inhibit(t.machine, 0, true), -ENODEV);
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("flush", test_every_form_of_flush_waits_until_the_inhibit_ends,
	       test_several_flushers_wait_for_one_and_all_go_on,
	       test_a_flusher_waits_until_the_last_of_several_is_released,
	       test_who_is_released_reads_its_input_again,
	       test_who_flushes_others_does_not_wait, test_a_caller_never_waits_for_itself,
	       test_once_inhibited_nothing_more_is_seen_done,
	       test_two_that_flush_each_other_do_not_get_stuck,
	       test_a_circle_is_shown_and_can_be_stopped,
	       test_who_waits_uses_no_time_of_a_cpu, test_who_waits_takes_pause_and_waits_on,
	       test_who_waits_takes_an_nmi_and_waits_on, test_who_waits_takes_an_init,
	       test_waiting_and_inhibits_are_registers, test_who_waits_for_nobody_goes_on,
	       test_who_goes_past_the_page_flushes_nobody_who_is_inhibited,
	       test_there_is_nothing_to_inhibit_elsewhere)
