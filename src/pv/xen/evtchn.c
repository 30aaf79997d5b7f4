/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: opened, closed, bound, raised (xen/common/event_channel.c). */
#include "pv/xen/evtchn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "pv/xen/hypercall.h"

uint32_t xen_port_limit(const struct xen *xen)
{
	if (xen->ports.fifo)
		return XEN_EVTCHN_FIFO_CHANNELS;
	return xen->longmode ? XEN_EVTCHN_2L_CHANNELS_64 : XEN_EVTCHN_2L_CHANNELS_32;
}

static struct xen_evtchn *find(struct xen *xen, uint32_t port)
{
	struct xen_evtchn *bucket;

	if (port >= XEN_PORT_BUCKETS * XEN_PORTS_A_BUCKET)
		return NULL;
	bucket = xen->ports.bucket[port / XEN_PORTS_A_BUCKET];
	return bucket ? &bucket[port % XEN_PORTS_A_BUCKET] : NULL;
}

struct xen_evtchn *xen_port_get(struct xen *xen, uint32_t port)
{
	struct xen_evtchn **bucket;

	if (port == 0 || port >= XEN_PORT_BUCKETS * XEN_PORTS_A_BUCKET)
		return NULL;
	bucket = &xen->ports.bucket[port / XEN_PORTS_A_BUCKET];
	if (!*bucket)
		*bucket = calloc(XEN_PORTS_A_BUCKET, sizeof(**bucket));
	return *bucket ? &(*bucket)[port % XEN_PORTS_A_BUCKET] : NULL;
}

struct xen_evtchn *xen_port(struct xen *xen, uint32_t port)
{
	struct xen_evtchn *channel = port < xen_port_limit(xen) ? find(xen, port) : NULL;

	return channel && channel->state != EVTCHNSTAT_closed ? channel : NULL;
}

void xen_ports_init(struct xen *xen)
{
	xen->ports = (struct xen_ports){ 0 };
}

void xen_ports_finish(struct xen *xen)
{
	for (size_t i = 0; i < XEN_PORT_BUCKETS; i++)
		free(xen->ports.bucket[i]);
	xen->ports = (struct xen_ports){ 0 };
}

/* A closed port, as a record that the caller fills. 0: *ret_port; or -XEN_E…. */
static int take(struct xen *xen, uint32_t *ret_port, struct xen_evtchn **ret_channel)
{
	for (uint32_t port = 1; port < xen_port_limit(xen); port++) {
		struct xen_evtchn *channel = xen_port_get(xen, port);

		if (!channel)
			return -XEN_ENOMEM;
		if (channel->state != EVTCHNSTAT_closed)
			continue;
		*channel = (struct xen_evtchn){
			.priority = XEN_EVTCHN_FIFO_PRIORITY_DEFAULT,
			.queued_priority = channel->queued_priority,
			.queued_vcpu = channel->queued_vcpu,
		};
		*ret_port = port;
		*ret_channel = channel;
		return 0;
	}
	return -XEN_ENOSPC;
}

void xen_upcall(struct xen_vcpu *v)
{
	uint8_t *info = xen_vcpu_info(v);

	/* evtchn_upcall_pending is the first byte in both widths. */
	if (info)
		__atomic_store_n(info, 1, __ATOMIC_SEQ_CST);
	v->xen->engine->upcall(v);
	vcpu_unblock(v->vcpu);
}

void xen_rescan(struct xen_vcpu *v)
{
	uint8_t *info = xen_vcpu_info(v);

	if (!info)
		return;
	/* A 32-bit guest's need not be aligned as the structure is for the host. */
	if (v->xen->longmode)
		__atomic_store_n((uint64_t *)(info + offsetof(struct xen_vcpu_info_64,
							      evtchn_pending_sel)),
				 UINT64_MAX, __ATOMIC_SEQ_CST);
	else
		__atomic_store_n((uint32_t *)(info + offsetof(struct xen_vcpu_info_32,
							      evtchn_pending_sel)),
				 UINT32_MAX, __ATOMIC_SEQ_CST);
	xen_upcall(v);
}

bool xen_port_is_pending(struct xen *xen, uint32_t port)
{
	return xen->ports.fifo ? xen_fifo_is_pending(xen, port) : xen_2l_is_pending(xen, port);
}

