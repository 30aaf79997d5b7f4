/* SPDX-License-Identifier: Apache-2.0 */
/* vcpu_op (xen/common/domain.c, xen/arch/x86/hvm/hvm.c). */
#include <errno.h>

#include "kvm/kvm_x86.h"
#include "pv/xen/hypercall.h"

#define MSI_NMI 0x400u

struct look {
	struct xen_vcpu *v;
	bool up;
};

/* A vCPU that waits for INIT or SIPI is down, as Xen sees it. */
static bool is_up(struct xen_vcpu *v)
{
	struct kvm_mp_state state = { 0 };

	if (v->down || kvm_get_mp_state(v->vcpu->fd, &state) < 0)
		return false;
	return state.mp_state != KVM_MP_STATE_UNINITIALIZED &&
	       state.mp_state != KVM_MP_STATE_INIT_RECEIVED;
}

static int look_on(void *arg, struct vcpu *vcpu)
{
	struct look *look = arg;

	(void)vcpu;
	look->up = is_up(look->v);
	return 0;
}

struct registration {
	struct xen_vcpu *v;
	const struct vcpu *caller;
	struct xen_vcpu_register_vcpu_info op;
};

static int register_on(void *arg, struct vcpu *vcpu)
{
	const struct registration *registration = arg;
	struct xen_vcpu *v = registration->v;

	return xen_vcpu_info_register(v, registration->op.mfn, registration->op.offset,
				      vcpu != registration->caller && is_up(v));
}

static int64_t register_vcpu_info(struct xen_call *call, struct xen_vcpu *v)
{
	struct registration registration = { .v = v, .caller = call->v->vcpu };

	if (xen_copy_in(call, &registration.op, call->args[2], sizeof(registration.op)))
		return -XEN_EFAULT;
	return vcpu_call(v->vcpu, register_on, &registration);
}

static int down_on(void *arg, struct vcpu *vcpu)
{
	struct xen_vcpu *v = arg;

	xen_lock(v->xen);
	v->down = true;
	xen_runstate_set(v, XEN_RUNSTATE_offline);
	xen_unlock(v->xen);
	vcpu_block(vcpu);
	return 0;
}

static bool others_are_down(struct xen *xen, const struct xen_vcpu *v)
{
	for (uint32_t i = 0; i < xen->vcpu_count; i++) {
		struct look look = { .v = &xen->vcpus[i] };

		if (look.v == v)
			continue;
		vcpu_call(look.v->vcpu, look_on, &look);
		if (look.up)
			return false;
	}
	return true;
}

/* The last one that goes down takes the domain with it. */
static int64_t down(struct xen_call *call, struct xen_vcpu *v)
{
	if (others_are_down(call->xen, v)) {
		vm_end(call->xen->vm, VM_END_POWEROFF, NULL);
		return 0;
	}
	return vcpu_call(v->vcpu, down_on, v);
}

static int64_t up(struct xen_call *call, struct xen_vcpu *v)
{
	struct look look = { .v = v };
	bool was_down;

	vcpu_call(v->vcpu, look_on, &look);
	xen_lock(call->xen);
	was_down = v->down;
	if (was_down)
		xen_runstate_set(v, XEN_RUNSTATE_running);
	v->down = false;
	xen_unlock(call->xen);
	/* One that waits for INIT was not initialised by hypercall, and is by its LAPIC. */
	if (!was_down)
		return look.up ? 0 : -XEN_EINVAL;
	vcpu_unblock(v->vcpu);
	return 0;
}

static int64_t is_up_op(struct xen_vcpu *v)
{
	struct look look = { .v = v };

	vcpu_call(v->vcpu, look_on, &look);
	return look.up;
}

int64_t xen_vcpu_op(struct xen_call *call)
{
	struct xen_vcpu *v = xen_vcpu(call->xen, call->args[1]);

	if (!v)
		return -XEN_ENOENT;
	switch (call->args[0]) {
	case VCPUOP_initialise:
		return xen_vcpu_initialise(call, v);
	case VCPUOP_up:
		return up(call, v);
	case VCPUOP_down:
		return down(call, v);
	case VCPUOP_is_up:
		return is_up_op(v);
	case VCPUOP_get_runstate_info:
	case VCPUOP_register_runstate_memory_area:
	case VCPUOP_register_vcpu_time_memory_area:
		return xen_runstate_op(call, v);
	case VCPUOP_set_periodic_timer:
	case VCPUOP_stop_periodic_timer:
	case VCPUOP_set_singleshot_timer:
	case VCPUOP_stop_singleshot_timer:
		return xen_vcpu_timer_op(call, v);
	case VCPUOP_register_vcpu_info:
		return register_vcpu_info(call, v);
	case VCPUOP_send_nmi:
		if (call->args[2])
			return -XEN_EINVAL;
		xen_send_msi(v, MSI_NMI);
		return 0;
	default:
		return -XEN_ENOSYS;
	}
}
