/* SPDX-License-Identifier: Apache-2.0 */
/* The VM's clock (kvmclock's system time) as a register. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "kvm/kvm_x86.h"
#include "regs.h"
#include "vm/vm.h"

#define CLOCK_ID REG_ID(REG_BANK_CLOCK, 0, 3, _IOC_NR(KVM_GET_CLOCK))

static int clock_list(void *self, uint32_t v, struct reg_list *out)
{
	(void)self;
	return reg_list_add(out, v, CLOCK_ID, REG_TIME);
}

static int check(struct reg_key key)
{
	return key.id == CLOCK_ID ? 0 : because(-ENOENT, "no clock register %#llx",
						(unsigned long long)key.id);
}

/* Nanoseconds of guest time; KVM's realtime and host_tsc fields are the host's and stay here. */
static int clock_get(void *self, struct reg_key key, void *val)
{
	struct vm *vm = self;
	struct kvm_clock_data data = { 0 };
	int r = check(key);

	if (r == 0)
		r = kvm_get_clock(vm->fd, &data);
	if (r == 0)
		memcpy(val, &data.clock, sizeof(data.clock));
	return r;
}

static int clock_set(void *self, struct reg_key key, const void *val)
{
	struct vm *vm = self;
	struct kvm_clock_data data = { 0 };
	int r = check(key);

	if (r < 0)
		return r;
	memcpy(&data.clock, val, sizeof(data.clock));
	return kvm_set_clock(vm->fd, &data);
}

static int clock_name(void *self, struct reg_key key, char *name, size_t size)
{
	(void)self;
	(void)key;
	snprintf(name, size, "kvm_ns");
	return 0;
}

int x86_clock_bank_add(struct vm *vm)
{
	static const struct reg_bank bank = {
		.name = "clock",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_CLOCK),
		.list = clock_list,
		.get = clock_get,
		.set = clock_set,
		.name_of = clock_name,
	};

	return reg_file_add(&vm->regs, &bank, 0, 0, vm);
}
