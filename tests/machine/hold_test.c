/* SPDX-License-Identifier: Apache-2.0 */
/* Machines at rest: carried elsewhere from the middle of everything, gone on, refused. */
#include "machine_for_test.h"

#include "carried.h"

#define MOVES 50

static struct carried c;

static void start(const char *what, uint32_t vcpus)
{
	carried_start(&c, (struct machine_options){ .kernel = GUEST_DIR "/basic/carried",
						    .cmdline = what,
						    .vm.vcpus = vcpus });
}

static void move_often(const char *what, uint32_t vcpus)
{
	start(what, vcpus);
	carried_move_often(&c, MOVES);
	carried_finish(&c);
}

START_TEST(test_guest_in_string_instructions_is_carried_at_any_moment)
{
	move_often("string", 1);
}
END_TEST

START_TEST(test_guest_in_mmio_instructions_is_carried_at_any_moment)
{
	move_often("mmio", 1);
}
END_TEST

START_TEST(test_guest_that_sleeps_for_a_timer_is_carried_at_any_moment)
{
	move_often("timer", 1);
}
END_TEST

START_TEST(test_guest_that_starts_its_cpus_is_carried_at_any_moment)
{
	move_often("cpus", 4);
}
END_TEST

CHECK_MAIN_KVM("hold", test_guest_in_string_instructions_is_carried_at_any_moment,
	       test_guest_in_mmio_instructions_is_carried_at_any_moment,
	       test_guest_that_sleeps_for_a_timer_is_carried_at_any_moment,
	       test_guest_that_starts_its_cpus_is_carried_at_any_moment)
