/* SPDX-License-Identifier: Apache-2.0 */
/* Work on vCPUs' threads, and vCPUs that wait outside the guest. */
#include "vm/vcpu_work.h"

#include <errno.h>

#include <ferry/error.h>

#include "vm/vm.h"

/* So often the work of one that is blocked is done. */
#define LOOK_NS 100000000

int vm_work_add(struct vm *vm, void (*fn)(void *self, struct vcpu *vcpu), void *self)
{
	if (vm->work_count == VM_WORKS)
		return because(-ENOSPC, "a VM has %u pieces of work at the most", VM_WORKS);
	vm->works[vm->work_count].fn = fn;
	vm->works[vm->work_count].self = self;
	vm->work_count++;
	return 0;
}

void vcpu_work(struct vcpu *vcpu)
{
	const struct vm *vm = vcpu->vm;

	for (unsigned i = 0; i < vm->work_count; i++)
		vm->works[i].fn(vm->works[i].self, vcpu);
}

void vcpu_block(struct vcpu *vcpu)
{
	atomic_store(&vcpu->blocked, true);
	atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_BLOCK);
}

void vcpu_unblock(struct vcpu *vcpu)
{
	if (atomic_exchange(&vcpu->blocked, false))
		vcpu_request(vcpu, VCPU_REQUEST_BLOCK);
}

static bool is_blocked(struct vcpu *vcpu, struct timespec *ret_left)
{
	*ret_left = (struct timespec){ .tv_nsec = LOOK_NS };
	return atomic_load(&vcpu->blocked) &&
	       atomic_load(&vcpu->requests) == VCPU_REQUEST_BLOCK;
}

/*
 * As long as it is blocked the request comes back, behind whatever else is asked of it. Nothing
 * tells user space of an NMI or an INIT that KVM has taken for a vCPU outside KVM_RUN: work looks.
 */
void vcpu_stay_blocked(struct vcpu *vcpu)
{
	struct timespec left;

	if (!atomic_load(&vcpu->blocked))
		return;
	atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_BLOCK);
	vcpu_time_switch(&vcpu->time, VCPU_TIME_SUSPENDED);
	vcpu_sleep(vcpu, is_blocked);
	vcpu_time_switch(&vcpu->time, VCPU_TIME_OTHER);
	if (is_blocked(vcpu, &left))
		atomic_fetch_or(&vcpu->requests, VCPU_REQUEST_WORK);
}
