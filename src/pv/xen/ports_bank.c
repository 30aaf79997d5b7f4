/* SPDX-License-Identifier: Apache-2.0 */
/* The registers of event channels: which are open, what each is, and the FIFO's pages. */
#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "pv/xen/bank.h"
#include "pv/xen/xen_impl.h"

struct channel {
	uint8_t state, priority, queued_priority, pending;
	uint32_t vcpu, queued_vcpu, number;
	uint16_t remote;
	uint8_t pad[14];
};
_Static_assert(sizeof(struct channel) == 32, "a register of 32 bytes");

#define OPEN_BYTES (XEN_EVTCHN_FIFO_CHANNELS / 8)

int xen_ports_list(struct xen *xen, struct reg_list *out, int r)
{
	r = xen_reg_add(out, r, XEN_REG(FIELD_OPEN, 14, 0));
	r = xen_reg_add(out, r, XEN_REG(FIELD_FIFO, 3, 0));
	for (uint32_t i = 0; i < xen->ports.pages; i++)
		r = xen_reg_add(out, r, XEN_REG(FIELD_ARRAY, 3, i));
	for (uint32_t port = 1; port < xen_port_limit(xen); port++)
		if (xen_port(xen, port))
			r = xen_reg_add(out, r, XEN_REG(FIELD_CHANNEL, 5, port));
	return r;
}

static void get_open(struct xen *xen, uint8_t *bitmap)
{
	memset(bitmap, 0, OPEN_BYTES);
	for (uint32_t port = 1; port < xen_port_limit(xen); port++)
		if (xen_port(xen, port))
			bitmap[port / 8] |= (uint8_t)(1u << port % 8);
}

static int get_channel(struct xen *xen, uint32_t port, void *val)
{
	const struct xen_evtchn *from = xen_port(xen, port);
	struct channel channel = { 0 };

	if (!from)
		return -ENOENT;
	channel.state = from->state;
	channel.priority = from->priority;
	channel.queued_priority = from->queued_priority;
	channel.pending = from->pending;
	channel.vcpu = from->vcpu;
	channel.queued_vcpu = from->queued_vcpu;
	channel.number = from->number;
	channel.remote = from->remote;
	memcpy(val, &channel, sizeof(channel));
	return 0;
}

int xen_ports_get(struct xen *xen, struct reg_key key, void *val)
{
	uint32_t number = REG_ID_NUMBER(key.id);
	uint64_t value;

	switch (REG_ID_FIELD(key.id)) {
	case FIELD_OPEN:
		get_open(xen, val);
		return 0;
	case FIELD_CHANNEL:
		return get_channel(xen, number, val);
	case FIELD_FIFO:
		value = xen->ports.fifo ? xen->ports.pages + 1 : 0;
		break;
	default: /* FIELD_ARRAY */
		if (number >= xen->ports.pages)
			return -ENOENT;
		value = xen->ports.page_gfn[number];
		break;
	}
	memcpy(val, &value, sizeof(value));
	return 0;
}

static int set_open(struct xen *xen, const uint8_t *bitmap)
{
	for (uint32_t port = 1; port < xen_port_limit(xen); port++)
		if (xen_port(xen, port) && !(bitmap[port / 8] >> port % 8 & 1))
			xen_port_forget(xen, port);
	return 0;
}

static int set_fifo(struct xen *xen, uint64_t value)
{
	if (value > XEN_EVTCHN_FIFO_PAGES + 1)
		return because(-EINVAL, "xen: %llu pages of events", (unsigned long long)value);
	xen->ports.fifo = value > 0;
	xen->ports.pages = value ? (uint32_t)value - 1 : 0;
	return 0;
}

static int set_array(struct xen *xen, uint32_t slot, uint64_t gfn)
{
	if (slot >= xen->ports.pages)
		return -ENOENT;
	if (gfn >= UINT64_MAX >> 12)
		return because(-EINVAL, "xen: events at gfn %#llx", (unsigned long long)gfn);
	xen->ports.page_gfn[slot] = gfn;
	return 0;
}

static bool is_possible(const struct xen *xen, const struct channel *channel)
{
	if (channel->state == EVTCHNSTAT_closed || channel->state > EVTCHNSTAT_ipi)
		return false;
	if (channel->state == EVTCHNSTAT_virq && channel->number >= XEN_NR_VIRQS)
		return false;
	if (channel->state == EVTCHNSTAT_pirq && channel->number >= XEN_PIRQS)
		return false;
	return channel->vcpu < xen->vcpu_count && channel->queued_vcpu < xen->vcpu_count &&
	       channel->priority < XEN_EVTCHN_FIFO_QUEUES &&
	       channel->queued_priority < XEN_EVTCHN_FIFO_QUEUES && channel->pending <= 1;
}

static int set_channel(struct xen *xen, uint32_t port, const void *val)
{
	struct xen_evtchn *to;
	struct channel now, channel;

	memcpy(&channel, val, sizeof(channel));
	if (get_channel(xen, port, &now) == 0 && memcmp(&now, &channel, sizeof(now)) == 0)
		return 0;
	if (port >= xen_port_limit(xen))
		return -ENOENT;
	if (!is_possible(xen, &channel))
		return because(-EINVAL, "xen: event channel %u cannot be so", port);
	if (xen_port(xen, port))
		xen_port_forget(xen, port);
	to = xen_port_get(xen, port);
	if (!to)
		return port ? -ENOMEM : -ENOENT;
	*to = (struct xen_evtchn){
		.state = channel.state,
		.priority = channel.priority,
		.queued_priority = channel.queued_priority,
		.pending = channel.pending,
		.vcpu = channel.vcpu,
		.queued_vcpu = channel.queued_vcpu,
		.number = channel.number,
		.remote = channel.remote,
	};
	xen_port_restored(xen, port);
	return 0;
}

int xen_ports_set(struct xen *xen, struct reg_key key, const void *val)
{
	uint32_t number = REG_ID_NUMBER(key.id);
	uint64_t value;

	if (REG_ID_FIELD(key.id) == FIELD_OPEN)
		return set_open(xen, val);
	if (REG_ID_FIELD(key.id) == FIELD_CHANNEL)
		return set_channel(xen, number, val);
	memcpy(&value, val, sizeof(value));
	return REG_ID_FIELD(key.id) == FIELD_FIFO ? set_fifo(xen, value)
						  : set_array(xen, number, value);
}
