/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: records, what is raised, and how the guest is told (xen/common/event_channel.c). */
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

struct xen_evtchn *xen_port_record(struct xen *xen, uint32_t port)
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
	struct xen_evtchn *channel = port < xen_port_limit(xen) ? xen_port_record(xen, port) : NULL;

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

int xen_port_take(struct xen *xen, uint32_t *ret_port, struct xen_evtchn **ret_channel)
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
	xen_wake(v);
}

void xen_upcall_again(struct xen_vcpu *v)
{
	const uint8_t *info = xen_vcpu_info(v);

	if (info && __atomic_load_n(info, __ATOMIC_SEQ_CST))
		v->xen->engine->upcall(v);
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
			xen_wake(v);
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

bool xen_virq_is_global(uint32_t virq)
{
	return virq != XEN_VIRQ_TIMER && virq != XEN_VIRQ_DEBUG && virq != XEN_VIRQ_XENOPROF &&
	       virq != XEN_VIRQ_XENPMU;
}

void xen_port_bound(struct xen *xen, uint32_t port)
{
	struct xen_evtchn *channel = xen_port_record(xen, port);

	if (channel->state == EVTCHNSTAT_virq && channel->number == XEN_VIRQ_TIMER)
		xen->vcpus[channel->vcpu].stale |= XEN_STALE_TIMER;
	xen->engine->port_changed(xen, port);
}

void xen_port_restored(struct xen *xen, uint32_t port)
{
	struct xen_evtchn *channel = xen_port_record(xen, port);
	uint32_t v = channel->vcpu;

	if (channel->state == EVTCHNSTAT_virq) {
		if (xen_virq_is_global(channel->number))
			v = 0;
		xen->vcpus[v].virq_port[channel->number] = port;
	}
	if (channel->state == EVTCHNSTAT_pirq)
		xen_pirq_bind(xen, channel->number, port);
	xen_port_bound(xen, port);
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
	struct xen_evtchn *channel = xen_port_record(xen, port);

	if (channel->state == EVTCHNSTAT_virq)
		unbind_virq(xen, channel->number, port);
	if (channel->state == EVTCHNSTAT_pirq)
		xen_pirq_bind(xen, channel->number, 0);
	channel->state = EVTCHNSTAT_closed;
	channel->notify = NULL;
	channel->event_fd = 0;
	xen->engine->port_changed(xen, port);
	channel->vcpu = 0;
}

void xen_port_free(struct xen *xen, uint32_t port)
{
	struct xen_evtchn *channel = xen_port_record(xen, port);
	struct xen_evtchn *other = NULL;

	if (!channel || channel->state == EVTCHNSTAT_closed)
		return;
	if (channel->state == EVTCHNSTAT_interdomain && channel->remote == XEN_GUEST_DOMID)
		other = xen_port_record(xen, channel->number);
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
	int r = xen_port_take(xen, &port, &channel);

	if (r < 0)
		return because(-ENOSPC, "xen: no event channel is left");
	channel->state = notify ? EVTCHNSTAT_interdomain : EVTCHNSTAT_unbound;
	channel->remote = XEN_FERRY_DOMID;
	channel->notify = notify;
	channel->self = self;
	return (int)port;
}

int xen_port_bind(struct xen *xen, uint32_t port, void (*notify)(void *self), void *self,
		  int event_fd)
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
	channel->event_fd = event_fd;
	xen->engine->port_changed(xen, port);
	return 0;
}

void xen_port_unbind(struct xen *xen, uint32_t port, const void *self)
{
	struct xen_evtchn *channel = xen_port_record(xen, port);

	if (!channel || !channel->notify || channel->self != self)
		return;
	channel->state = EVTCHNSTAT_unbound;
	channel->notify = NULL;
	channel->event_fd = 0;
	xen->engine->port_changed(xen, port);
}
