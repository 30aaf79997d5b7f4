/* SPDX-License-Identifier: Apache-2.0 */
/* What an event costs: exits of the guest, and register ioctls. */
#include "machine/machine_for_test.h"

#include <ferry/bus.h>
#include <stdatomic.h>

#include "vm/vm.h"

/* guest/sdei/cost.c */
#define STEP_ADDRESS 0x0f000000
#define EVENTS	     100
#define STEPS	     4

static struct test_machine t;
static _Atomic uint64_t ioctls;
static struct {
	uint64_t exits, ioctls;
} steps[STEPS];

static void count_ioctl(void *self, const char *name, long arg, int result)
{
	(void)self, (void)arg, (void)result;
	if (strcmp(name, "KVM_GET_ONE_REG") == 0 || strcmp(name, "KVM_SET_ONE_REG") == 0)
		atomic_fetch_add(&ioctls, 1);
}

static uint64_t exits_of(const struct vcpu *vcpu)
{
	struct vcpu_time_reading reading;
	uint64_t sum = 0;

	vcpu_time_read(&vcpu->time, &reading);
	for (unsigned i = 0; i < VCPU_EXIT_REASONS; i++)
		sum += reading.exits[i];
	return sum;
}

static void take_step(void *self, uint64_t offset, const void *data, unsigned len)
{
	uint32_t step = 0;

	(void)self, (void)offset;
	memcpy(&step, data, len);
	if (step >= STEPS)
		return;
	steps[step].exits = exits_of(&t.vm->vcpus[0]) + exits_of(&t.vm->vcpus[1]);
	steps[step].ioctls = ioctls;
}

static void read_nothing(void *self, uint64_t offset, void *data, unsigned len)
{
	(void)self, (void)offset, (void)data, (void)len;
}

START_TEST(test_event_costs_few_exits_and_register_ioctls)
{
	static const struct bus_ops ops = { .read = read_nothing, .write = take_step };
	uint64_t signalled, handled, registers;

	test_machine_create_with(&t, (struct machine_options){ .kernel = GUEST_DIR "/sdei/cost",
							       .cmdline = "",
							       .vm.vcpus = 2,
							       .vm.trace_kvm = count_ioctl,
							       .sdei = MACHINE_SDEI_ON });
	ck_assert_int_eq(bus_add(vm_mmio(t.vm), "test", STEP_ADDRESS, 4, &ops, NULL), 0);
	test_machine_run(&t, NULL, true);
	ck_assert_int_eq(vm_ended(t.vm), VM_END_POWEROFF);
	/* The step's own exit, and EVENT_COMPLETE of each event, are not the signal's. */
	signalled = steps[1].exits - steps[0].exits - 1 - EVENTS;
	handled = steps[3].exits - steps[2].exits - 1 - signalled;
	/* SIGNAL's arguments and its result */
	registers = steps[3].ioctls - steps[2].ioctls - 3 * EVENTS;
	printf("exits from a signal to its handler: %.2f; of a handler like Linux's: %.2f, and %.2f "
	       "register ioctls\n",
	       (double)signalled / EVENTS, (double)handled / EVENTS, (double)registers / EVENTS);
	ck_assert_uint_le(signalled, 4 * EVENTS);
	ck_assert_uint_le(handled, 6 * EVENTS);
	ck_assert_uint_le(registers, 60 * EVENTS);
	test_machine_finish(&t);
}
END_TEST

CHECK_MAIN_KVM("sdei cost", test_event_costs_few_exits_and_register_ioctls)
