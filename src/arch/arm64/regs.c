/* SPDX-License-Identifier: Apache-2.0 */
/* KVM's registers of a vCPU, one by one; the bank of those that run, and that of its run state. */
#include "regs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "kvm/kvm_arm64.h"
#include "vm/vm.h"

static int read_list(const struct vm *vm, struct kvm_reg_list **ret_list)
{
	struct kvm_reg_list count = { .n = 0 };
	struct kvm_reg_list *list;
	int r = kvm_get_reg_list(vm->vcpus[0].fd, &count);

	if (r < 0 && r != -E2BIG)
		return r;
	list = calloc(1, sizeof(*list) + count.n * sizeof(list->reg[0]));
	if (!list)
		return -ENOMEM;
	list->n = count.n;
	r = kvm_get_reg_list(vm->vcpus[0].fd, list);
	if (r < 0)
		free(list);
	else
		*ret_list = list;
	return r;
}

int arm64_registers(struct vm *vm, const struct kvm_reg_list **ret_list)
{
	int r = 0;

	if (!vm->arch.registers)
		r = read_list(vm, &vm->arch.registers);
	if (r < 0)
		return because(r, "KVM_GET_REG_LIST: %s", strerror(-r));
	*ret_list = vm->arch.registers;
	return 0;
}

static int failure(const struct vcpu *vcpu, uint64_t id, int r)
{
	char name[64];

	arm64_reg_name(id, name, sizeof(name));
	if (r == -ENOENT)
		return because(r, "vCPU %u: no register %s", vcpu->index, name);
	return because(r, "vCPU %u: register %s: %s", vcpu->index, name, strerror(-r));
}

int arm64_reg_get(struct vcpu *vcpu, uint64_t id, void *val)
{
	int r = kvm_get_one_reg(vcpu->fd, id, val);

	return r < 0 ? failure(vcpu, id, r) : 0;
}

static unsigned long long value_of(const void *val, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, val, min_u64(size, sizeof(value)));
	return value;
}

/* The largest register that KVM has: one of SVE's, of 2048 bits. */
#define VALUE_MAX 256

int arm64_reg_set(struct vcpu *vcpu, uint64_t id, const void *val)
{
	uint8_t now[VALUE_MAX];
	int r = kvm_set_one_reg(vcpu->fd, id, val);
	size_t size = reg_size(id);
	char name[64];

	if (r == 0)
		return 0;
	/* Old kernels say -EINVAL of what is no register, too. */
	if (size > sizeof(now) || kvm_get_one_reg(vcpu->fd, id, now) < 0)
		return failure(vcpu, id, -ENOENT);
	if (memcmp(now, val, size) == 0)
		return 0;
	/* -EPERM: vectors' lengths, which are fixed. */
	if (r != -EINVAL && r != -EPERM)
		return failure(vcpu, id, r);
	arm64_reg_name(id, name, sizeof(name));
	return because(r, "register %s cannot be %#llx on this host, where it is %#llx", name,
		       value_of(val, size), value_of(now, size));
}

static int core_list(void *self, uint32_t v, struct reg_list *out)
{
	const struct kvm_reg_list *registers;
	int r = arm64_registers(self, &registers);

	for (uint64_t i = 0; r == 0 && i < registers->n; i++)
		if (ARM64_KIND(registers->reg[i]) == ARM64_KIND_CORE)
			r = reg_list_add(out, v, registers->reg[i], 0);
	return r;
}

static int core_get(void *self, struct reg_key key, void *val)
{
	struct vm *vm = self;

	return arm64_reg_get(&vm->vcpus[key.vcpu], key.id, val);
}

static int core_set(void *self, struct reg_key key, const void *val)
{
	struct vm *vm = self;

	return arm64_reg_set(&vm->vcpus[key.vcpu], key.id, val);
}

static int core_name(void *self, struct reg_key key, char *name, size_t size)
{
	(void)self;
	arm64_reg_name(key.id, name, size);
	return 0;
}

