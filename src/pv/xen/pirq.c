/* SPDX-License-Identifier: Apache-2.0 */
/*
 * physdev_op of HVM domains, and PIRQs (xen/arch/x86/physdev.c, irq.c). A line or a message of a device whose
 * PIRQ is bound to a port raises the port. Devices here pulse their lines, so there is nothing for an
 * EOI to look at.
 */
#include "pv/xen/pirq.h"

#include <errno.h>

#include <abi/xen_physdev.h>

#include "pv/xen/hypercall.h"

/* Below are the ISA's, which map_pirq does not give away. */
#define FIRST_FREE 16u

/* Lines that are events now, for who raises one. */
static void update_lines(struct xen *xen)
{
	unsigned lines = 0;

	for (uint32_t i = 0; i < XEN_PIRQS; i++)
		if (xen->pirqs.pirq[i].kind == XEN_PIRQ_GSI && xen->pirqs.pirq[i].port)
			lines |= 1u << xen->pirqs.pirq[i].gsi;
	atomic_store(&xen->pirqs.lines, lines);
}

static void raise_line(struct xen *xen, uint32_t gsi)
{
	for (uint32_t i = 0; i < XEN_PIRQS; i++)
		if (xen->pirqs.pirq[i].kind == XEN_PIRQ_GSI && xen->pirqs.pirq[i].gsi == gsi)
			xen_port_raise(xen, xen->pirqs.pirq[i].port);
}

static bool line(void *self, uint32_t gsi)
{
	struct xen *xen = self;

	if (gsi >= XEN_GSIS || !(atomic_load(&xen->pirqs.lines) & 1u << gsi))
		return false;
	xen_lock(xen);
	raise_line(xen, gsi);
	xen_unlock(xen);
	return true;
}

/* A message with vector 0 is a PIRQ's, whose number is where the destination would be (xen/arch/x86/hvm/irq.c). */
static bool message(void *self, uint64_t address, uint32_t data)
{
	struct xen *xen = self;
	uint64_t pirq = (address >> 12 & 0xff) | (address >> 32 & 0xffffff00);

	if (data & 0xff || pirq == 0 || pirq >= XEN_PIRQS)
		return false;
	xen_lock(xen);
	if (xen->pirqs.pirq[pirq].kind == XEN_PIRQ_ALLOCATED)
		xen_port_raise(xen, xen->pirqs.pirq[pirq].port);
	xen_unlock(xen);
	return true;
}

void xen_pirqs_init(struct xen *xen)
{
	if (!xen->pirqs.offered)
		return;
	irq_pulse_divert(xen->vm, line, xen);
	irq_msi_divert(xen->vm, message, xen);
}

void xen_pirq_bind(struct xen *xen, uint32_t pirq, uint32_t port)
{
	xen->pirqs.pirq[pirq].port = port;
	update_lines(xen);
}

void xen_pirqs_reset(struct xen *xen)
{
	for (uint32_t i = 0; i < XEN_PIRQS; i++)
		xen->pirqs.pirq[i].kind = xen->pirqs.pirq[i].gsi = 0;
	update_lines(xen);
}

uint64_t xen_pirq_get(const struct xen *xen, uint32_t pirq)
{
	return xen->pirqs.pirq[pirq].kind | (uint64_t)xen->pirqs.pirq[pirq].gsi << 8;
}

int xen_pirq_set(struct xen *xen, uint32_t pirq, uint64_t value)
{
	if ((value & 0xff) >= XEN_PIRQ_KINDS || value >> 8 >= XEN_GSIS)
		return -EINVAL;
	xen->pirqs.pirq[pirq].kind = (uint8_t)value;
	xen->pirqs.pirq[pirq].gsi = (uint8_t)(value >> 8);
	update_lines(xen);
	return 0;
}

/* Those of lines from below, those of messages from above. */
static int find_free(const struct xen *xen, uint32_t type)
{
	if (type == XEN_MAP_PIRQ_TYPE_GSI) {
		for (uint32_t i = FIRST_FREE; i < XEN_PIRQS; i++)
			if (xen->pirqs.pirq[i].kind == XEN_PIRQ_FREE)
				return (int)i;
	} else {
		for (uint32_t i = XEN_PIRQS - 1; i >= FIRST_FREE; i--)
			if (xen->pirqs.pirq[i].kind == XEN_PIRQ_FREE)
				return (int)i;
	}
	return -XEN_ENOSPC;
}

static int pirq_of_line(const struct xen *xen, uint32_t gsi)
{
	for (uint32_t i = 0; i < XEN_PIRQS; i++)
		if (xen->pirqs.pirq[i].kind == XEN_PIRQ_GSI && xen->pirqs.pirq[i].gsi == gsi)
			return (int)i;
	return -1;
}

