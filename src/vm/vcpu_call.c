/* SPDX-License-Identifier: Apache-2.0 */
/* Calls from vCPU to vCPU: a list a target, under the VM's lock. */
#include "vm/vcpu_call.h"

#include "vm/vm.h"

/* The oldest call, taken off the list. vm->lock held. */
static struct vcpu_call *take(struct vcpu *vcpu)
{
	struct vcpu_call *call = vcpu->calls;

	if (call)
		vcpu->calls = call->next;
	return call;
}

static void append(struct vcpu *vcpu, struct vcpu_call *call)
{
	struct vcpu_call **end = &vcpu->calls;

	while (*end)
		end = &(*end)->next;
	*end = call;
}

/* vm->lock held; it is free while the call is made. */
static void serve_one(struct vcpu *vcpu, struct vcpu_call *call)
{
	pthread_mutex_unlock(&vcpu->vm->lock);
	call->result = call->fn(call->arg, vcpu);
	pthread_mutex_lock(&vcpu->vm->lock);
	call->done = 1;
	pthread_cond_broadcast(&vcpu->vm->changed);
}

static void serve_all(struct vcpu *vcpu)
{
	struct vcpu_call *call;

	while ((call = take(vcpu)))
		serve_one(vcpu, call);
}

void vcpu_serve_calls(struct vcpu *vcpu)
{
	pthread_mutex_lock(&vcpu->vm->lock);
	serve_all(vcpu);
	pthread_mutex_unlock(&vcpu->vm->lock);
}

/* A target that stands still is kept there while others do its work. vm->lock held. */
static void serve_for(struct vcpu *target)
{
	target->claims++;
	serve_all(target);
	target->claims--;
	pthread_cond_broadcast(&target->vm->changed);
}

static bool stands_still(const struct vcpu *target)
{
	return target->is_parked || !target->has_thread;
}

int vcpu_call(struct vcpu *target, int (*fn)(void *arg, struct vcpu *vcpu), void *arg)
{
	struct vcpu_call call = { .fn = fn, .arg = arg };
	struct vcpu *self = vcpu_current();
	struct vm *vm = target->vm;

	if (target == self)
		return fn(arg, target);
	pthread_mutex_lock(&vm->lock);
	append(target, &call);
	pthread_mutex_unlock(&vm->lock);
	vcpu_request(target, VCPU_REQUEST_CALL);
	pthread_mutex_lock(&vm->lock);
	while (!call.done) {
		if (stands_still(target))
			serve_for(target);
		else if (self && self->calls)
			serve_all(self);
		else
			pthread_cond_wait(&vm->changed, &vm->lock);
	}
	pthread_mutex_unlock(&vm->lock);
	return call.result;
}
