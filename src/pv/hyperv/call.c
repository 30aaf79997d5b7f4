/* SPDX-License-Identifier: Apache-2.0 */
/* The hypercall page, and what comes through it: from the guest's OUT to its result. */
#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "arch/x86/traps.h"
#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "pv/hyperv/impl.h"
#include "vm/vm.h"

#define CR0_PE	 (1ULL << 0)
#define EFER_LMA (1ULL << 10)
#define VECTOR_UD 6

/*
 * out %al, $HYPERV_PORT; ret. The prefix means nothing to OUT; it makes the instruction as long as
 * VMCALL and VMMCALL, so that a VP that stands in a page that calls KVM finds itself at the same
 * place in this one, and the other way round. In 32-bit mode the bytes mean the same.
 */
static const uint8_t page_code[] = { 0x3e, 0xe6, HYPERV_PORT, 0xc3 };
#define OUT_LENGTH 3

/* ENDBR64: Linux does without IBT where a call would not land on it. In 32-bit mode a NOP. */
static const uint8_t landing[] = { 0xf3, 0x0f, 0x1e, 0xfa };

/* What KVM writes: VMCALL or VMMCALL, whose last bytes differ, and RET. */
#define KVM_CODE_VMCALL	 0xc3c1010f
#define KVM_CODE_VMMCALL 0xc3d9010f

static gpa_t page_of(const struct hyperv *hv)
{
	return hv->hypercall & HV_MSR_PAGE_ADDRESS;
}

static int write_page(struct hyperv *hv, const void *code)
{
	uint8_t bytes[sizeof(landing) + sizeof(page_code)];

	memcpy(bytes, landing, sizeof(landing));
	memcpy(bytes + sizeof(landing), code, sizeof(page_code));
	return mem_write(&hv->vm->mem, page_of(hv), bytes, sizeof(bytes));
}

int hyperv_call_write_page(struct hyperv *hv)
{
	return write_page(hv, page_code);
}

int hyperv_call_move_code(struct hyperv *hv)
{
	uint32_t code;
	int r = mem_read(&hv->vm->mem, page_of(hv), &code, sizeof(code));

	if (r < 0 || (code != KVM_CODE_VMCALL && code != KVM_CODE_VMMCALL))
		return r;
	return write_page(hv, &code);
}

static bool is_long_mode(const struct kvm_sregs *sregs)
{
	return sregs->efer & EFER_LMA && sregs->cs.l;
}

/* TLFS 3.7: 32-bit callers have halves in pairs of registers. */
static struct hcall_regs take_regs(const struct kvm_regs *regs, bool is_long)
{
	if (is_long)
		return (struct hcall_regs){ .input = regs->rcx, .in = regs->rdx, .out = regs->r8 };
	return (struct hcall_regs){
		.input = regs->rdx << 32 | (uint32_t)regs->rax,
		.in = regs->rbx << 32 | (uint32_t)regs->rcx,
		.out = regs->rdi << 32 | (uint32_t)regs->rsi,
	};
}

static int take_xmm(const struct vcpu *vcpu, struct hcall_regs *call)
{
	struct kvm_fpu fpu;
	int r = kvm_get_fpu(vcpu->fd, &fpu);

	if (r == 0)
		memcpy(call->xmm, fpu.xmm, sizeof(call->xmm));
	return r;
}

/* TLFS 3.8: the result, and for a rep call how far its list was worked through. */
static void give_result(struct kvm_regs *regs, bool is_long, uint32_t status, uint32_t reps)
{
	uint64_t result = status | (uint64_t)reps << HV_RESULT_REPS_SHIFT;

	if (!is_long) {
		regs->rax = (uint32_t)result;
		regs->rdx = result >> 32;
		return;
	}
	regs->rax = result;
	if (reps) {
		regs->rcx &= ~(HV_CALL_START_MASK << HV_CALL_START_SHIFT);
		regs->rcx |= (uint64_t)reps << HV_CALL_START_SHIFT;
	}
}

static void send_ipis(const struct hyperv *hv, const struct hcall *call)
{
	for (uint32_t i = 0; i < hv->vm->vcpu_count; i++)
		if (hcall_targets_has(&call->targets, i))
			hyperv_interrupt(hv, i, call->vector);
}

static void finish_later(struct hyperv *hv, struct vcpu *vcpu, enum hyperv_after after)
{
	hyperv_vp(hv, vcpu->index)->after = after;
	vcpu_request(vcpu, VCPU_REQUEST_WORK);
}

/* False: the call is not done, and has no result yet. */
static bool carry_out(struct hyperv *hv, struct vcpu *vcpu, const struct hcall *call,
		      uint32_t *status)
{
	if (call->kind == HCALL_IPI)
		send_ipis(hv, call);
	if (call->kind == HCALL_POST || call->kind == HCALL_SIGNAL)
		*status = hyperv_port_call(hv, call);
	if (call->kind != HCALL_FLUSH || hyperv_flush(hv, vcpu, &call->targets))
		return true;
	finish_later(hv, vcpu, HYPERV_AFTER_REISSUE);
	return false;
}

