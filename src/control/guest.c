/* SPDX-License-Identifier: Apache-2.0 */
/* Does to a machine what the migration engine asks for. */
#include "control/guest.h"

#include <ferry/error.h>
#include <ferry/machine.h>
#include <ferry/vm.h>

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/stores.h"
#include "io/loop.h"

/* A function that the loop's thread is asked to run; it lies on the stack of who waits for it. */
struct glance {
	struct control_guest *guest;
	int (*fn)(void *arg);
	void *arg;
	int err;
	char text[ERROR_TEXT_MAX];
	sem_t done;
};

static int has_ended(void)
{
	return because(-ECANCELED, "the VM has ended");
}

static void look(void *arg)
{
	struct glance *glance = arg;
	struct vm *vm = machine_vm(glance->guest->machine);

	error_clear();
	if (vm_ended(vm) != VM_END_NONE) {
		glance->err = has_ended();
	} else {
		vm_pause(vm);
		glance->err = glance->fn(glance->arg);
		vm_resume(vm);
	}
	snprintf(glance->text, sizeof(glance->text), "%s", error_text(glance->err));
	sem_post(&glance->done);
}

/*
 * On the loop's thread the devices stand still too. The loop runs as long as anybody may wait here:
 * control_destroy() sees to it.
 */
static int guest_glance(void *self, int (*fn)(void *arg), void *arg)
{
	struct control_guest *guest = self;
	struct glance glance = { .guest = guest, .fn = fn, .arg = arg };
	int err;

	sem_init(&glance.done, 0, 0);
	err = loop_call(vm_loop(machine_vm(guest->machine)), look, &glance);
	if (err) {
		because(err, "out of memory");
	} else {
		while (sem_wait(&glance.done) != 0)
			;
		err = glance.err ? because(glance.err, "%s", glance.text) : 0;
	}
	sem_destroy(&glance.done);
	return err;
}

static int guest_hold(void *self)
{
	struct control_guest *guest = self;
	int err;

	/* Before: holding needs the loop, so who pauses there does it before, or sees this. */
	atomic_store(&guest->is_held, true);
	err = machine_hold(guest->machine);
	if (err)
		atomic_store(&guest->is_held, false);
	return err;
}

static int guest_go_on(void *self)
{
	struct control_guest *guest = self;
	int err = machine_release(guest->machine, MACHINE_GO_ON);

	if (!err)
		atomic_store(&guest->is_held, false);
	return err;
}

static int guest_arrive(void *self)
{
	struct control_guest *guest = self;
	int err;

	/* Somebody ended it here while the other side got ready to let go of it. */
	if (vm_ended(machine_vm(guest->machine)) != VM_END_NONE)
		return has_ended();
	err = machine_release(guest->machine, MACHINE_ARRIVED);
	if (!err)
		atomic_store(&guest->is_absent, false);
	return err;
}

static void guest_surrender(void *self)
{
	machine_surrender_disks(((struct control_guest *)self)->machine);
}

static int guest_retake(void *self)
{
	return machine_take_disks(((struct control_guest *)self)->machine);
}

static void guest_throttle(void *self, unsigned percent)
{
	machine_throttle(((struct control_guest *)self)->machine, percent);
}

int control_guest_init(struct control_guest *guest, struct machine *machine, bool is_absent)
{
	struct vm *vm = machine_vm(machine);
	struct migrate_store *stores;
	unsigned store_count;
	int err = control_stores_create(machine, &stores, &store_count);

	if (err)
		return err;
	*guest = (struct control_guest){
		.ops = {
			.mem = vm_mem(vm),
			.regs = vm_regs(vm),
			.self = guest,
			.glance = guest_glance,
			.hold = guest_hold,
			.go_on = guest_go_on,
			.arrive = guest_arrive,
			.surrender = guest_surrender,
			.retake = guest_retake,
			.throttle = guest_throttle,
			.stores = stores,
			.store_count = store_count,
		},
		.machine = machine,
		.stores = stores,
		.is_absent = is_absent,
	};
	return 0;
}

void control_guest_finish(struct control_guest *guest)
{
	free(guest->stores);
	guest->stores = NULL;
}

int control_guest_suspend(struct control_guest *guest, bool suspend)
{
	if (atomic_load(&guest->is_absent))
		return because(-EBUSY, "the guest has not arrived yet");
	if (atomic_load(&guest->is_held))
		return because(-EBUSY, "the guest is held for its migration or snapshot");
	vm_set_suspended(machine_vm(guest->machine), suspend);
	return 0;
}
