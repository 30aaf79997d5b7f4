/* SPDX-License-Identifier: Apache-2.0 */
/* How a handler is entered and left: what becomes of the vCPU's registers (DEN0054 4.3). */
#include "pv/sdei/impl.h"

#include "arch/arm64/regs.h"
#include "kvm/kvm_arm64.h"
#include "vm/vm.h"

#define ID_SCTLR_EL1 ARM64_SYSREG_ID(3, 0, 1, 0, 0)

/* Arm ARM C5.2.18: SPSR_EL1 */
#define PSTATE_NZCV   (0xfULL << 28)
#define PSTATE_DIT    (1ULL << 24)
#define PSTATE_PAN    (1ULL << 22)
#define PSTATE_DIT_32 (1ULL << 21) /* of AArch32 */
#define PSTATE_SSBS   (1ULL << 12)
#define PSTATE_DAIF   (0xfULL << 6)
#define PSTATE_32     (1ULL << 4)
#define PSTATE_EL1H   0x5ULL

#define SCTLR_SPAN  (1ULL << 23)
#define SCTLR_DSSBS (1ULL << 44)

uint64_t sdei_entry_pstate(uint64_t pstate, uint64_t sctlr)
{
	uint64_t entry = PSTATE_DAIF | PSTATE_EL1H | (pstate & (PSTATE_NZCV | PSTATE_PAN));
	uint64_t dit = (pstate & PSTATE_32) ? PSTATE_DIT_32 : PSTATE_DIT;

	if (pstate & dit)
		entry |= PSTATE_DIT;
	if (!(sctlr & SCTLR_SPAN))
		entry |= PSTATE_PAN;
	if (sctlr & SCTLR_DSSBS)
		entry |= PSTATE_SSBS;
	return entry;
}

static int save(struct vcpu *vcpu, struct sdei_context *context)
{
	int r = kvm_get_one_reg(vcpu->fd, ARM64_ID_PC, &context->pc);

	if (r == 0)
		r = kvm_get_one_reg(vcpu->fd, ARM64_ID_PSTATE, &context->pstate);
	for (unsigned n = 0; n < SDEI_CONTEXT_REGISTERS && r == 0; n++)
		r = kvm_get_one_reg(vcpu->fd, ARM64_ID_X(n), &context->x[n]);
	return r;
}

/* PSTATE first: as long as it is AArch32's, KVM cuts what is written to the others. */
int sdei_enter(struct vcpu *vcpu, const struct sdei_handler *handler, struct sdei_context *context)
{
	uint64_t sctlr = 0, values[4];
	int r = save(vcpu, context);

	if (r == 0)
		r = kvm_get_one_reg(vcpu->fd, ID_SCTLR_EL1, &sctlr);
	context->entry_pstate = sdei_entry_pstate(context->pstate, sctlr);
	values[0] = context->event;
	values[1] = handler->arg;
	values[2] = context->pc;
	values[3] = context->pstate;
	if (r == 0)
		r = kvm_set_one_reg(vcpu->fd, ARM64_ID_PSTATE, &context->entry_pstate);
	for (unsigned n = 0; n < 4 && r == 0; n++)
		r = kvm_set_one_reg(vcpu->fd, ARM64_ID_X(n), &values[n]);
	return r < 0 ? r : kvm_set_one_reg(vcpu->fd, ARM64_ID_PC, &handler->entry);
}

/* PSTATE last, for the same reason. */
int sdei_leave(struct vcpu *vcpu, const struct sdei_context *context, bool resume, uint64_t address)
{
	uint64_t pc = resume ? address : context->pc;
	uint64_t pstate = resume ? context->entry_pstate : context->pstate;
	int r = 0;

	for (unsigned n = 0; n < SDEI_CONTEXT_REGISTERS && r == 0; n++)
		r = kvm_set_one_reg(vcpu->fd, ARM64_ID_X(n), &context->x[n]);
	if (r == 0 && resume)
		r = kvm_set_one_reg(vcpu->fd, ARM64_ID_ELR_EL1, &context->pc);
	if (r == 0 && resume)
		r = kvm_set_one_reg(vcpu->fd, ARM64_ID_SPSR_EL1, &context->pstate);
	if (r == 0)
		r = kvm_set_one_reg(vcpu->fd, ARM64_ID_PC, &pc);
	return r < 0 ? r : kvm_set_one_reg(vcpu->fd, ARM64_ID_PSTATE, &pstate);
}
