/* SPDX-License-Identifier: Apache-2.0 */
/* PIC, IOAPIC and PIT as registers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/clock.h"
#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "regs.h"
#include "vm/vm.h"

/* field: which of the two ioctls; the number is KVM_IRQCHIP_*, 0 for the PIT. */
enum {
	FIELD_CHIP = 0,
	FIELD_PIT = 1,
	FIELD_PIT_ELAPSED = 2,
};

#define ID_PIT	       REG_ID(REG_BANK_IRQCHIP, FIELD_PIT, 7, 0)
#define ID_PIT_ELAPSED REG_ID(REG_BANK_IRQCHIP, FIELD_PIT_ELAPSED, 5, 0)

#define CHIP_SIZE sizeof(((struct kvm_irqchip *)NULL)->chip) /* 512 */

static const struct {
	uint64_t id;
	const char *name;
	unsigned flags;
} registers[] = {
	{ REG_ID(REG_BANK_IRQCHIP, FIELD_CHIP, 9, KVM_IRQCHIP_PIC_MASTER), "pic_master", 0 },
	{ REG_ID(REG_BANK_IRQCHIP, FIELD_CHIP, 9, KVM_IRQCHIP_PIC_SLAVE), "pic_slave", 0 },
	{ REG_ID(REG_BANK_IRQCHIP, FIELD_CHIP, 9, KVM_IRQCHIP_IOAPIC), "ioapic", 0 },
	{ ID_PIT, "pit", 0 },
	{ ID_PIT_ELAPSED, "pit_elapsed", REG_TIME }, /* after it: it begins to count there */
};

static int find(uint64_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
		if (registers[i].id == id)
			return (int)i;
	return because(-ENOENT, "no irqchip register %#llx", (unsigned long long)id);
}

static int irqchip_list(void *self, uint32_t v, struct reg_list *out)
{
	int r = 0;

	(void)self;
	for (size_t i = 0; i < ARRAY_SIZE(registers) && r == 0; i++)
		r = reg_list_add(out, v, registers[i].id, registers[i].flags);
	return r;
}

static int read_pit(const struct vm *vm, struct kvm_pit_state2 *pit)
{
	if (!vm->arch.held_pit)
		return kvm_get_pit2(vm->fd, pit);
	*pit = *vm->arch.held_pit;
	return 0;
}

static int write_pit(struct vm *vm, struct kvm_pit_state2 *pit)
{
	if (!vm->arch.held_pit)
		return kvm_set_pit2(vm->fd, pit);
	*vm->arch.held_pit = *pit;
	return 0;
}

/* When the counters were loaded is the host's time: it is told as how long ago (DESIGN 4, rule 1). */
static int get_pit(const struct vm *vm, void *val)
{
	struct kvm_pit_state2 pit = { 0 };
	int r = read_pit(vm, &pit);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(pit.channels); i++)
		pit.channels[i].count_load_time = 0;
	memset(val, 0, 128);
	memcpy(val, &pit, sizeof(pit));
	return 0;
}

/* KVM starts counter 0 anew; the others have been loaded now, until pit_elapsed is set. */
static int set_pit(struct vm *vm, const void *val)
{
	struct kvm_pit_state2 pit;

	memcpy(&pit, val, sizeof(pit));
	for (size_t i = 0; i < ARRAY_SIZE(pit.channels); i++)
		/* KVM counts it in the same clock. */
		pit.channels[i].count_load_time = (int64_t)clock_now();
	vm->arch.pit_held_at = clock_now();
	return write_pit(vm, &pit);
}

static int get_pit_elapsed(const struct vm *vm, void *val)
{
	uint64_t elapsed[4] = { 0 }, now = vm->arch.held_pit ? vm->arch.pit_held_at : clock_now();
	struct kvm_pit_state2 pit = { 0 };
	int r = read_pit(vm, &pit);

	for (size_t i = 0; i < ARRAY_SIZE(pit.channels); i++)
		elapsed[i] = now - (uint64_t)pit.channels[i].count_load_time;
	memcpy(val, elapsed, sizeof(elapsed));
	return r;
}