static int serve(struct hyperv *hv, struct vcpu *vcpu)
{
	struct kvm_sregs sregs = { 0 };
	struct kvm_regs regs = { 0 };
	struct hcall_regs input;
	struct hcall call;
	uint32_t status;
	int r = kvm_get_sregs(vcpu->fd, &sregs);

	if (r == 0)
		r = kvm_get_regs(vcpu->fd, &regs);
	if (r < 0)
		return r;
	/* TLFS 3.6: real mode and user mode have no hypercalls. */
	if (!(sregs.cr0 & CR0_PE) || sregs.ss.dpl) {
		finish_later(hv, vcpu, HYPERV_AFTER_UD);
		return 0;
	}
	input = take_regs(&regs, is_long_mode(&sregs));
	if (hcall_needs_xmm(input.input))
		r = take_xmm(vcpu, &input);
	if (r < 0)
		return r;
	status = hcall_decode(&hv->vm->mem, &hv->rights, &input, &call);
	if (status == HCALL_UD) {
		finish_later(hv, vcpu, HYPERV_AFTER_UD);
		return 0;
	}
	if (status == HV_STATUS_SUCCESS && !carry_out(hv, vcpu, &call, &status))
		return 0;
	give_result(&regs, is_long_mode(&sregs), status, call.reps);
	return kvm_set_regs(vcpu->fd, &regs);
}

static void hypercall(void *self, struct vcpu *vcpu)
{
	int r = serve(self, vcpu);

	if (r < 0)
		vm_end(vcpu->vm, VM_END_FAILED, "hyperv: a vCPU's registers cannot be reached");
}

/* Whether RIP is right behind the page's OUT, wherever the guest has mapped it. */
static bool is_behind_out(const struct vcpu *vcpu, const struct kvm_regs *regs)
{
	struct kvm_translation at = { 0 };
	uint8_t code[OUT_LENGTH] = { 0 };
	struct kvm_sregs sregs;

	if (kvm_get_sregs(vcpu->fd, &sregs) < 0)
		return false;
	at.linear_address = regs->rip - OUT_LENGTH;
	if (!is_long_mode(&sregs))
		at.linear_address = (uint32_t)(sregs.cs.base + at.linear_address);
	if (kvm_translate(vcpu->fd, &at) < 0 || !at.valid ||
	    mem_read(&vcpu->vm->mem, at.physical_address, code, sizeof(code)) < 0) {
		error_clear();
		return false;
	}
	return memcmp(code, page_code, sizeof(code)) == 0;
}

/*
 * KVM has completed the OUT: RIP is behind it, on every kind of KVM. A caller that waits is put in
 * front of it, and all that the guest is stands in its registers: they can be saved and moved, an
 * interrupt is taken there, and entering the guest makes the hypercall again. Who has made one by
 * an OUT of its own cannot be put back, and is denied what it would have to wait for.
 */
static int reissue(struct hyperv *hv, struct vcpu *vcpu, struct kvm_regs *regs)
{
	if (is_behind_out(vcpu, regs)) {
		regs->rip -= OUT_LENGTH;
	} else {
		hyperv_stop_waiting(hv, vcpu->index);
		regs->rax = HV_STATUS_OPERATION_DENIED;
	}
	return kvm_set_regs(vcpu->fd, regs);
}

static int raise_ud(const struct vcpu *vcpu, struct kvm_regs *regs)
{
	struct kvm_vcpu_events events;
	int r = 0;

	if (is_behind_out(vcpu, regs)) {
		regs->rip -= OUT_LENGTH;
		r = kvm_set_regs(vcpu->fd, regs);
	}
	if (r == 0)
		r = kvm_get_vcpu_events(vcpu->fd, &events);
	events.exception.injected = 1;
	events.exception.nr = VECTOR_UD;
	events.exception.has_error_code = 0;
	return r < 0 ? r : kvm_set_vcpu_events(vcpu->fd, &events);
}

static int finish_call(struct hyperv *hv, struct vcpu *vcpu)
{
	enum hyperv_after after = hyperv_vp(hv, vcpu->index)->after;
	struct kvm_regs regs;
	int r;

	if (after == HYPERV_AFTER_NOTHING)
		return 0;
	hyperv_vp(hv, vcpu->index)->after = HYPERV_AFTER_NOTHING;
	r = kvm_get_regs(vcpu->fd, &regs);
	if (r < 0)
		return r;
	return after == HYPERV_AFTER_UD ? raise_ud(vcpu, &regs) : reissue(hv, vcpu, &regs);
}

/* A vCPU's work, in this order: the hypercall first, since waiting ends its turn. */
static void work(void *self, struct vcpu *vcpu)
{
	if (finish_call(self, vcpu) < 0)
		vm_end(vcpu->vm, VM_END_FAILED, "hyperv: a vCPU's registers cannot be reached");
	hyperv_msr_work(self, vcpu);
	hyperv_stimer_work(self, vcpu);
	hyperv_flush_work(self, vcpu);
}

int hyperv_call_init(struct hyperv *hv)
{
	int r = vm_work_add(hv->vm, work, hv);

	return r < 0 ? r : x86_hypercall_port_add(hv->vm, HYPERV_PORT, hypercall, hv);
}
