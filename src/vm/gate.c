/* SPDX-License-Identifier: Apache-2.0 */
/* The gate before KVM_RUN: closing it, opening it, and waiting at it. */
#include "vm/gate.h"

#include "base/futex.h"

/*
 * Waits on the words themselves, not on vm->changed: with a mutex between them, whoever is woken
 * finds it held, and a stop takes twice as many turns of one CPU.
 */
void vm_gate_close(struct vm *vm)
{
	atomic_fetch_add(&vm->gate, 1);
	/* Who is not inside now finds the gate closed; who is comes out, and says so. */
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		if (atomic_load(&vm->vcpus[i].inside))
			vcpu_kick(&vm->vcpus[i]);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		while (atomic_load(&vm->vcpus[i].inside))
			futex_wait(&vm->vcpus[i].inside, 1);
}

void vm_gate_open(struct vm *vm)
{
	if (atomic_fetch_sub(&vm->gate, 1) == 1)
		futex_wake_all(&vm->gate);
}

void vm_gate_passed(struct vcpu *vcpu)
{
	futex_wake_all(&vcpu->inside);
}

void vm_gate_wait(struct vm *vm)
{
	for (uint32_t closed; (closed = atomic_load(&vm->gate));)
		futex_wait(&vm->gate, closed);
}

void vm_gate_step_back(struct vcpu *vcpu)
{
	do {
		atomic_store(&vcpu->inside, 0);
		/* Who closes it may have seen the vCPU inside. */
		futex_wake_all(&vcpu->inside);
		vm_gate_wait(vcpu->vm);
		atomic_store(&vcpu->inside, 1);
	} while (atomic_load(&vcpu->vm->gate));
}
