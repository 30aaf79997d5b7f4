/* SPDX-License-Identifier: Apache-2.0 */
/* event_channel_op: what the guest asks of its ports (xen/common/event_channel.c). */
#include "pv/xen/evtchn.h"

#include "base/util.h"
#include "pv/xen/hypercall.h"

static int64_t alloc_unbound(struct xen_call *call, void *arg)
{
	struct xen_evtchn_alloc_unbound *op = arg;
	struct xen_evtchn *channel = NULL;
	int r = xen_check_self(op->dom);

	if (r == 0)
		r = xen_port_take(call->xen, &op->port, &channel);
	if (r < 0)
		return r;
	channel->state = EVTCHNSTAT_unbound;
	channel->remote = xen_is_self(op->remote_dom) ? XEN_GUEST_DOMID : op->remote_dom;
	return 0;
}

/* Only the guest's own ports can be there to be bound to: ferry's are bound by ferry. */
static int64_t bind_interdomain(struct xen_call *call, void *arg)
{
	struct xen_evtchn_bind_interdomain *op = arg;
	struct xen_evtchn *channel = NULL, *other;
	int r;

	if (!xen_is_self(op->remote_dom))
		return op->remote_dom == XEN_FERRY_DOMID ? -XEN_EINVAL : -XEN_ESRCH;
	r = xen_port_take(call->xen, &op->local_port, &channel);
	if (r < 0)
		return r;
	other = xen_port(call->xen, op->remote_port);
	if (!other || other->state != EVTCHNSTAT_unbound || other->remote != XEN_GUEST_DOMID)
		return -XEN_EINVAL;
	channel->state = other->state = EVTCHNSTAT_interdomain;
	channel->remote = XEN_GUEST_DOMID;
	channel->number = op->remote_port;
	other->number = op->local_port;
	xen_port_bound(call->xen, op->local_port);
	xen_port_bound(call->xen, op->remote_port);
	/* What was sent to the other one before it was bound went nowhere. */
	xen_port_raise(call->xen, op->local_port);
	return 0;
}

static int64_t bind_virq(struct xen_call *call, void *arg)
{
	struct xen_evtchn_bind_virq *op = arg;
	struct xen_vcpu *v = xen_vcpu(call->xen, op->vcpu);
	struct xen_evtchn *channel = NULL;
	int r;

	if (op->virq >= XEN_NR_VIRQS)
		return -XEN_EINVAL;
	if (xen_virq_is_global(op->virq) && op->vcpu != 0)
		return -XEN_EINVAL;
	if (!v)
		return -XEN_ENOENT;
	if (v->virq_port[op->virq])
		return -XEN_EEXIST;
	r = xen_port_take(call->xen, &op->port, &channel);
	if (r < 0)
		return r;
	channel->state = EVTCHNSTAT_virq;
	channel->vcpu = op->vcpu;
	channel->number = op->virq;
	v->virq_port[op->virq] = op->port;
	xen_port_bound(call->xen, op->port);
	return 0;
}

static int64_t bind_ipi(struct xen_call *call, void *arg)
{
	struct xen_evtchn_bind_ipi *op = arg;
	struct xen_evtchn *channel = NULL;
	int r;

	if (!xen_vcpu(call->xen, op->vcpu))
		return -XEN_ENOENT;
	r = xen_port_take(call->xen, &op->port, &channel);
	if (r < 0)
		return r;
	channel->state = EVTCHNSTAT_ipi;
	channel->vcpu = op->vcpu;
	xen_port_bound(call->xen, op->port);
	return 0;
}

/* An HVM domain may bind one that is not mapped yet. */
static int64_t bind_pirq(struct xen_call *call, void *arg)
{
	struct xen_evtchn_bind_pirq *op = arg;
	struct xen *xen = call->xen;
	struct xen_evtchn *channel = NULL;
	int r;

	if (!xen->pirqs.offered || op->pirq >= XEN_PIRQS)
		return -XEN_EINVAL;
	if (xen->pirqs.pirq[op->pirq].port)
		return -XEN_EEXIST;
	r = xen_port_take(xen, &op->port, &channel);
	if (r < 0)
		return r;
	channel->state = EVTCHNSTAT_pirq;
	channel->number = op->pirq;
	xen_pirq_bind(xen, op->pirq, op->port);
	xen_port_bound(xen, op->port);
	return 0;
}

static int64_t close_port(struct xen_call *call, void *arg)
{
	const struct xen_evtchn_port *op = arg;

	if (!xen_port(call->xen, op->port))
		return -XEN_EINVAL;
	xen_port_free(call->xen, op->port);
	return 0;
}

static int64_t send_port(struct xen_call *call, void *arg)
{
	const struct xen_evtchn_port *op = arg;
	const struct xen_evtchn *channel = xen_port(call->xen, op->port);

	if (!channel)
		return -XEN_EINVAL;
	switch (channel->state) {
	case EVTCHNSTAT_ipi:
		xen_port_raise(call->xen, op->port);
		return 0;
	case EVTCHNSTAT_interdomain:
		if (channel->notify)
			channel->notify(channel->self);
		else if (channel->remote == XEN_GUEST_DOMID)
			xen_port_raise(call->xen, channel->number);
		return 0;
	case EVTCHNSTAT_unbound:
		return 0;
	default:
		return -XEN_EINVAL;
	}
}

