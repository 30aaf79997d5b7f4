/* SPDX-License-Identifier: Apache-2.0 */
/* hvm_op (xen/arch/x86/hvm/hvm.c), vm_assist and console_io. */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "pv/xen/hypercall.h"

#define CR4_PGE (1ULL << 7)

/* KVM flushes a guest's TLB when the bits change that a guest itself would flush it by. */
static int flush(void *arg, struct vcpu *vcpu)
{
	struct kvm_sregs sregs;
	int r = kvm_get_sregs(vcpu->fd, &sregs);

	(void)arg;
	if (r < 0 || !(sregs.cr0 & 1ULL << 31))
		return r;
	sregs.cr4 ^= CR4_PGE;
	r = kvm_set_sregs(vcpu->fd, &sregs);
	sregs.cr4 ^= CR4_PGE;
	return r < 0 ? r : kvm_set_sregs(vcpu->fd, &sregs);
}

static int64_t flush_tlbs(struct xen_call *call)
{
	if (call->args[1])
		return -XEN_EINVAL;
	for (uint32_t i = 0; i < call->xen->vcpu_count; i++)
		vcpu_call(call->xen->vcpus[i].vcpu, flush, NULL);
	return 0;
}

static int64_t get_time(struct xen_call *call)
{
	struct xen_hvm_get_time op = { .now = xen_now(call->xen) };

	return xen_copy_out(call, call->args[1], &op, sizeof(op));
}

static int64_t get_mem_type(struct xen_call *call)
{
	const struct mem *mem = &call->xen->vm->mem;
	struct xen_hvm_get_mem_type op;
	uint64_t gpa;
	int r;

	if (xen_copy_in(call, &op, call->args[1], sizeof(op)))
		return -XEN_EFAULT;
	r = xen_check_self(op.domid);
	if (r < 0)
		return r;
	gpa = op.pfn < UINT64_MAX >> 12 ? op.pfn * XEN_PAGE_SIZE : 0;
	if (op.pfn >= UINT64_MAX >> 12 || !mem_ptr(mem, gpa, 1))
		op.mem_type = XEN_HVMMEM_mmio_dm;
	else
		op.mem_type = mem_ptr_rw((struct mem *)mem, gpa, 1) ? XEN_HVMMEM_ram_rw
								     : XEN_HVMMEM_ram_ro;
	return xen_copy_out(call, call->args[1], &op, sizeof(op));
}

static int64_t set_upcall_vector(struct xen_call *call)
{
	struct xen *xen = call->xen;
	struct xen_hvm_evtchn_upcall_vector op;
	struct xen_vcpu *v;
	uint8_t *info;

	if (xen_copy_in(call, &op, call->args[1], sizeof(op)))
		return -XEN_EFAULT;
	if (op.vector < XEN_VECTOR_MIN)
		return -XEN_EINVAL;
	v = xen_vcpu(xen, op.vcpu);
	if (!v)
		return -XEN_ENOENT;
	xen_lock(xen);
	v->vector = op.vector;
	v->stale |= XEN_STALE_VECTOR;
	xen->engine->choose_delivery(xen);
	info = xen_vcpu_info(v);
	/* What is pending has had no interrupt that would have come by this vector. */
	if (info && __atomic_load_n(info, __ATOMIC_SEQ_CST))
		v->rescan = true;
	xen_unlock(xen);
	return xen_sync(xen);
}

int64_t xen_hvm_op(struct xen_call *call)
{
	switch (call->args[0]) {
	case HVMOP_set_param:
		return xen_set_param(call);
	case HVMOP_get_param:
		return xen_get_param(call);
	case HVMOP_flush_tlbs:
		return flush_tlbs(call);
	case HVMOP_pagetable_dying: /* is for shadow page tables, which Xen has not either */
		return -XEN_EINVAL;
	case HVMOP_get_time:
		return get_time(call);
	case HVMOP_get_mem_type:
		return get_mem_type(call);
	case HVMOP_set_evtchn_upcall_vector:
		return set_upcall_vector(call);
	default:
		return -XEN_ENOSYS;
	}
}

/* Of the types only this one is for HVM domains (VMASST_ valid mask of arch-x86/config.h). */
int64_t xen_vm_assist(struct xen_call *call)
{
	struct xen *xen = call->xen;
	int r;

	if (call->args[1] != XEN_VMASST_TYPE_runstate_update_flag)
		return -XEN_EINVAL;
	if (call->args[0] != XEN_VMASST_CMD_enable && call->args[0] != XEN_VMASST_CMD_disable)
		return -XEN_ENOSYS;
	xen_lock(xen);
	xen->runstate_flag = call->args[0] == XEN_VMASST_CMD_enable;
	r = xen->engine->set_runstate_flag(xen);
	xen_unlock(xen);
	return xen_error(r);
}

int64_t xen_console_io(struct xen_call *call)
{
	uint64_t left = (uint32_t)call->args[1], at = call->args[2];
	char text[256];

	if (call->args[0] == XEN_CONSOLEIO_read)
		return 0;
	if (call->args[0] != XEN_CONSOLEIO_write)
		return -XEN_ENOSYS;
	/* An int in Xen; and no more than a guest's page or two would be said at once. */
	if (left > 1U << 16)
		return -XEN_E2BIG;
	while (left > 0) {
		size_t part = min_u64(left, sizeof(text));

		if (xen_copy_in(call, text, at, part))
			return -XEN_EFAULT;
		if (call->xen->say)
			call->xen->say(call->xen->say_self, text, part);
		at += part;
		left -= part;
	}
	return 0;
}
