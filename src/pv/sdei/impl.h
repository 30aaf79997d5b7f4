/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of SDEI share. */
#ifndef PV_SDEI_IMPL_H
#define PV_SDEI_IMPL_H

#include <pthread.h>

#include "pv/sdei/model.h"
#include "pv/sdei/sdei.h"

struct vcpu;

#define FIRST_SPI 32 /* GICv3 2.2; GSI n is SPI n */

/* lock: the model; held around ioctls of the vCPU whose thread it is. Nothing is taken under it. */
struct sdei {
	struct vm *vm;
	pthread_mutex_t lock;
	struct sdei_model model;
};

/* Wakes those who may be able to take an event now; self need not be. Lock not held. */
void sdei_wake(struct sdei *sdei, uint32_t whom, const struct vcpu *self);

/*
 * entry.c: on the vCPU's thread, outside KVM_RUN, its last exit retired. Enter fills the context
 * with what is interrupted and lets the handler run; leave goes back to it, or with resume to an
 * address in EL1 that finds it in ELR_EL1 and SPSR_EL1, as after an exception. What KVM says.
 */
int sdei_enter(struct vcpu *vcpu, const struct sdei_handler *handler, struct sdei_context *context);
int sdei_leave(struct vcpu *vcpu, const struct sdei_context *context, bool resume, uint64_t address);

/* PSTATE after an exception to EL1 from one with this PSTATE (Arm ARM, AArch64.TakeException). */
uint64_t sdei_entry_pstate(uint64_t pstate, uint64_t sctlr);

#endif
