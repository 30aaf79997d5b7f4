/* SPDX-License-Identifier: Apache-2.0 */
/* VCPUOP_initialise: a vCPU that has not run is put where the guest says (arch_set_info_hvm_guest()). */
#include <errno.h>

#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "pv/xen/hypercall.h"

enum { CS, DS, SS, ES, TR, SEGMENTS };

/* Attributes as in the guest's structure: type, S, DPL, P, AVL, L, D/B, G. */
#define AR_S	0x010
#define AR_P	0x080
#define AR_ALL	0xfff
#define TYPE_WRITE 0x2 /* of data; of code: may be read */
#define TYPE_CODE  0x8
#define TYPE_TSS_BUSY 0xb

struct beginning {
	struct xen_vcpu *v;
	const struct xen_vcpu_hvm_context *context;
};

static bool is_segment(int which, uint16_t ar)
{
	unsigned type = ar & 0xf;
	bool is_system = !(ar & AR_S);

	if (ar & ~AR_ALL)
		return false;
	if (ar == 0)
		return which == DS || which == ES;
	if (!(ar & AR_P) || is_system != (which == TR))
		return false;
	switch (which) {
	case CS:
		return type & TYPE_CODE;
	case SS:
		return !(type & TYPE_CODE) && type & TYPE_WRITE;
	case TR:
		return type == TYPE_TSS_BUSY;
	default:
		return !(type & TYPE_CODE) || type & TYPE_WRITE;
	}
}

static struct kvm_segment segment(uint32_t base, uint32_t limit, uint16_t ar)
{
	return (struct kvm_segment){
		.base = base,
		.limit = limit,
		.type = ar & 0xf,
		.s = ar >> 4 & 1,
		.dpl = ar >> 5 & 3,
		.present = ar >> 7 & 1,
		.avl = ar >> 8 & 1,
		.l = ar >> 9 & 1,
		.db = ar >> 10 & 1,
		.g = ar >> 11 & 1,
		.unusable = ar == 0,
	};
}

static int fill_32(const struct xen_vcpu_hvm_x86_32 *from, struct kvm_regs *regs,
		   struct kvm_sregs *sregs)
{
	struct kvm_segment *const to[SEGMENTS] = { [CS] = &sregs->cs, [DS] = &sregs->ds,
						   [SS] = &sregs->ss, [ES] = &sregs->es,
						   [TR] = &sregs->tr };

	if (from->pad1 || from->pad2[0] || from->pad2[1] || from->pad2[2])
		return -EINVAL;
	for (int i = 0; i < SEGMENTS; i++) {
		if (!is_segment(i, from->ar[i]))
			return -EINVAL;
		*to[i] = segment(from->base[i], from->limit[i], from->ar[i]);
	}
	*regs = (struct kvm_regs){
		.rax = from->eax, .rcx = from->ecx, .rdx = from->edx, .rbx = from->ebx,
		.rsp = from->esp, .rbp = from->ebp, .rsi = from->esi, .rdi = from->edi,
		.rip = from->eip, .rflags = from->eflags | 2,
	};
	sregs->cr0 = from->cr0;
	sregs->cr3 = from->cr3;
	sregs->cr4 = from->cr4;
	sregs->efer = from->efer;
	return 0;
}

/* In long mode from the first instruction on; segments are what such a CPU has. */
static int fill_64(const struct xen_vcpu_hvm_x86_64 *from, struct kvm_regs *regs,
		   struct kvm_sregs *sregs)
{
	sregs->cs = segment(0, UINT32_MAX, 0xa9b);
	sregs->ds = sregs->es = sregs->ss = segment(0, UINT32_MAX, 0xc93);
	sregs->tr = segment(0, 0x67, 0x08b);
	*regs = (struct kvm_regs){
		.rax = from->rax, .rcx = from->rcx, .rdx = from->rdx, .rbx = from->rbx,
		.rsp = from->rsp, .rbp = from->rbp, .rsi = from->rsi, .rdi = from->rdi,
		.rip = from->rip, .rflags = from->rflags | 2,
	};
	sregs->cr0 = from->cr0;
	sregs->cr3 = from->cr3;
	sregs->cr4 = from->cr4;
	sregs->efer = from->efer;
	return 0;
}

/* It is down until VCPUOP_up; an INIT and a SIPI by its LAPIC would have begun it as well. */
static int begin(void *arg, struct vcpu *vcpu)
{
	const struct beginning *beginning = arg;
	const struct xen_vcpu_hvm_context *context = beginning->context;
	struct xen_vcpu *v = beginning->v;
	struct kvm_mp_state state = { 0 };
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	int r = kvm_get_mp_state(vcpu->fd, &state);

	if (r == 0 && state.mp_state != KVM_MP_STATE_UNINITIALIZED)
		return -EEXIST;
	if (r == 0)
		r = kvm_get_sregs(vcpu->fd, &sregs);
	if (r == 0)
		r = context->mode == XEN_VCPU_HVM_MODE_32B
			    ? fill_32(&context->cpu_regs.x86_32, &regs, &sregs)
			    : fill_64(&context->cpu_regs.x86_64, &regs, &sregs);
	if (r == 0)
		r = kvm_set_sregs(vcpu->fd, &sregs);
	if (r == 0)
		r = kvm_set_regs(vcpu->fd, &regs);
	if (r < 0)
		return r;
	xen_lock(v->xen);
	v->down = true;
	xen_unlock(v->xen);
	vcpu_block(vcpu);
	state.mp_state = KVM_MP_STATE_RUNNABLE;
	return kvm_set_mp_state(vcpu->fd, &state);
}

int64_t xen_vcpu_initialise(struct xen_call *call, struct xen_vcpu *v)
{
	struct xen_vcpu_hvm_context context;
	struct beginning beginning = { v, &context };
	bool has_info;

	xen_lock(call->xen);
	has_info = xen_vcpu_info(v) != NULL;
	xen_unlock(call->xen);
	if (!has_info)
		return -XEN_EINVAL;
	if (xen_copy_in(call, &context, call->args[2], sizeof(context)))
		return -XEN_EFAULT;
	if (context.pad || context.mode > XEN_VCPU_HVM_MODE_64B)
		return -XEN_EINVAL;
	return xen_error(vcpu_call(v->vcpu, begin, &beginning));
}
