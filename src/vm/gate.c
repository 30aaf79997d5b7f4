/* SPDX-License-Identifier: Apache-2.0 */
/* The gate before KVM_RUN: closing it, opening it, and waiting at it. */
#include "vm/gate.h"

static bool is_any_inside(const struct vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		if (atomic_load(&vm->vcpus[i].inside))
			return true;
	return false;
}

void vm_gate_close(struct vm *vm)
{
	atomic_fetch_add(&vm->gate, 1);
	/* Who is not inside now finds the gate closed; who is comes out, and says so. */
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		if (atomic_load(&vm->vcpus[i].inside))
			vcpu_kick(&vm->vcpus[i]);
	pthread_mutex_lock(&vm->lock);
	while (is_any_inside(vm))
		pthread_cond_wait(&vm->changed, &vm->lock);
	pthread_mutex_unlock(&vm->lock);
}

void vm_gate_open(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	if (atomic_fetch_sub(&vm->gate, 1) == 1)
		pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

void vm_gate_passed(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

void vm_gate_wait(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	pthread_mutex_lock(&vm->lock);
	while (atomic_load(&vm->gate)) {
		atomic_store(&vcpu->inside, false);
		pthread_cond_broadcast(&vm->changed);
		pthread_cond_wait(&vm->changed, &vm->lock);
		/* As vm_gate_enter(): inside first, then the look, which the loop takes. */
		atomic_store(&vcpu->inside, true);
	}
	pthread_mutex_unlock(&vm->lock);
}
