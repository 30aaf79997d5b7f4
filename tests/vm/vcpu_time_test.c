/* SPDX-License-Identifier: Apache-2.0 */
/* A vCPU's time: every tick is in one class, whoever reads it and when. */
#include "vm/vcpu_time.h"

#include <pthread.h>
#include <string.h>

#include "check_main.h"
#include "kvm/uapi.h"

#define ROUNDS 200000

static struct vcpu_time vcpu_time;

static void begin(void)
{
	memset(&vcpu_time, 0, sizeof(vcpu_time));
	vcpu_time_init(&vcpu_time);
	vcpu_time_begin(&vcpu_time);
}

static void spend(uint64_t ticks)
{
	uint64_t end = arch_ticks() + ticks;

	while (arch_ticks() < end)
		;
}

static uint64_t sum_of(const struct vcpu_time_reading *reading)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < VCPU_TIMES; i++)
		sum += reading->ticks[i];
	return sum;
}

START_TEST(test_time_goes_to_the_class_of_the_exit)
{
	static const struct {
		uint32_t reason;
		enum vcpu_time_class class;
	} cases[] = {
		{ KVM_EXIT_IO, VCPU_TIME_PIO },		{ KVM_EXIT_MMIO, VCPU_TIME_MMIO },
		{ KVM_EXIT_X86_RDMSR, VCPU_TIME_CALL }, { KVM_EXIT_HYPERCALL, VCPU_TIME_CALL },
		{ KVM_EXIT_INTR, VCPU_TIME_OTHER },	{ 1000, VCPU_TIME_OTHER },
	};
	struct vcpu_time_reading before, after;

	begin();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		vcpu_time_enter(&vcpu_time);
		vcpu_time_leave(&vcpu_time, cases[i].reason);
		vcpu_time_read(&vcpu_time, &before);
		spend(1000000);
		vcpu_time_read(&vcpu_time, &after);
		for (unsigned c = 0; c < VCPU_TIMES; c++) {
			if (c == cases[i].class)
				ck_assert_uint_ge(after.ticks[c] - before.ticks[c], 1000000);
			else
				ck_assert_uint_eq(after.ticks[c], before.ticks[c]);
		}
	}
}
END_TEST

START_TEST(test_time_in_the_guest_is_seen_while_it_runs)
{
	struct vcpu_time_reading before, after;

	begin();
	vcpu_time_enter(&vcpu_time);
	vcpu_time_read(&vcpu_time, &before);
	spend(1000000);
	vcpu_time_read(&vcpu_time, &after);
	ck_assert_uint_ge(after.ticks[VCPU_TIME_RUN] - before.ticks[VCPU_TIME_RUN], 1000000);
}
END_TEST

START_TEST(test_exits_are_counted_by_reason)
{
	struct vcpu_time_reading reading;

	begin();
	for (unsigned i = 0; i < 7; i++) {
		vcpu_time_enter(&vcpu_time);
		vcpu_time_leave(&vcpu_time, i < 4 ? KVM_EXIT_IO : i < 6 ? KVM_EXIT_HLT : 12345);
	}
	vcpu_time_read(&vcpu_time, &reading);
	ck_assert_uint_eq(reading.exits[KVM_EXIT_IO], 4);
	ck_assert_uint_eq(reading.exits[KVM_EXIT_HLT], 2);
	ck_assert_uint_eq(reading.exits[VCPU_EXIT_REASONS - 1], 1);
}
END_TEST

START_TEST(test_no_time_passes_before_and_after_the_thread)
{
	struct vcpu_time_reading before, after;

	memset(&vcpu_time, 0, sizeof(vcpu_time));
	vcpu_time_init(&vcpu_time);
	spend(100000);
	vcpu_time_read(&vcpu_time, &before);
	ck_assert_uint_eq(sum_of(&before), 0);
	vcpu_time_begin(&vcpu_time);
	spend(100000);
	vcpu_time_end(&vcpu_time);
	vcpu_time_read(&vcpu_time, &before);
	spend(100000);
	vcpu_time_read(&vcpu_time, &after);
	ck_assert_uint_ge(sum_of(&before), 100000);
	ck_assert_uint_eq(sum_of(&after), sum_of(&before));
}
END_TEST

START_TEST(test_a_counter_that_goes_back_loses_no_balance)
{
	begin();
	vcpu_time_enter(&vcpu_time);
	/* As if the last switch had been on a CPU whose counter is far ahead. */
	atomic_fetch_add(&vcpu_time.ticks[VCPU_TIME_OTHER], 1ULL << 40);
	atomic_fetch_add(&vcpu_time.since, 1ULL << 40);
	ck_assert(vcpu_time_is_balanced(&vcpu_time));
	vcpu_time_leave(&vcpu_time, KVM_EXIT_IO);
	ck_assert(vcpu_time_is_balanced(&vcpu_time));
	atomic_fetch_add(&vcpu_time.ticks[VCPU_TIME_MMIO], 1);
	ck_assert(!vcpu_time_is_balanced(&vcpu_time));
}
END_TEST

static void *switch_often(void *arg)
{
	atomic_bool *done = arg;

	vcpu_time_begin(&vcpu_time);
	for (int i = 0; i < ROUNDS; i++) {
		vcpu_time_enter(&vcpu_time);
		vcpu_time_leave(&vcpu_time, i % 2 ? KVM_EXIT_IO : KVM_EXIT_MMIO);
	}
	vcpu_time_end(&vcpu_time);
	atomic_store(done, true);
	return NULL;
}

/* What is read lies between the reader's own looks at the counter before and after. */
START_TEST(test_readings_taken_meanwhile_are_whole)
{
	struct vcpu_time_reading reading;
	atomic_bool done = false;
	uint64_t last = 0, before, began;
	pthread_t thread;

	memset(&vcpu_time, 0, sizeof(vcpu_time));
	vcpu_time_init(&vcpu_time);
	ck_assert_int_eq(pthread_create(&thread, NULL, switch_often, &done), 0);
	while (!atomic_load(&done)) {
		before = arch_ticks();
		vcpu_time_read(&vcpu_time, &reading);
		began = atomic_load(&vcpu_time.began);
		ck_assert_uint_ge(sum_of(&reading), last);
		last = sum_of(&reading);
		if (last && !atomic_load(&done))
			ck_assert_uint_ge(began + last, before);
		if (last)
			ck_assert_uint_le(began + last, arch_ticks());
	}
	pthread_join(thread, NULL);
	vcpu_time_read(&vcpu_time, &reading);
	ck_assert_uint_eq(reading.exits[KVM_EXIT_IO] + reading.exits[KVM_EXIT_MMIO], ROUNDS);
}
END_TEST

START_TEST(test_every_class_and_known_reason_has_a_name)
{
	for (unsigned i = 0; i < VCPU_TIMES; i++)
		ck_assert_ptr_nonnull(vcpu_time_name(i));
	ck_assert_str_eq(vcpu_exit_name(KVM_EXIT_IO), "io");
	ck_assert_str_eq(vcpu_exit_name(VCPU_EXIT_REASONS - 1), "newer");
	ck_assert_ptr_null(vcpu_exit_name(VCPU_EXIT_REASONS));
}
END_TEST

CHECK_MAIN("vcpu_time", test_time_goes_to_the_class_of_the_exit,
	   test_time_in_the_guest_is_seen_while_it_runs, test_exits_are_counted_by_reason,
	   test_no_time_passes_before_and_after_the_thread,
	   test_a_counter_that_goes_back_loses_no_balance, test_readings_taken_meanwhile_are_whole,
	   test_every_class_and_known_reason_has_a_name)
