/* SPDX-License-Identifier: Apache-2.0 */
/* arm64's share of a VM and of its vCPUs. Not ported yet: a VM is refused before anything starts. */
#include <errno.h>
#include <stdio.h>

#include "regs.h"
#include "traps.h"
#include "vm/vm.h"

int arch_vm_init(struct vm *vm)
{
	(void)vm;
	return arm64_not_ported("the machine");
}

void arch_vm_finish(struct vm *vm)
{
	(void)vm;
}

int arch_vcpu_init(struct vcpu *vcpu)
{
	(void)vcpu;
	return arm64_not_ported("vCPUs");
}

void arch_vcpu_finish(struct vcpu *vcpu)
{
	(void)vcpu;
}

int arch_vcpu_exit(struct vcpu *vcpu)
{
	return arm64_traps_exit(vcpu);
}

void arch_vcpu_resume(struct vcpu *vcpu)
{
	(void)vcpu;
}

int arch_vm_hold(struct vm *vm)
{
	(void)vm;
	return arm64_not_ported("holding a VM");
}

int arch_vm_go_on(struct vm *vm, bool arrived)
{
	(void)vm, (void)arrived;
	return arm64_not_ported("holding a VM");
}

void arch_vcpu_describe(struct vcpu *vcpu, char *buf, size_t size)
{
	snprintf(buf, size, "vCPU %u", vcpu->index);
}
