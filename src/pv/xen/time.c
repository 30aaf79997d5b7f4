/* SPDX-License-Identifier: Apache-2.0 */
/* Guest time, and the timers that KVM does not have: one of the loop's for the next of them all. */
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "pv/xen/hypercall.h"

#define NS_PER_MS 1000000ULL
/* xen/common/schedule.c, do_set_timer_op(): what overflows is 100 ms from now. */
#define FAR_FUTURE_SHIFT 50
#define PERIOD_MIN NS_PER_MS
#define PERIOD_MAX (365ULL * 24 * 3600 * 1000 * NS_PER_MS)

uint64_t xen_now(const struct xen *xen)
{
	struct kvm_clock_data data = { 0 };

	return kvm_get_clock(xen->vm->fd, &data) == 0 ? data.clock : 0;
}

static void fired(struct loop_timer *timer);

/* The earliest moment of all, in ns from now; UINT64_MAX: none. */
static uint64_t next_in(const struct xen *xen, uint64_t now, uint64_t host)
{
	uint64_t guest_next = UINT64_MAX, host_next = UINT64_MAX, in = UINT64_MAX;

	for (uint32_t i = 0; i < xen->vcpu_count; i++) {
		const struct xen_vcpu *v = &xen->vcpus[i];

		if (v->timer.single)
			guest_next = min_u64(guest_next, v->timer.single);
		if (v->timer.period)
			guest_next = min_u64(guest_next, v->timer.next);
		if (v->poll.active)
			host_next = min_u64(host_next, v->poll.until);
		if (v->inject)
			host_next = min_u64(host_next, v->inject_at);
		if (v->refused)
			host_next = min_u64(host_next, v->refused_at);
	}
	for (size_t i = 0; i < XEN_WATCHDOGS; i++)
		if (xen->watchdog[i])
			host_next = min_u64(host_next, xen->watchdog[i]);
	if (guest_next != UINT64_MAX)
		in = guest_next > now ? guest_next - now : 0;
	if (host_next != UINT64_MAX)
		in = min_u64(in, host_next > host ? host_next - host : 0);
	return in;
}

static void arm(struct xen *xen)
{
	uint64_t in = xen->held ? UINT64_MAX : next_in(xen, xen_now(xen), clock_now());

	if (in == UINT64_MAX)
		loop_timer_disarm(xen->vm->loop, &xen->timer);
	else
		loop_timer_arm(xen->vm->loop, &xen->timer, in, fired);
}

static void expire(struct xen_vcpu *v, uint64_t now, uint64_t host)
{
	if (v->timer.single && v->timer.single <= now) {
		v->timer.single = 0;
		xen_virq_raise(v, XEN_VIRQ_TIMER);
	}
	if (v->timer.period && v->timer.next <= now) {
		v->timer.next += (now - v->timer.next) / v->timer.period * v->timer.period +
				 v->timer.period;
		xen_virq_raise(v, XEN_VIRQ_TIMER);
	}
	if (v->inject && v->inject_at <= host)
		xen_via_inject_soon(v);
	if (v->refused && v->refused_at <= host)
		xen_via_send_again(v);
	if (v->poll.active && v->poll.until <= host) {
		v->poll.active = false;
		xen_wake(v);
	}
}

static void fired(struct loop_timer *timer)
{
	struct xen *xen = container_of(timer, struct xen, timer);
	uint64_t now = xen_now(xen), host = clock_now();
	bool bites = false;

	xen_lock(xen);
	for (uint32_t i = 0; i < xen->vcpu_count && !xen->held; i++)
		expire(&xen->vcpus[i], now, host);
	for (size_t i = 0; i < XEN_WATCHDOGS; i++)
		bites |= xen->watchdog[i] && xen->watchdog[i] <= host && !xen->held;
	arm(xen);
	xen_unlock(xen);
	if (bites)
		vm_end(xen->vm, VM_END_RESET, "the guest did not serve its Xen watchdog");
}

static void rearm(void *arg)
{
	struct xen *xen = arg;

	atomic_store(&xen->arming, false);
	xen_lock(xen);
	arm(xen);
	xen_unlock(xen);
}

/* One message is enough for all that changes until the loop looks. */
void xen_timers_changed(struct xen *xen)
{
	if (!atomic_exchange(&xen->arming, true) && loop_call(xen->vm->loop, rearm, xen) < 0)
		atomic_store(&xen->arming, false);
}

void xen_timer_finish(struct xen *xen)
{
	loop_timer_disarm(xen->vm->loop, &xen->timer);
}

static void set_single(struct xen_vcpu *v, uint64_t when)
{
	xen_lock(v->xen);
	v->timer.single = when;
	xen_timers_changed(v->xen);
	xen_unlock(v->xen);
}

int64_t xen_set_timer_op(struct xen_call *call)
{
	uint64_t when = call->args[0], now = xen_now(call->xen);

	if (!call->longmode)
		when |= call->args[1] << 32;
	if (when && ((int64_t)when < 0 || (when > now && (when - now) >> FAR_FUTURE_SHIFT)))
		when = now + 100 * NS_PER_MS;
	set_single(call->v, when);
	return 0;
}

static int64_t set_singleshot(struct xen_call *call, struct xen_vcpu *v)
{
	struct xen_vcpu_set_singleshot_timer op = { 0 };

	if (v != call->v)
		return -XEN_EINVAL;
	/* 32-bit guests have no padding behind it. */
	if (xen_copy_in(call, &op, call->args[2], call->longmode ? sizeof(op) : 12))
		return -XEN_EFAULT;
	if (op.flags & XEN_VCPU_SSHOTTMR_future && op.timeout_abs_ns < xen_now(call->xen))
		return -XEN_ETIME;
	/* 0 is a moment that has passed: "none" is another hypercall. */
	set_single(v, max_u64(op.timeout_abs_ns, 1));
	return 0;
}

static int64_t set_periodic(struct xen_call *call, struct xen_vcpu *v)
{
	struct xen_vcpu_set_periodic_timer op;

	if (xen_copy_in(call, &op, call->args[2], sizeof(op)))
		return -XEN_EFAULT;
	if (op.period_ns < PERIOD_MIN || op.period_ns > PERIOD_MAX)
		return -XEN_EINVAL;
	xen_lock(call->xen);
	v->timer.period = op.period_ns;
	v->timer.next = xen_now(call->xen) + op.period_ns;
	xen_timers_changed(call->xen);
	xen_unlock(call->xen);
	return 0;
}

int64_t xen_vcpu_timer_op(struct xen_call *call, struct xen_vcpu *v)
{
	switch (call->args[0]) {
	case VCPUOP_set_periodic_timer:
		return set_periodic(call, v);
	case VCPUOP_stop_periodic_timer:
		xen_lock(call->xen);
		v->timer.period = 0;
		xen_unlock(call->xen);
		return 0;
	case VCPUOP_set_singleshot_timer:
		return set_singleshot(call, v);
	default: /* VCPUOP_stop_singleshot_timer */
		if (v != call->v)
			return -XEN_EINVAL;
		set_single(v, 0);
		return 0;
	}
}
