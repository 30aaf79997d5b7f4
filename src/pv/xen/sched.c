/* SPDX-License-Identifier: Apache-2.0 */
/* sched_op: waiting, and the end (xen/common/sched/core.c). */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "pv/xen/hypercall.h"

#define NS_PER_S 1000000000ULL

/*
 * A vCPU that polls sleeps outside the guest, where an interrupt of its LAPIC does not wake it as it
 * would in Xen. So it looks again after that time, which is as if an interrupt had come.
 */
#define POLL_MAX_NS 1000000ULL

static int64_t shut_down(struct xen_call *call)
{
	struct vm *vm = call->xen->vm;
	struct xen_sched_shutdown op;
	char text[64];

	if (xen_copy_in(call, &op, call->args[1], sizeof(op)))
		return -XEN_EFAULT;
	switch (op.reason) {
	case XEN_SHUTDOWN_poweroff:
		vm_end(vm, VM_END_POWEROFF, NULL);
		return 0;
	case XEN_SHUTDOWN_reboot:
		vm_end(vm, VM_END_RESET, NULL);
		return 0;
	case XEN_SHUTDOWN_suspend: /* nobody has asked it to: 1 says that it was called off */
		return 1;
	case XEN_SHUTDOWN_crash:
		vm_end(vm, VM_END_PANIC, NULL);
		return 0;
	case XEN_SHUTDOWN_soft_reset:
		xen_soft_reset(call->xen);
		return 0;
	default:
		snprintf(text, sizeof(text), "the Xen guest shut down for reason %u", op.reason);
		vm_end(vm, op.reason == XEN_SHUTDOWN_watchdog ? VM_END_RESET : VM_END_CRASH, text);
		return 0;
	}
}

static int read_poll(struct xen_call *call, struct xen_sched_poll_64 *op)
{
	struct xen_sched_poll_32 narrow;

	if (call->longmode)
		return xen_copy_in(call, op, call->args[1], sizeof(*op));
	if (xen_copy_in(call, &narrow, call->args[1], sizeof(narrow)))
		return -XEN_EFAULT;
	*op = (struct xen_sched_poll_64){
		.ports = narrow.ports,
		.nr_ports = narrow.nr_ports,
		.timeout = narrow.timeout,
	};
	return 0;
}

/* lock held: first it blocks, then it looks, so that who raises a port in between unblocks it. */
static int64_t wait_for(struct xen_vcpu *v, const uint32_t *ports, uint32_t count, uint64_t until)
{
	uint32_t limit = xen_port_limit(v->xen);

	for (uint32_t i = 0; i < count; i++)
		if (ports[i] >= limit)
			return -XEN_EINVAL;
	vcpu_block(v->vcpu);
	v->poll.active = true;
	v->poll.port = count == 1 ? ports[0] : 0;
	v->poll.until = min_u64(until, clock_now() + POLL_MAX_NS);
	for (uint32_t i = 0; i < count && v->poll.active; i++)
		v->poll.active = !xen_port_is_pending(v->xen, ports[i]);
	if (!v->poll.active)
		vcpu_unblock(v->vcpu);
	else
		xen_timers_changed(v->xen);
	return 0;
}

static int64_t poll_ports(struct xen_call *call)
{
	uint32_t ports[XEN_POLL_PORTS_MAX];
	struct xen_sched_poll_64 op;
	uint64_t now, until = UINT64_MAX;
	int64_t r;

	if (read_poll(call, &op))
		return -XEN_EFAULT;
	if (op.nr_ports > XEN_POLL_PORTS_MAX)
		return -XEN_EINVAL;
	if (xen_copy_in(call, ports, op.ports, op.nr_ports * sizeof(*ports)))
		return -XEN_EFAULT;
	/* The timeout is a moment of guest time; 0: none. */
	now = xen_now(call->xen);
	if (op.timeout)
		until = clock_now() + (op.timeout > now ? op.timeout - now : 0);
	xen_lock(call->xen);
	r = wait_for(call->v, ports, op.nr_ports, until);
	xen_unlock(call->xen);
	return r;
}

/* As HLT with events on: KVM wakes it by the interrupt of the upcall, or by any other. */
static int64_t block(struct xen_call *call)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_HALTED };
	struct xen_vcpu *v = call->v;
	uint8_t *info;
	bool pending;

	xen_lock(call->xen);
	info = xen_vcpu_info(v);
	if (info)
		__atomic_store_n(info + (call->xen->longmode
						 ? offsetof(struct xen_vcpu_info_64, evtchn_upcall_mask)
						 : offsetof(struct xen_vcpu_info_32, evtchn_upcall_mask)),
				 0, __ATOMIC_SEQ_CST);
	pending = info && __atomic_load_n(info, __ATOMIC_SEQ_CST);
	xen_unlock(call->xen);
	if (!pending)
		kvm_set_mp_state(v->vcpu->fd, &state);
	return 0;
}

uint64_t xen_watchdog_left(const struct xen *xen, uint32_t id)
{
	uint64_t now = clock_now();

	if (!(xen->watchdogs_used & 1u << id))
		return 0;
	return xen->watchdog[id] > now ? xen->watchdog[id] - now : 1;
}

int xen_watchdog_restore(struct xen *xen, uint32_t id, uint64_t left)
{
	xen->watchdogs_used &= ~(1u << id);
	xen->watchdogs_used |= left ? 1u << id : 0;
	xen->watchdog[id] = left ? clock_now() + left : 0;
	xen_timers_changed(xen);
	return 0;
}

static int64_t set_watchdog(struct xen *xen, uint32_t id, uint32_t timeout)
{
	uint64_t until = clock_now() + timeout * NS_PER_S;

	if (id > XEN_WATCHDOGS)
		return -XEN_EINVAL;
	if (id == 0) {
		for (; id < XEN_WATCHDOGS && xen->watchdogs_used & 1u << id; id++)
			;
		if (id == XEN_WATCHDOGS)
			return -XEN_ENOSPC;
		xen->watchdogs_used |= 1u << id;
		xen->watchdog[id] = until;
		return id + 1;
	}
	id--;
	if (!(xen->watchdogs_used & 1u << id))
		return -XEN_EINVAL;
	xen->watchdog[id] = timeout ? until : 0;
	if (!timeout)
		xen->watchdogs_used &= ~(1u << id);
	return 0;
}

static int64_t watchdog(struct xen_call *call)
{
	struct xen_sched_watchdog op;
	int64_t r;

	if (xen_copy_in(call, &op, call->args[1], sizeof(op)))
		return -XEN_EFAULT;
	xen_lock(call->xen);
	r = set_watchdog(call->xen, op.id, op.timeout);
	xen_timers_changed(call->xen);
	xen_unlock(call->xen);
	return r;
}

int64_t xen_sched_op(struct xen_call *call)
{
	struct xen_sched_shutdown code;

	switch (call->args[0]) {
	case SCHEDOP_yield:
		sched_yield();
		return 0;
	case SCHEDOP_block:
		return block(call);
	case SCHEDOP_shutdown:
		return shut_down(call);
	case SCHEDOP_poll:
		return poll_ports(call);
	case SCHEDOP_shutdown_code: /* what a later SHUTDOWN_suspend would have said */
		return xen_copy_in(call, &code, call->args[1], sizeof(code));
	case SCHEDOP_watchdog:
		return watchdog(call);
	case SCHEDOP_remote_shutdown:
	case SCHEDOP_pin_override:
		return -XEN_EPERM;
	default:
		return -XEN_ENOSYS;
	}
}
