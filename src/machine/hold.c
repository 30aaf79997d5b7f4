/* SPDX-License-Identifier: Apache-2.0 */
/* Brings a machine to rest, and lets it go on: where it was, or after it came from elsewhere. */
#include "machine/machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <ferry/error.h>

#include "base/clock.h"
#include "dev/pci/pci.h"
#include "dev/serial.h"
#include "dev/virtio/console.h"
#include "dev/virtio/net.h"
#include "io/disk.h"
#include "vm/vm.h"

#define NS_PER_S 1000000000ULL

#define LIMIT_NS (10 * NS_PER_S)
/* The first flush may have a lot to do, and does it while the guest runs. */
#define FLUSH_LIMIT_NS (60 * NS_PER_S)
/* How often whoever waits looks whether there still is a VM. */
#define LOOK_NS (20 * 1000000ULL)

void machine_hold_init(struct machine *machine)
{
	struct machine_hold *hold = &machine->hold;
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&hold->lock, NULL);
	pthread_cond_init(&hold->changed, &attr);
	pthread_condattr_destroy(&attr);
	hold->limit_ns = LIMIT_NS;
}

void machine_hold_finish(struct machine *machine)
{
	pthread_cond_destroy(&machine->hold.changed);
	pthread_mutex_destroy(&machine->hold.lock);
}

/*
 * Steps. One thread asks the loop for one after the other and waits for each. Messages arrive in
 * order, so counting them tells on the loop whether somebody still waits for this one.
 */
static bool begin_step(struct machine *machine, unsigned *ret_step)
{
	struct machine_hold *hold = &machine->hold;
	unsigned step = ++hold->steps_begun;
	bool is_wanted;

	pthread_mutex_lock(&hold->lock);
	is_wanted = step == hold->step;
	pthread_mutex_unlock(&hold->lock);
	*ret_step = step;
	return is_wanted;
}

static void end_step(struct machine *machine, unsigned step, int result, const char *culprit)
{
	struct machine_hold *hold = &machine->hold;

	pthread_mutex_lock(&hold->lock);
	if (step == hold->step) {
		hold->step_ended = true;
		hold->step_result = result;
		snprintf(hold->culprit, sizeof(hold->culprit), "%s", culprit ? culprit : "");
		pthread_cond_broadcast(&hold->changed);
	}
	pthread_mutex_unlock(&hold->lock);
}

/* hold->lock held. */
static void wait_a_little(struct machine_hold *hold)
{
	uint64_t until = clock_now() + LOOK_NS;
	struct timespec when = { .tv_sec = (time_t)(until / NS_PER_S),
				 .tv_nsec = (long)(until % NS_PER_S) };

	pthread_cond_timedwait(&hold->changed, &hold->lock, &when);
}

/* The step's result; -ETIMEDOUT; or -ECANCELED: the VM has ended, and with it the loop. */
static int run_step(struct machine *machine, void (*fn)(void *arg), uint64_t limit)
{
	struct machine_hold *hold = &machine->hold;
	uint64_t end = clock_now() + limit;
	int r;

	pthread_mutex_lock(&hold->lock);
	hold->step++;
	hold->step_ended = false;
	r = loop_call(vm_loop(machine->vm), fn, machine);
	if (r < 0)
		hold->step--;
	while (r == 0 && !hold->step_ended) {
		if (vm_ended(machine->vm) != VM_END_NONE)
			r = -ECANCELED;
		else if (clock_now() > end)
			r = -ETIMEDOUT;
		else
			wait_a_little(hold);
	}
	if (r == 0)
		r = hold->step_result;
	pthread_mutex_unlock(&hold->lock);
	return r;
}

static void one_flush_ended(void *arg, const char *id, int res)
{
	struct machine *machine = arg;
	struct machine_hold *hold = &machine->hold;

	if (res < 0) {
		hold->flush_result = res;
		snprintf(hold->flush_culprit, sizeof(hold->flush_culprit), "%s", id);
	}
	if (--hold->flushing == 0)
		end_step(machine, hold->flush_step, hold->flush_result, hold->flush_culprit);
}

