/* SPDX-License-Identifier: Apache-2.0 */
/* One vCPU has something done to another that is outside KVM_RUN, and waits for the result. */
#ifndef VM_VCPU_CALL_H
#define VM_VCPU_CALL_H

struct vcpu;

/* One call under way; the caller's. */
struct vcpu_call {
	int (*fn)(void *arg, struct vcpu *vcpu);
	void *arg;
	struct vcpu_call *next;
	int result;
	int done;
};

/*
 * fn(arg, target), while target is outside KVM_RUN, its last exit retired unless it is itself in a
 * call; returns what it returns. On a vCPU's thread, with no lock held that fn takes. It is the target's thread that calls
 * fn, or the caller's when the target has none that runs: it is paused, has ended, is the caller, or
 * the VM has not started. Who waits serves the calls of others, so that two may call each other; and
 * calls are served before a pause, so that a pause never waits for a caller that waits for it.
 */
int vcpu_call(struct vcpu *target, int (*fn)(void *arg, struct vcpu *vcpu), void *arg);

/* The run loop's: everything that others have asked for. */
void vcpu_serve_calls(struct vcpu *vcpu);

#endif