static int64_t status(struct xen_call *call, void *arg)
{
	struct xen_evtchn_status *op = arg;
	const struct xen_evtchn *channel;
	int r = xen_check_self(op->dom);

	if (r < 0)
		return r;
	channel = op->port < xen_port_limit(call->xen) ? xen_port_record(call->xen, op->port) : NULL;
	if (!channel)
		return -XEN_EINVAL;
	op->status = channel->state;
	op->vcpu = channel->vcpu;
	if (channel->state == EVTCHNSTAT_unbound || channel->state == EVTCHNSTAT_interdomain)
		op->u.remote.dom = channel->remote;
	if (channel->state == EVTCHNSTAT_interdomain)
		op->u.remote.port = channel->number;
	if (channel->state == EVTCHNSTAT_virq || channel->state == EVTCHNSTAT_pirq)
		op->u.number = channel->number;
	return 0;
}

static int64_t bind_vcpu(struct xen_call *call, void *arg)
{
	const struct xen_evtchn_bind_vcpu *op = arg;
	struct xen_evtchn *channel = xen_port(call->xen, op->port);

	if (!xen_vcpu(call->xen, op->vcpu))
		return -XEN_ENOENT;
	if (!channel || channel->state == EVTCHNSTAT_ipi)
		return -XEN_EINVAL;
	if (channel->state == EVTCHNSTAT_virq && !xen_virq_is_global(channel->number))
		return -XEN_EINVAL;
	channel->vcpu = op->vcpu;
	xen_senders_changed(call->xen, op->port);
	/* KVM knows an interdomain port by the one that sends to it. */
	if (channel->state == EVTCHNSTAT_interdomain && !channel->notify)
		call->xen->engine->port_changed(call->xen, channel->number);
	return 0;
}

static int64_t unmask(struct xen_call *call, void *arg)
{
	const struct xen_evtchn_port *op = arg;
	struct xen_evtchn *channel = xen_port(call->xen, op->port);

	if (!channel)
		return -XEN_EINVAL;
	if (call->xen->ports.fifo)
		xen_fifo_unmask(call->xen, channel, op->port);
	else
		xen_2l_unmask(call->xen, channel, op->port);
	return 0;
}

static int64_t reset(struct xen_call *call, void *arg)
{
	const struct xen_evtchn_reset *op = arg;
	int r = xen_check_self(op->dom);

	if (r == 0)
		xen_ports_reset(call->xen);
	return r;
}

/* out: the structure goes back to the guest, who is told when that fails. */
static const struct {
	int64_t (*fn)(struct xen_call *call, void *arg);
	uint8_t size;
	bool out;
} ops[] = {
	[EVTCHNOP_bind_interdomain] = { bind_interdomain, 12, true },
	[EVTCHNOP_bind_virq] = { bind_virq, 12, true },
	[EVTCHNOP_bind_pirq] = { bind_pirq, 12, true },
	[EVTCHNOP_close] = { close_port, 4, false },
	[EVTCHNOP_send] = { send_port, 4, false },
	[EVTCHNOP_status] = { status, 24, true },
	[EVTCHNOP_alloc_unbound] = { alloc_unbound, 8, true },
	[EVTCHNOP_bind_ipi] = { bind_ipi, 8, true },
	[EVTCHNOP_bind_vcpu] = { bind_vcpu, 8, false },
	[EVTCHNOP_unmask] = { unmask, 4, false },
	[EVTCHNOP_reset] = { reset, 2, false },
};

int64_t xen_event_channel_op(struct xen_call *call)
{
	uint32_t cmd = (uint32_t)call->args[0];
	uint8_t arg[24] __attribute__((aligned(8)));
	int64_t r;

	if (cmd == EVTCHNOP_init_control)
		return xen_fifo_init_control(call, call->args[1]);
	if (cmd == EVTCHNOP_expand_array)
		return xen_fifo_expand_array(call, call->args[1]);
	if (cmd == EVTCHNOP_set_priority)
		return xen_fifo_set_priority(call, call->args[1]);
	if (cmd >= ARRAY_SIZE(ops) || !ops[cmd].fn)
		return -XEN_ENOSYS;
	if (xen_copy_in(call, arg, call->args[1], ops[cmd].size))
		return -XEN_EFAULT;
	xen_lock(call->xen);
	r = ops[cmd].fn(call, arg);
	xen_unlock(call->xen);
	/* What is often called leaves nothing to be told. */
	if (cmd != EVTCHNOP_send && cmd != EVTCHNOP_unmask)
		xen_sync(call->xen);
	if (r == 0 && ops[cmd].out && xen_copy_out(call, call->args[1], arg, ops[cmd].size))
		return -XEN_EFAULT;
	return r;
}
