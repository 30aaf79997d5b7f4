/* SPDX-License-Identifier: Apache-2.0 */
/* What a personality (src/pv) has done on vCPUs' own threads, and how it keeps one out of the guest. */
#ifndef VM_VCPU_WORK_H
#define VM_VCPU_WORK_H

#include <stdint.h>

struct vm;
struct vcpu;

/* How many pieces of work a VM can have. */
#define VM_WORKS 4

/*
 * fn(self, vcpu) is called on the thread of each vCPU that was sent VCPU_REQUEST_WORK: outside
 * KVM_RUN, the last exit retired, before the guest goes on. Every piece of work is called then, and
 * looks for itself whether there is something to do. One that is about to pause does it before, so
 * that an exit can leave something to it; a paused one does it when it is resumed. It is also called
 * when KVM says that a vCPU which was off has got its INIT. Before the VM first runs. -ENOSPC.
 */
int vm_work_add(struct vm *vm, void (*fn)(void *self, struct vcpu *vcpu), void *self);

/*
 * Keeps the vCPU out of the guest until vcpu_unblock(): it sleeps, and serves requests as ever (pause,
 * stop, work). Its work is done ten times a second as well, for what nobody asks for. On the
 * vCPU's thread, in an exit or in work; or before the VM first runs, of a vCPU that waited where
 * its registers come from. Who will unblock it learns of it afterwards, so that none comes too
 * early.
 */
void vcpu_block(struct vcpu *vcpu);
/* Any thread; of a vCPU that is not blocked too. */
void vcpu_unblock(struct vcpu *vcpu);

/* The run loop's: all work, and the sleep of a vCPU that is blocked. */
void vcpu_work(struct vcpu *vcpu);
void vcpu_stay_blocked(struct vcpu *vcpu);

#endif