static void flush_disks(void *arg)
{
	struct machine *machine = arg;
	struct machine_hold *hold = &machine->hold;
	unsigned step;

	if (!begin_step(machine, &step))
		return;
	if (hold->flushing) { /* somebody waited for it in vain */
		end_step(machine, step, -ETIMEDOUT, "a disk");
		return;
	}
	hold->flush_step = step;
	hold->flush_result = 0;
	hold->flushing = 1; /* this function */
	for (size_t i = 0; i < machine->disk_count; i++) {
		hold->flushing++;
		disk_flush(machine->disks[i], one_flush_ended, machine);
	}
	one_flush_ended(machine, NULL, 0);
}

static void all_quiet(void *arg)
{
	struct machine *machine = arg;

	end_step(machine, machine->hold.quiesce_step, 0, NULL);
}

/* What changes by itself or from outside, besides PCI functions. */
static void stop_the_rest(struct machine *machine)
{
	machine->hold.at_rest = true;
	machine_xen_hold(machine);
	serial_hold(machine->serial);
	machine_own_hold(machine);
	if (machine->console)
		console_hold(machine->console);
}

static void quiesce_pci(void *arg)
{
	struct machine *machine = arg;

	pci_host_quiesce(machine->pci, all_quiet, machine);
}

static void quiesce(void *arg)
{
	struct machine *machine = arg;
	unsigned step;

	if (!begin_step(machine, &step))
		return;
	machine->hold.quiesce_step = step;
	stop_the_rest(machine);
	machine_xen_quiesce(machine, quiesce_pci);
}

/* Behind a step that ended: interrupts that devices put off to the end of their burst are out. */
static void settle(void *arg)
{
	unsigned step;

	if (begin_step(arg, &step))
		end_step(arg, step, 0, NULL);
}

static void call_back_console(struct machine *machine, enum machine_console console)
{
	struct machine_hold *hold = &machine->hold;

	if (hold->output_ready[console])
		machine_output_ready(machine, console);
	if (hold->input_refused[console] && machine->input_ready)
		machine->input_ready(machine->self, console);
	hold->output_ready[console] = hold->input_refused[console] = false;
}

/* What came while the machine was at rest. */
static void catch_up(struct machine *machine)
{
	struct machine_hold *hold = &machine->hold;

	for (int console = 0; console < MACHINE_CONSOLES; console++)
		call_back_console(machine, (enum machine_console)console);
	if (hold->resized)
		machine_console_size(machine, hold->columns, hold->rows);
	if (hold->power_button)
		machine_power_button(machine);
	hold->resized = hold->power_button = false;
}

static void go_on(struct machine *machine, bool arrived)
{
	if (!machine->hold.at_rest)
		return;
	machine->hold.at_rest = false;
	machine_xen_resume(machine);
	pci_host_resume(machine->pci, arrived);
	machine_own_go_on(machine, arrived);
	serial_go_on(machine->serial, arrived);
	if (machine->console)
		console_go_on(machine->console);
	for (size_t i = 0; arrived && i < machine->net_count; i++)
		net_announce(machine->nets[i]);
	catch_up(machine);
}

static void released(void *arg)
{
	struct machine *machine = arg;
	bool arrived;

	pthread_mutex_lock(&machine->hold.lock);
	arrived = machine->hold.arrived;
	pthread_mutex_unlock(&machine->hold.lock);
	go_on(machine, arrived);
}

static void abandon(void *arg)
{
	struct machine *machine = arg;
	const char *xen = machine_xen_busy(machine), *busy = xen ? xen : pci_host_busy(machine->pci);
	unsigned step;

	begin_step(machine, &step);
	go_on(machine, false);
	end_step(machine, step, 0, busy ? busy : "a disk");
}

static int failure(struct machine *machine, int r)
{
	const char *culprit = machine->hold.culprit;

	switch (r) {
	case -ECANCELED:
		return because(r, "the VM has ended");
	case -ETIMEDOUT:
		return because(r, "%s did not come to rest in time", culprit);
	default:
		return because(r, "%s: cannot be brought to stable storage: %s", culprit,
			       strerror(-r));
	}
}

