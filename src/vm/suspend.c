/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's pause, which is a register: a suspended VM is one wherever it goes. */
#include <errno.h>
#include <stdio.h>

#include <ferry/error.h>

#include "vm/vm.h"

#define SUSPENDED_ID REG_ID(REG_BANK_VM, 0, 0, 0)

bool vm_is_suspended(const struct vm *vm)
{
	struct vm *locked = (struct vm *)vm;
	bool suspended;

	pthread_mutex_lock(&locked->lock);
	suspended = vm->suspended;
	pthread_mutex_unlock(&locked->lock);
	return suspended;
}

void vm_set_suspended(struct vm *vm, bool suspended)
{
	bool changes;

	pthread_mutex_lock(&vm->lock);
	changes = vm->suspended != suspended;
	vm->suspended = suspended;
	pthread_mutex_unlock(&vm->lock);
	if (changes && suspended)
		vm_pause(vm);
	else if (changes)
		vm_resume(vm);
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	(void)self;
	return reg_list_add(out, vcpu, SUSPENDED_ID, 0);
}

static int unknown(struct reg_key key)
{
	return because(-ENOENT, "no register %#llx of the VM", (unsigned long long)key.id);
}

static int get(void *self, struct reg_key key, void *val)
{
	if (key.id != SUSPENDED_ID)
		return unknown(key);
	*(uint8_t *)val = vm_is_suspended(self);
	return 0;
}

static int set(void *self, struct reg_key key, const void *val)
{
	uint8_t value = *(const uint8_t *)val;

	if (key.id != SUSPENDED_ID)
		return unknown(key);
	if (value > 1)
		return because(-EINVAL, "suspended cannot be %u", value);
	vm_set_suspended(self, value);
	return 0;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	(void)self, (void)key;
	snprintf(name, size, "suspended");
	return 0;
}

int vm_bank_add(struct vm *vm)
{
	static const struct reg_bank bank = {
		.name = "vm",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_VM),
		.list = list,
		.get = get,
		.set = set,
		.name_of = name_of,
	};

	return reg_file_add(&vm->regs, &bank, 0, 0, vm);
}
