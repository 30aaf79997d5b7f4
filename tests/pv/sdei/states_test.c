/* SPDX-License-Identifier: Apache-2.0 */
/* SDEI guests (guest/sdei/states.c) that move in every state, by pre-copy and by post-copy. */
#include "machine/machine_for_test.h"

#include "machine/migrated.h"

static struct carried c;

static void start(const char *state)
{
	carried_start(&c, (struct machine_options){ .kernel = GUEST_DIR "/sdei/states",
						    .cmdline = state,
						    .vm.vcpus = 2,
						    .sdei = MACHINE_SDEI_ON });
}

/* Gets there, moves, and goes on: what is wrong then it says, and carried_wait() finds it. */
static void move_in(const char *state, bool postcopy)
{
	char text[32];

	start(state);
	if (state[0] == 'c') {
		migrated_wait_for(&c, "in normal\n");
		ck_assert_int_eq(machine_sdei_inject(c.machine, 0x40000001, 0), 0);
	}
	snprintf(text, sizeof(text), "in %s\n", state);
	migrated_wait_for(&c, text);
	migrated_move(&c, postcopy);
	ck_assert_msg(!strstr(c.console, "done"), "%s", c.console);
	migrated_press(&c);
	migrated_wait_for(&c, "done\n");
	carried_finish(&c);
}

static void move_in_both_ways(const char *state)
{
	move_in(state, false);
	move_in(state, true);
}

START_TEST(test_guest_moves_before_it_has_called_sdei)
{
	move_in_both_ways("idle");
}
END_TEST

START_TEST(test_guest_moves_with_events_registered)
{
	move_in_both_ways("registered");
}
END_TEST

START_TEST(test_event_that_is_pending_while_masked_is_delivered_there)
{
	move_in_both_ways("pending");
}
END_TEST

START_TEST(test_normal_handler_completes_there)
{
	move_in_both_ways("normal");
}
END_TEST

START_TEST(test_critical_handler_and_the_normal_one_below_it_complete_there)
{
	move_in_both_ways("critical");
}
END_TEST

START_TEST(test_cpu_that_went_off_in_its_handler_comes_back_clean_there)
{
	move_in_both_ways("off");
}
END_TEST

START_TEST(test_guest_moves_at_any_moment_of_cpu_hotplug)
{
	start("hotplug");
	for (unsigned i = 0; i < 6; i++) {
		carried_wait(&c, 2);
		usleep((useconds_t)rand_r(&c.seed) % 20000);
		migrated_move(&c, i % 2);
	}
	carried_wait(&c, 2);
	migrated_press(&c);
	migrated_wait_for(&c, "done\n");
	carried_finish(&c);
}
END_TEST

CHECK_MAIN_KVM("sdei states", test_guest_moves_before_it_has_called_sdei,
	       test_guest_moves_with_events_registered,
	       test_event_that_is_pending_while_masked_is_delivered_there,
	       test_normal_handler_completes_there,
	       test_critical_handler_and_the_normal_one_below_it_complete_there,
	       test_cpu_that_went_off_in_its_handler_comes_back_clean_there,
	       test_guest_moves_at_any_moment_of_cpu_hotplug)