/* The guest has been running, or runs on as if nothing had been. */
static int undo(struct machine *machine, int why, bool is_paused)
{
	char culprit[sizeof(machine->hold.culprit)];
	int r;

	snprintf(culprit, sizeof(culprit), "%s", machine->hold.culprit);
	r = run_step(machine, abandon, machine->hold.limit_ns);
	if (why != -ETIMEDOUT)
		memcpy(machine->hold.culprit, culprit, sizeof(culprit));
	else if (r < 0)
		snprintf(machine->hold.culprit, sizeof(culprit), "the event loop");
	if (is_paused) {
		arch_vm_go_on(machine->vm, false);
		machine_xen_go_on(machine, false);
		vm_resume(machine->vm);
	}
	return failure(machine, why);
}

static bool change_state(struct machine *machine, enum hold_state from, enum hold_state to)
{
	struct machine_hold *hold = &machine->hold;
	bool ok;

	pthread_mutex_lock(&hold->lock);
	ok = hold->state == from;
	if (ok)
		hold->state = to;
	pthread_mutex_unlock(&hold->lock);
	return ok;
}

static int stand_still(struct machine *machine)
{
	int r;

	vm_pause(machine->vm);
	r = arch_vm_hold(machine->vm);
	if (r < 0) {
		arch_vm_go_on(machine->vm, false);
		vm_resume(machine->vm);
	}
	return r;
}

/* The second flush is for what was written since the first, until the vCPUs stood still. */
static int come_to_rest(struct machine *machine)
{
	uint64_t limit = machine->hold.limit_ns;
	int r = run_step(machine, flush_disks, FLUSH_LIMIT_NS);

	if (r < 0)
		return undo(machine, r, false);
	r = stand_still(machine);
	if (r < 0)
		return r;
	r = run_step(machine, quiesce, limit);
	if (r == 0)
		r = run_step(machine, flush_disks, limit);
	if (r == 0)
		r = run_step(machine, settle, limit);
	return r < 0 ? undo(machine, r, true) : 0;
}

int machine_hold(struct machine *machine)
{
	int r;

	if (!change_state(machine, HOLD_NONE, HOLD_BEGINNING))
		return because(-EBUSY, "the machine is being saved or moved already");
	r = come_to_rest(machine);
	change_state(machine, HOLD_BEGINNING, r == 0 ? HOLD_HELD : HOLD_NONE);
	return r;
}

int machine_hold_blank(struct machine *machine)
{
	stop_the_rest(machine);
	vm_pause(machine->vm);
	machine->hold.disks_given_up = true;
	machine->hold.state = HOLD_BLANK;
	return arch_vm_hold(machine->vm);
}

bool machine_is_held(struct machine *machine)
{
	bool held;

	pthread_mutex_lock(&machine->hold.lock);
	held = machine->hold.state >= HOLD_HELD;
	pthread_mutex_unlock(&machine->hold.lock);
	return held;
}

/* What has arrived finds the VM paused when its threads start. */
static int release(struct machine *machine, bool arrived)
{
	int r = arch_vm_go_on(machine->vm, arrived);

	if (r == 0)
		machine_xen_go_on(machine, arrived);
	if (r == 0 && arrived)
		r = vm_start(machine->vm);
	pthread_mutex_lock(&machine->hold.lock);
	machine->hold.arrived = arrived;
	pthread_mutex_unlock(&machine->hold.lock);
	if (r == 0)
		r = loop_call(vm_loop(machine->vm), released, machine);
	if (r == 0)
		vm_resume(machine->vm);
	return r;
}

int machine_release(struct machine *machine, enum machine_release how)
{
	enum hold_state from = how == MACHINE_ARRIVED ? HOLD_BLANK : HOLD_HELD;
	int r;

	if (!change_state(machine, from, HOLD_BEGINNING))
		return because(-EINVAL, how == MACHINE_ARRIVED ? "nothing can arrive in this machine" :
								  "the machine is not held");
	r = machine_take_disks(machine);
	if (r == 0) {
		r = release(machine, how == MACHINE_ARRIVED);
		if (r < 0 && how == MACHINE_ARRIVED)
			machine_surrender_disks(machine);
	}
	change_state(machine, HOLD_BEGINNING, r == 0 ? HOLD_NONE : from);
	return r;
}
