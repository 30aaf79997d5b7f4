/* SPDX-License-Identifier: Apache-2.0 */
/* PIC, IOAPIC and PIT as registers. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "regs.h"
#include "vm/vm.h"

/* field: which of the two ioctls; the number is KVM_IRQCHIP_*, 0 for the PIT. */
enum {
	FIELD_CHIP = 0,
	FIELD_PIT = 1,
};

#define CHIP_SIZE sizeof(((struct kvm_irqchip *)NULL)->chip) /* 512 */

static const struct {
	uint64_t id;
	const char *name;
} registers[] = {
	{ REG_ID(REG_BANK_IRQCHIP, FIELD_CHIP, 9, KVM_IRQCHIP_PIC_MASTER), "pic_master" },
	{ REG_ID(REG_BANK_IRQCHIP, FIELD_CHIP, 9, KVM_IRQCHIP_PIC_SLAVE), "pic_slave" },
	{ REG_ID(REG_BANK_IRQCHIP, FIELD_CHIP, 9, KVM_IRQCHIP_IOAPIC), "ioapic" },
	{ REG_ID(REG_BANK_IRQCHIP, FIELD_PIT, 7, 0), "pit" },
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
		r = reg_list_add(out, v, registers[i].id, 0);
	return r;
}

/*
 * count_load_time is the host's clock; KVM_SET_PIT2 starts the counters anew and ignores it, so the
 * register has zero there (DESIGN 4, rule 1).
 */
static int get_pit(const struct vm *vm, void *val)
{
	struct kvm_pit_state2 pit = { 0 };
	int r = kvm_get_pit2(vm->fd, &pit);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(pit.channels); i++)
		pit.channels[i].count_load_time = 0;
	memset(val, 0, 128);
	memcpy(val, &pit, sizeof(pit));
	return 0;
}

static int irqchip_get(void *self, struct reg_key key, void *val)
{
	struct vm *vm = self;
	struct kvm_irqchip chip = { .chip_id = REG_ID_NUMBER(key.id) };
	int r = find(key.id);

	if (r < 0)
		return r;
	if (REG_ID_FIELD(key.id) == FIELD_PIT)
		return get_pit(vm, val);
	r = kvm_get_irqchip(vm->fd, &chip);
	if (r == 0)
		memcpy(val, &chip.chip, CHIP_SIZE);
	return r;
}

static int irqchip_set(void *self, struct reg_key key, const void *val)
{
	struct vm *vm = self;
	struct kvm_irqchip chip = { .chip_id = REG_ID_NUMBER(key.id) };
	struct kvm_pit_state2 pit;
	int r = find(key.id);

	if (r < 0)
		return r;
	if (REG_ID_FIELD(key.id) == FIELD_PIT) {
		memcpy(&pit, val, sizeof(pit));
		return kvm_set_pit2(vm->fd, &pit);
	}
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