/* Who waits for it in SCHEDOP_poll. */
static void wake_pollers(struct xen *xen, uint32_t port)
{
	for (uint32_t i = 0; i < xen->vcpu_count; i++) {
		struct xen_vcpu *v = &xen->vcpus[i];

		if (v->poll.active && (v->poll.port == port || v->poll.port == 0))
			vcpu_unblock(v->vcpu);
	}
}

void xen_port_raise(struct xen *xen, uint32_t port)
{
	struct xen_evtchn *channel = xen_port(xen, port);

	if (!channel)
		return;
	/* KVM still has the old place: what it says there is said again in the new one. */
	if (xen->vcpus[channel->vcpu].stale & XEN_STALE_INFO)
		xen->vcpus[channel->vcpu].rescan = true;
	if (xen->ports.fifo)
		xen_fifo_raise(xen, channel, port);
	else if (!xen->engine->send(&xen->vcpus[channel->vcpu], port))
		xen_2l_raise(xen, channel, port);
	wake_pollers(xen, port);
}

void xen_virq_raise(struct xen_vcpu *v, uint32_t virq)
{
	if (v->virq_port[virq])
		xen_port_raise(v->xen, v->virq_port[virq]);
}

static void clear(struct xen *xen, uint32_t port)
{
	if (xen->ports.fifo)
		xen_fifo_clear(xen, port);
	else
		xen_2l_clear(xen, port);
}

static bool is_global(uint32_t virq)
{
	return virq != XEN_VIRQ_TIMER && virq != XEN_VIRQ_DEBUG && virq != XEN_VIRQ_XENOPROF &&
	       virq != XEN_VIRQ_XENPMU;
}

static void bound(struct xen *xen, uint32_t port)
{
	struct xen_evtchn *channel = find(xen, port);

	if (channel->state == EVTCHNSTAT_virq && channel->number == XEN_VIRQ_TIMER)
		xen->vcpus[channel->vcpu].stale |= XEN_STALE_TIMER;
	xen->engine->port_changed(xen, port);
}

void xen_port_restored(struct xen *xen, uint32_t port)
{
	struct xen_evtchn *channel = find(xen, port);
	uint32_t v = channel->vcpu;

	if (channel->state == EVTCHNSTAT_virq) {
		if (is_global(channel->number))
			v = 0;
		xen->vcpus[v].virq_port[channel->number] = port;
	}
	bound(xen, port);
}

/* A global virq may have been bound to another vCPU since: it is still vCPU 0's. */
static void unbind_virq(struct xen *xen, uint32_t virq, uint32_t port)
{
	for (uint32_t i = 0; i < xen->vcpu_count; i++) {
		struct xen_vcpu *v = &xen->vcpus[i];

		if (v->virq_port[virq] != port)
			continue;
		v->virq_port[virq] = 0;
		v->stale |= virq == XEN_VIRQ_TIMER ? XEN_STALE_TIMER : 0;
	}
}

void xen_port_forget(struct xen *xen, uint32_t port)
{
	struct xen_evtchn *channel = find(xen, port);

	if (channel->state == EVTCHNSTAT_virq)
		unbind_virq(xen, channel->number, port);
	channel->state = EVTCHNSTAT_closed;
	channel->notify = NULL;
	xen->engine->port_changed(xen, port);
	channel->vcpu = 0;
}

void xen_port_free(struct xen *xen, uint32_t port)
{
	struct xen_evtchn *channel = find(xen, port);
	struct xen_evtchn *other = NULL;

	if (!channel || channel->state == EVTCHNSTAT_closed)
		return;
	if (channel->state == EVTCHNSTAT_interdomain && channel->remote == XEN_GUEST_DOMID)
		other = find(xen, channel->number);
	if (other) {
		other->state = EVTCHNSTAT_unbound;
		other->remote = XEN_GUEST_DOMID;
		xen->engine->port_changed(xen, channel->number);
	}
	clear(xen, port);
	xen_port_forget(xen, port);
}

/* Ferry's own are raised by ferry only, under the lock: they count when they were. */
bool xen_has_ports(struct xen *xen)
{
	for (uint32_t i = 0; i < XEN_PORT_BUCKETS * XEN_PORTS_A_BUCKET; i++) {
		const struct xen_evtchn *bucket = xen->ports.bucket[i / XEN_PORTS_A_BUCKET];
		const struct xen_evtchn *channel = bucket ? &bucket[i % XEN_PORTS_A_BUCKET] : NULL;

		if (!bucket)
			i += XEN_PORTS_A_BUCKET - 1;
		else if (channel->state != EVTCHNSTAT_closed &&
			 (!channel->notify || xen_port_is_pending(xen, i)))
			return true;
	}
	return false;
}