/* lock held. The PIRQ that the line has now; one that had one keeps it. */
static int map_line(struct xen *xen, uint32_t gsi, int32_t wanted)
{
	int pirq = pirq_of_line(xen, gsi);

	if (pirq >= 0)
		return pirq;
	pirq = wanted < 0 ? find_free(xen, XEN_MAP_PIRQ_TYPE_GSI) : wanted;
	if (pirq < 0)
		return pirq;
	if ((uint32_t)pirq >= XEN_PIRQS || xen->pirqs.pirq[pirq].kind != XEN_PIRQ_FREE)
		return -XEN_EINVAL;
	xen->pirqs.pirq[pirq].kind = XEN_PIRQ_GSI;
	xen->pirqs.pirq[pirq].gsi = (uint8_t)gsi;
	update_lines(xen);
	return pirq;
}

static int64_t map_pirq(struct xen_call *call)
{
	struct xen_physdev_map_pirq op;
	int r;

	if (xen_copy_in(call, &op, call->args[1], sizeof(op)))
		return -XEN_EFAULT;
	r = xen_check_self(op.domid);
	if (r < 0)
		return r;
	/* A message's is had by get_free_pirq: there are no devices that are passed through. */
	if (op.type != XEN_MAP_PIRQ_TYPE_GSI || op.index < 0 || op.index >= XEN_GSIS)
		return -XEN_EINVAL;
	xen_lock(call->xen);
	r = map_line(call->xen, (uint32_t)op.index, op.pirq);
	xen_unlock(call->xen);
	if (r < 0)
		return r;
	op.pirq = r;
	return xen_copy_out(call, call->args[1], &op, sizeof(op));
}

static int64_t unmap_pirq(struct xen_call *call)
{
	struct xen *xen = call->xen;
	struct xen_physdev_unmap_pirq op;
	int r;

	if (xen_copy_in(call, &op, call->args[1], sizeof(op)))
		return -XEN_EFAULT;
	r = xen_check_self(op.domid);
	if (r < 0)
		return r;
	if (op.pirq < 0 || (uint32_t)op.pirq >= XEN_PIRQS)
		return -XEN_EINVAL;
	xen_lock(xen);
	r = xen->pirqs.pirq[op.pirq].kind == XEN_PIRQ_FREE ? -XEN_EINVAL : 0;
	xen->pirqs.pirq[op.pirq].kind = xen->pirqs.pirq[op.pirq].gsi = 0;
	update_lines(xen);
	xen_unlock(xen);
	return r;
}

static int64_t get_free_pirq(struct xen_call *call)
{
	struct xen *xen = call->xen;
	struct xen_physdev_get_free_pirq op;
	int pirq;

	if (xen_copy_in(call, &op, call->args[1], sizeof(op)))
		return -XEN_EFAULT;
	xen_lock(xen);
	pirq = find_free(xen, op.type);
	if (pirq >= 0)
		xen->pirqs.pirq[pirq].kind = XEN_PIRQ_ALLOCATED;
	xen_unlock(xen);
	if (pirq < 0)
		return pirq;
	op.pirq = (uint32_t)pirq;
	return xen_copy_out(call, call->args[1], &op, sizeof(op));
}

/* An EOI has nothing to do, and none is needed: both only say whether there is such a PIRQ. */
static int64_t about_one(struct xen_call *call, bool asks)
{
	struct xen_physdev_irq_status_query op = { 0 };
	size_t size = asks ? sizeof(op) : sizeof(struct xen_physdev_eoi);

	if (xen_copy_in(call, &op, call->args[1], size))
		return -XEN_EFAULT;
	if (op.irq >= XEN_PIRQS)
		return -XEN_EINVAL;
	op.flags = 0;
	return asks ? xen_copy_out(call, call->args[1], &op, sizeof(op)) : 0;
}

int64_t xen_physdev_op(struct xen_call *call)
{
	if (!call->xen->pirqs.offered)
		return -XEN_ENOSYS;
	switch (call->args[0]) {
	case PHYSDEVOP_map_pirq:
		return map_pirq(call);
	case PHYSDEVOP_unmap_pirq:
		return unmap_pirq(call);
	case PHYSDEVOP_get_free_pirq:
		return get_free_pirq(call);
	case PHYSDEVOP_eoi:
		return about_one(call, false);
	case PHYSDEVOP_irq_status_query:
		return about_one(call, true);
	default:
		return -XEN_ENOSYS;
	}
}
