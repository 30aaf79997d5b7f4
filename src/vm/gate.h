/* SPDX-License-Identifier: Apache-2.0 */
/* The gate before KVM_RUN: closed while guest memory is in a state that no vCPU may see. */
#ifndef VM_GATE_H
#define VM_GATE_H

#include "base/util.h"
#include "vm/vm.h"

/*
 * When it returns no vCPU is in KVM_RUN, and none enters until the gate is opened as often as it
 * was closed. Unlike vm_pause() it does not wait for exits to be dispatched or retired: registers
 * stay the vCPUs' own, and any thread may call it, with any lock held that KVM_RUN itself does not
 * need; a vCPU's thread too, in a device's operation.
 */
void vm_gate_close(struct vm *vm);
void vm_gate_open(struct vm *vm);

/* For the run loop: waits outside until the gate is open; says that the vCPU is outside; both. */
void vm_gate_wait(struct vm *vm);
void vm_gate_passed(struct vcpu *vcpu);
void vm_gate_step_back(struct vcpu *vcpu);

/*
 * A store, then a load of what the other side stores, in this order on both sides: a locked
 * instruction each. A barrier by membarrier(2), which would spare vCPUs that, makes whoever closes
 * the gate wait for interrupts of all CPUs. The look before it keeps a vCPU that comes to a closed
 * gate from being waited for once more.
 */
static inline void vm_gate_enter(struct vcpu *vcpu)
{
	if (__builtin_expect(atomic_load_explicit(&vcpu->vm->gate, memory_order_relaxed), 0))
		vm_gate_wait(vcpu->vm);
	atomic_store(&vcpu->inside, 1);
	if (__builtin_expect(atomic_load(&vcpu->vm->gate), 0))
		vm_gate_step_back(vcpu);
}

static inline void vm_gate_leave(struct vcpu *vcpu)
{
	atomic_store(&vcpu->inside, 0);
	if (__builtin_expect(atomic_load(&vcpu->vm->gate), 0))
		vm_gate_passed(vcpu);
}

#endif