void xen_ports_reset(struct xen *xen)
{
	for (uint32_t i = 0; i < XEN_PORT_BUCKETS; i++)
		for (uint32_t n = 0; xen->ports.bucket[i] && n < XEN_PORTS_A_BUCKET; n++)
			xen_port_free(xen, i * XEN_PORTS_A_BUCKET + n);
	xen_fifo_leave(xen);
}

int xen_port_open(struct xen *xen, void (*notify)(void *self), void *self)
{
	struct xen_evtchn *channel = NULL;
	uint32_t port = 0;
	int r = take(xen, &port, &channel);

	if (r < 0)
		return because(-ENOSPC, "xen: no event channel is left");
	channel->state = notify ? EVTCHNSTAT_interdomain : EVTCHNSTAT_unbound;
	channel->remote = XEN_FERRY_DOMID;
	channel->notify = notify;
	channel->self = self;
	return (int)port;
}

int xen_port_bind(struct xen *xen, uint32_t port, void (*notify)(void *self), void *self)
{
	struct xen_evtchn *channel = xen_port(xen, port);

	if (channel && channel->notify == notify && channel->self == self)
		return 0;
	if (!channel || channel->remote != XEN_FERRY_DOMID || channel->notify ||
	    (channel->state != EVTCHNSTAT_unbound && channel->state != EVTCHNSTAT_interdomain))
		return because(-EINVAL, "xen: event channel %u is not for a back end", port);
	channel->state = EVTCHNSTAT_interdomain;
	channel->notify = notify;
	channel->self = self;
	return 0;
}

void xen_port_unbind(struct xen *xen, uint32_t port, const void *self)
{
	struct xen_evtchn *channel = find(xen, port);

	if (!channel || !channel->notify || channel->self != self)
		return;
	channel->state = EVTCHNSTAT_unbound;
	channel->notify = NULL;
}

static int64_t alloc_unbound(struct xen_call *call, void *arg)
{
	struct xen_evtchn_alloc_unbound *op = arg;
	struct xen_evtchn *channel = NULL;
	int r = xen_check_self(op->dom);

	if (r == 0)
		r = take(call->xen, &op->port, &channel);
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
	r = take(call->xen, &op->local_port, &channel);
	if (r < 0)
		return r;
	other = xen_port(call->xen, op->remote_port);
	if (!other || other->state != EVTCHNSTAT_unbound || other->remote != XEN_GUEST_DOMID)
		return -XEN_EINVAL;
	channel->state = other->state = EVTCHNSTAT_interdomain;
	channel->remote = XEN_GUEST_DOMID;
	channel->number = op->remote_port;
	other->number = op->local_port;
	bound(call->xen, op->local_port);
	bound(call->xen, op->remote_port);
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
	if (is_global(op->virq) && op->vcpu != 0)
		return -XEN_EINVAL;
	if (!v)
		return -XEN_ENOENT;
	if (v->virq_port[op->virq])
		return -XEN_EEXIST;
	r = take(call->xen, &op->port, &channel);
	if (r < 0)
		return r;
	channel->state = EVTCHNSTAT_virq;
	channel->vcpu = op->vcpu;
	channel->number = op->virq;
	v->virq_port[op->virq] = op->port;
	bound(call->xen, op->port);
	return 0;
}

static int64_t bind_ipi(struct xen_call *call, void *arg)
{
	struct xen_evtchn_bind_ipi *op = arg;
	struct xen_evtchn *channel = NULL;
	int r;

	if (!xen_vcpu(call->xen, op->vcpu))
		return -XEN_ENOENT;
	r = take(call->xen, &op->port, &channel);
	if (r < 0)
		return r;
	channel->state = EVTCHNSTAT_ipi;
	channel->vcpu = op->vcpu;
	bound(call->xen, op->port);
	return 0;
}

/* The domain has no pirq that is mapped. */
static int64_t bind_pirq(struct xen_call *call, void *arg)
{
	(void)call, (void)arg;
	return -XEN_EINVAL;
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
	channel = op->port < xen_port_limit(call->xen) ? find(call->xen, op->port) : NULL;
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
	if (channel->state == EVTCHNSTAT_virq && !is_global(channel->number))
		return -XEN_EINVAL;
	channel->vcpu = op->vcpu;
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