static int set_pit_elapsed(struct vm *vm, const void *val)
{
	uint64_t elapsed[4], now = clock_now();
	struct kvm_pit_state2 pit = { 0 };
	int r = read_pit(vm, &pit);

	if (r < 0)
		return r;
	memcpy(elapsed, val, sizeof(elapsed));
	for (size_t i = 0; i < ARRAY_SIZE(pit.channels); i++)
		pit.channels[i].count_load_time = (int64_t)(now - elapsed[i]);
	vm->arch.pit_held_at = now;
	return write_pit(vm, &pit);
}

/* KVM stops counter 0 when a HPET takes its interrupt over, as if there were one. */
int x86_pit_hold(struct vm *vm)
{
	struct kvm_pit_state2 *pit, stopped;
	int r;

	if (vm->arch.held_pit)
		return 0;
	pit = calloc(1, sizeof(*pit));
	if (!pit)
		return -ENOMEM;
	r = kvm_get_pit2(vm->fd, pit);
	stopped = *pit;
	stopped.flags |= KVM_PIT_FLAGS_HPET_LEGACY;
	if (r == 0)
		r = kvm_set_pit2(vm->fd, &stopped);
	if (r < 0) {
		free(pit);
		return because(r, "KVM_SET_PIT2: %s", strerror(-r));
	}
	vm->arch.held_pit = pit;
	vm->arch.pit_held_at = clock_now();
	return 0;
}

/* What has arrived goes on from where it stood; what stayed has missed some time. */
int x86_pit_go_on(struct vm *vm, bool arrived)
{
	struct kvm_pit_state2 *pit = vm->arch.held_pit;
	uint64_t stood = arrived ? clock_now() - vm->arch.pit_held_at : 0;
	int r;

	if (!pit)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(pit->channels); i++)
		pit->channels[i].count_load_time += (int64_t)stood;
	r = kvm_set_pit2(vm->fd, pit);
	vm->arch.held_pit = NULL;
	free(pit);
	return r < 0 ? because(r, "KVM_SET_PIT2: %s", strerror(-r)) : 0;
}

static int irqchip_get(void *self, struct reg_key key, void *val)
{
	struct vm *vm = self;
	struct kvm_irqchip chip = { .chip_id = REG_ID_NUMBER(key.id) };
	int r = find(key.id);

	if (r < 0)
		return r;
	if (key.id == ID_PIT)
		return get_pit(vm, val);
	if (key.id == ID_PIT_ELAPSED)
		return get_pit_elapsed(vm, val);
	r = kvm_get_irqchip(vm->fd, &chip);
	if (r == 0)
		memcpy(val, &chip.chip, CHIP_SIZE);
	return r;
}

static int irqchip_set(void *self, struct reg_key key, const void *val)
{
	struct vm *vm = self;
	struct kvm_irqchip chip = { .chip_id = REG_ID_NUMBER(key.id) };
	int r = find(key.id);

	if (r < 0)
		return r;
	if (key.id == ID_PIT)
		return set_pit(vm, val);
	if (key.id == ID_PIT_ELAPSED)
		return set_pit_elapsed(vm, val);
	memcpy(&chip.chip, val, CHIP_SIZE);
	return kvm_set_irqchip(vm->fd, &chip);
}

static int irqchip_name(void *self, struct reg_key key, char *name, size_t size)
{
	int i = find(key.id);

	(void)self;
	if (i < 0)
		return i;
	snprintf(name, size, "%s", registers[i].name);
	return 0;
}

int x86_irqchip_bank_add(struct vm *vm)
{
	static const struct reg_bank bank = {
		.name = "irqchip",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_IRQCHIP),
		.list = irqchip_list,
		.get = irqchip_get,
		.set = irqchip_set,
		.name_of = irqchip_name,
	};

	return reg_file_add(&vm->regs, &bank, 0, 0, vm);
}
