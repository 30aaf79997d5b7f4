/* SPDX-License-Identifier: Apache-2.0 */
/* What runs out while a Xen guest stands still is neither lost nor told in memory that has been copied. */
#include "pv/xen/guest_for_test.h"

#include "machine/migrated.h"

static struct carried c;

static uint64_t deadline_of(struct xen *xen)
{
	uint64_t deadline;

	xen_lock(xen);
	xen->engine->get_timer(&xen->vcpus[0]);
	deadline = xen->vcpus[0].timer.single;
	xen_unlock(xen);
	return deadline;
}

/* The guest's timer is due between the copy of its memory and that of its registers. */
static void move(void)
{
	struct machine *from = c.machine;
	pthread_t loop = c.loop;
	struct image image;
	uint64_t deadline;

	ck_assert_int_eq(machine_hold(from), 0);
	c.machine = carried_make(&c, true);
	carried_begin_loop(&c);
	carried_copy_memory(c.machine, from);
	deadline = deadline_of(from->xen);
	while (xen_now(from->xen) <= deadline)
		usleep(1000);
	image_save(vm_regs(machine_vm(from)), &image);
	image_restore(vm_regs(machine_vm(c.machine)), &image);
	machine_surrender_disks(from);
	ck_assert_int_eq(machine_release(c.machine, MACHINE_ARRIVED), 0);
	carried_end(&c, from, loop);
	image_finish(&image);
}

static void wait_here(void)
{
	uint64_t deadline;

	ck_assert_int_eq(machine_hold(c.machine), 0);
	deadline = deadline_of(c.machine->xen);
	while (xen_now(c.machine->xen) <= deadline)
		usleep(1000);
	ck_assert_int_eq(machine_release(c.machine, MACHINE_GO_ON), 0);
}

static void run_due(enum machine_xen_engine engine, void (*stand_still)(void))
{
	carried_start(&c, (struct machine_options){ .kernel = GUEST_DIR "/xen/info",
						    .cmdline = "test=due",
						    .xen_version = MACHINE_XEN_VERSION,
						    .xen_engine = engine,
						    .xen_entry = MACHINE_XEN_ENTRY_HVM });
	migrated_wait_for(&c, "waits\n");
	stand_still();
	migrated_wait_for(&c, "\nok\n");
	carried_finish(&c);
}

START_TEST(test_a_timer_that_is_due_on_the_way_fires_on_arrival)
{
	run_due(MACHINE_XEN_PORTABLE, move);
	if (has_kernel_engine())
		run_due(MACHINE_XEN_KERNEL, move);
}
END_TEST

START_TEST(test_a_timer_that_is_due_while_the_guest_is_held_fires_behind_it)
{
	run_due(MACHINE_XEN_PORTABLE, wait_here);
	if (has_kernel_engine())
		run_due(MACHINE_XEN_KERNEL, wait_here);
}
END_TEST

CHECK_MAIN_KVM("xen due", test_a_timer_that_is_due_on_the_way_fires_on_arrival,
	       test_a_timer_that_is_due_while_the_guest_is_held_fires_behind_it)
