/* SPDX-License-Identifier: Apache-2.0 */
/* A VM without KVM: ports, addresses, a loop, and interrupts that are counted. Defines what devices link to.
 */
#ifndef TESTS_DEV_FAKE_VM_H
#define TESTS_DEV_FAKE_VM_H

#include <check.h>
#include <errno.h>
#include <string.h>

#include <ferry/bus.h>
#include <ferry/vm.h>

#include "io/loop.h"
#include "reg/reg_file.h"
#include "vm/irq.h"

struct bus {
	struct fake_range {
		uint64_t base, len;
		const struct bus_ops *ops;
		void *self;
	} ranges[16];
	unsigned count;
};

struct vm {
	struct bus pio, mmio;
	struct loop *loop;
	struct reg_file regs;
	enum vm_end ended;
	bool paused;
	unsigned pulses; /* of all lines; atomic */
	struct log log;
	char logged[1024]; /* the last line */
};

static inline void fake_log(void *self, enum log_level level, const char *line)
{
	struct vm *vm = self;

	(void)level;
	strncpy(vm->logged, line, sizeof(vm->logged) - 1);
}

static inline void fake_vm_init(struct vm *vm)
{
	*vm = (struct vm){ .log = { .emit = fake_log, .self = vm } };
	ck_assert_int_eq(loop_create(&vm->loop), 0);
	reg_file_init(&vm->regs, 1);
}

static inline void fake_vm_finish(struct vm *vm)
{
	ck_assert_uint_eq(vm->pio.count, 0);
	ck_assert_uint_eq(vm->mmio.count, 0);
	reg_file_finish(&vm->regs);
	loop_destroy(vm->loop);
}

int bus_add(struct bus *bus, const char *name, uint64_t base, uint64_t len,
	    const struct bus_ops *ops, void *self)
{
	(void)name;
	for (unsigned i = 0; i < bus->count; i++)
		if (base < bus->ranges[i].base + bus->ranges[i].len &&
		    bus->ranges[i].base < base + len)
			return -EEXIST;
	bus->ranges[bus->count++] = (struct fake_range){ base, len, ops, self };
	return 0;
}

int bus_remove(struct bus *bus, uint64_t base)
{
	for (unsigned i = 0; i < bus->count; i++)
		if (bus->ranges[i].base == base) {
			bus->ranges[i] = bus->ranges[--bus->count];
			return 0;
		}
	return -ENOENT;
}

static inline struct fake_range *fake_port(struct vm *vm, uint16_t port)
{
	for (unsigned i = 0; i < vm->pio.count; i++)
		if (port - vm->pio.ranges[i].base < vm->pio.ranges[i].len)
			return &vm->pio.ranges[i];
	ck_abort_msg("nobody owns port %#x", port);
}

static inline struct fake_range *fake_mmio(struct vm *vm, uint64_t address)
{
	for (unsigned i = 0; i < vm->mmio.count; i++)
		if (address - vm->mmio.ranges[i].base < vm->mmio.ranges[i].len)
			return &vm->mmio.ranges[i];
	ck_abort_msg("nobody owns address %#llx", (unsigned long long)address);
}

static inline uint32_t readl(struct vm *vm, uint64_t address)
{
	struct fake_range *range = fake_mmio(vm, address);
	uint32_t value = ~0U;

	range->ops->read(range->self, address - range->base, &value, 4);
	return value;
}

static inline void writel(struct vm *vm, uint64_t address, uint32_t value)
{
	struct fake_range *range = fake_mmio(vm, address);

	range->ops->write(range->self, address - range->base, &value, 4);
}

static inline uint8_t inb(struct vm *vm, uint16_t port)
{
	struct fake_range *range = fake_port(vm, port);
	uint8_t value = 0xff;

	range->ops->read(range->self, port - range->base, &value, 1);
	return value;
}

static inline void outb(struct vm *vm, uint16_t port, uint8_t value)
{
	struct fake_range *range = fake_port(vm, port);

	range->ops->write(range->self, port - range->base, &value, 1);
}

struct bus *vm_pio(struct vm *vm)
{
	return &vm->pio;
}

struct bus *vm_mmio(struct vm *vm)
{
	return &vm->mmio;
}

struct loop *vm_loop(struct vm *vm)
{
	return vm->loop;
}

struct reg_file *vm_regs(struct vm *vm)
{
	return &vm->regs;
}

uint32_t vm_vcpus(const struct vm *vm)
{
	(void)vm;
	return 2;
}

const struct log *vm_log(const struct vm *vm)
{
	return &vm->log;
}

bool vm_is_paused(const struct vm *vm)
{
	return vm->paused;
}

void vm_end(struct vm *vm, enum vm_end why, const char *text)
{
	(void)text;
	if (!vm->ended)
		vm->ended = why;
}

int irq_pulse_init(struct irq_pulse *pulse, struct vm *vm, uint32_t gsi)
{
	*pulse = (struct irq_pulse){ .vm = vm, .gsi = gsi, .fd = -1 };
	return 0;
}

void irq_pulse_finish(struct irq_pulse *pulse)
{
	pulse->vm = NULL;
}

void irq_pulse_raise(struct irq_pulse *pulse)
{
	__atomic_fetch_add(&pulse->vm->pulses, 1, __ATOMIC_SEQ_CST);
}

/* How many interrupts there were since the last call. */
static inline unsigned fake_pulses(struct vm *vm)
{
	return __atomic_exchange_n(&vm->pulses, 0, __ATOMIC_SEQ_CST);
}

struct fake_deadline {
	struct loop_timer timer;
	unsigned left;
};

static inline void fake_deadline_passed(struct loop_timer *timer)
{
	((struct fake_deadline *)timer)->left = 0;
}

/* Runs the loop for so long: for what happens by timers. */
static inline void fake_run_ms(struct vm *vm, unsigned ms)
{
	struct fake_deadline deadline = { .left = 1 };

	ck_assert_int_eq(
		loop_timer_arm(vm->loop, &deadline.timer, ms * 1000000ULL, fake_deadline_passed),
		0);
	ck_assert_int_eq(loop_drain(vm->loop, &deadline.left), 0);
}

/* The three properties that every bank must have, on a device in an interesting state. */
static inline void fake_check_bank(struct reg_file *from, struct reg_file *to)
{
	static uint8_t a[REG_SIZE_MAX], b[REG_SIZE_MAX];
	struct reg_list list = { 0 };
	char name[64];

	ck_assert_int_eq(reg_file_list(from, &list), 0);
	ck_assert_uint_gt(list.count, 0);
	for (size_t i = 0; i < list.count; i++) {
		struct reg_key key = list.entries[i].key;

		ck_assert_int_eq(reg_file_get(from, key, a), 0);
		ck_assert_int_eq(reg_file_set(from, key, a), 0);
		ck_assert_int_eq(reg_file_get(from, key, b), 0);
		ck_assert_mem_eq(a, b, reg_size(key.id));
		ck_assert_int_eq(reg_file_set(to, key, a), 0);
		ck_assert_int_eq(reg_file_name(from, key, name, sizeof(name)), 0);
	}
	for (size_t i = 0; i < list.count; i++) {
		struct reg_key key = list.entries[i].key;

		ck_assert_int_eq(reg_file_get(from, key, a), 0);
		ck_assert_int_eq(reg_file_get(to, key, b), 0);
		ck_assert_mem_eq(a, b, reg_size(key.id));
	}
	reg_list_finish(&list);
}

#endif