int arm64_core_bank_add(struct vm *vm)
{
	static const struct reg_bank bank = {
		.name = "core",
		.mask = ARM64_KIND_MASK,
		.match = ARM64_KIND_ID(ARM64_KIND_CORE),
		.per_vcpu = 1,
		.list = core_list,
		.get = core_get,
		.set = core_set,
		.name_of = core_name,
	};

	return reg_file_add(&vm->regs, &bank, 0, 0, vm);
}

static int sve_list(void *self, uint32_t v, struct reg_list *out)
{
	const struct kvm_reg_list *registers;
	int r = arm64_registers(self, &registers);

	for (uint64_t i = 0; r == 0 && i < registers->n; i++) {
		uint64_t id = registers->reg[i];

		if (ARM64_KIND(id) == ARM64_KIND_SVE)
			r = reg_list_add(out, v, id, id == KVM_REG_ARM64_SVE_VLS ? REG_PROMISE : 0);
	}
	return r;
}

int arm64_sve_bank_add(struct vm *vm)
{
	static const struct reg_bank bank = {
		.name = "sve",
		.mask = ARM64_KIND_MASK,
		.match = ARM64_KIND_ID(ARM64_KIND_SVE),
		.per_vcpu = 1,
		.list = sve_list,
		.get = core_get,
		.set = core_set,
		.name_of = core_name,
	};

	return vm->arch.cpu.has_sve ? reg_file_add(&vm->regs, &bank, 0, 0, vm) : 0;
}

/* Numbers: the ioctls' in linux/kvm.h. */
#define MP_STATE_ID REG_ID(REG_BANK_VCPU, 0, 2, _IOC_NR(KVM_GET_MP_STATE))
#define EVENTS_ID   REG_ID(REG_BANK_VCPU, 0, 6, _IOC_NR(KVM_GET_VCPU_EVENTS))

_Static_assert(sizeof(struct kvm_mp_state) == 1 << 2, "a register of 4 bytes");
_Static_assert(sizeof(struct kvm_vcpu_events) == 1 << 6, "a register of 64 bytes");

static int vcpu_list(void *self, uint32_t v, struct reg_list *out)
{
	int r = reg_list_add(out, v, MP_STATE_ID, 0);

	(void)self;
	return r < 0 ? r : reg_list_add(out, v, EVENTS_ID, 0);
}

static int unknown(struct reg_key key)
{
	return because(-ENOENT, "no register %#llx of a vCPU", (unsigned long long)key.id);
}

static int vcpu_get(void *self, struct reg_key key, void *val)
{
	struct vm *vm = self;
	int fd = vm->vcpus[key.vcpu].fd;

	if (key.id == MP_STATE_ID)
		return kvm_get_mp_state(fd, val);
	if (key.id != EVENTS_ID)
		return unknown(key);
	memset(val, 0, sizeof(struct kvm_vcpu_events));
	return kvm_get_vcpu_events(fd, val);
}

static int vcpu_set(void *self, struct reg_key key, const void *val)
{
	struct vm *vm = self;
	int fd = vm->vcpus[key.vcpu].fd;
	struct kvm_vcpu_events events;
	struct kvm_mp_state state;

	if (key.id == MP_STATE_ID) {
		memcpy(&state, val, sizeof(state));
		return kvm_set_mp_state(fd, &state);
	}
	if (key.id != EVENTS_ID)
		return unknown(key);
	memcpy(&events, val, sizeof(events));
	return kvm_set_vcpu_events(fd, &events);
}

static int vcpu_name(void *self, struct reg_key key, char *name, size_t size)
{
	(void)self;
	snprintf(name, size, "%s", key.id == MP_STATE_ID ? "mp_state" : "vcpu_events");
	return 0;
}

int arm64_vcpu_bank_add(struct vm *vm)
{
	static const struct reg_bank bank = {
		.name = "vcpu",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_VCPU),
		.per_vcpu = 1,
		.list = vcpu_list,
		.get = vcpu_get,
		.set = vcpu_set,
		.name_of = vcpu_name,
	};

	return reg_file_add(&vm->regs, &bank, 0, 0, vm);
}
