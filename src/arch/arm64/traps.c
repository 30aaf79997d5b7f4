/* SPDX-License-Identifier: Apache-2.0 */
/* KVM's SMCCC filter, and who answers the calls that it forwards. */
#include "traps.h"

#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "kvm/kvm_arm64.h"
#include "vm/vm.h"

/* KVM has no capability for it: whether the VM has the attribute tells. */
static int set_filter(const struct vm *vm, uint32_t first, uint32_t count)
{
	struct kvm_smccc_filter filter = {
		.base = first,
		.nr_functions = count,
		.action = KVM_SMCCC_FILTER_FWD_TO_USER,
	};
	struct kvm_device_attr attr = {
		.group = KVM_ARM_VM_SMCCC_CTRL,
		.attr = KVM_ARM_VM_SMCCC_FILTER,
		.addr = (uintptr_t)&filter,
	};

	if (kvm_has_device_attr(vm->fd, &attr) < 0)
		return because(-EOPNOTSUPP,
			       "this kernel does not forward SMCCC calls: Linux 6.4 is the first");
	return kvm_set_device_attr(vm->fd, &attr);
}

int arm64_smccc_trap_add(struct vm *vm, uint32_t first, uint32_t count,
			 void (*fn)(void *self, struct vcpu *vcpu, uint32_t function), void *self)
{
	struct arm64_trap *trap = &vm->arch.traps[vm->arch.trap_count];
	int r;

	if (vm->arch.trap_count == ARRAY_SIZE(vm->arch.traps))
		return because(-ENOSPC, "no more traps of SMCCC calls");
	r = set_filter(vm, first, count);
	if (r == -EOPNOTSUPP)
		return r;
	if (r < 0)
		return because(r, "SMCCC calls from %#x on: %s", first, strerror(-r));
	*trap = (struct arm64_trap){ first, count, fn, self };
	vm->arch.trap_count++;
	return 0;
}

int arm64_traps_exit(struct vcpu *vcpu)
{
	const struct arch_vm *arch = &vcpu->vm->arch;
	uint32_t function = (uint32_t)vcpu->run->hypercall.nr;

	if (vcpu->run->exit_reason != KVM_EXIT_HYPERCALL)
		return -ENOSYS;
	for (unsigned i = 0; i < arch->trap_count; i++) {
		const struct arm64_trap *trap = &arch->traps[i];

		if (function - trap->first >= trap->count)
			continue;
		trap->fn(trap->self, vcpu, function);
		return 0;
	}
	return -ENOSYS;
}
