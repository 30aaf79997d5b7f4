/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Senders. Where KVM delivers, an eventfd is routed to the port (KVM_IRQ_ROUTING_XEN_EVTCHN) and raising it
 * takes no lock of the domain's; elsewhere it is ferry that raises the port.
 */
#include "pv/xen/sender.h"

#include "pv/xen/xen_impl.h"

/*
 * KVM has delivered what was written to the eventfd before the route goes: the write itself delivers, or
 * leaves it to a work item that KVM_IRQFD_FLAG_DEASSIGN waits for.
 */
static void update(struct xen_sender *sender)
{
	const struct xen *xen = sender->xen;
	const struct xen_evtchn *channel = xen_port(sender->xen, sender->port);

	pthread_mutex_lock(&sender->lock);
	if (channel && xen->kernel_delivers) {
		sender->routed =
			irq_msi_route_event(&sender->irq, sender->port, channel->vcpu) == 0;
	} else if (sender->routed) {
		irq_msi_unroute(&sender->irq);
		sender->routed = false;
	}
	pthread_mutex_unlock(&sender->lock);
}

int xen_sender_init(struct xen_sender *sender, struct xen *xen, uint32_t port)
{
	int r;

	*sender = (struct xen_sender){ .xen = xen, .port = port };
	pthread_mutex_init(&sender->lock, NULL);
	r = irq_msi_init(&sender->irq, xen->vm, 0);
	if (r < 0) {
		pthread_mutex_destroy(&sender->lock);
		*sender = (struct xen_sender){ 0 };
		return r;
	}
	xen_lock(xen);
	sender->next = xen->senders;
	xen->senders = sender;
	update(sender);
	xen_unlock(xen);
	return 0;
}

void xen_sender_finish(struct xen_sender *sender)
{
	struct xen_sender **at;

	if (!sender->xen)
		return;
	xen_lock(sender->xen);
	for (at = &sender->xen->senders; *at != sender; at = &(*at)->next)
		;
	*at = sender->next;
	xen_unlock(sender->xen);
	irq_msi_finish(&sender->irq);
	pthread_mutex_destroy(&sender->lock);
	*sender = (struct xen_sender){ 0 };
}

void xen_sender_raise(struct xen_sender *sender)
{
	bool routed;

	pthread_mutex_lock(&sender->lock);
	routed = sender->routed;
	if (routed)
		irq_msi_raise(&sender->irq);
	pthread_mutex_unlock(&sender->lock);
	if (routed)
		return;
	xen_lock(sender->xen);
	xen_port_raise(sender->xen, sender->port);
	xen_unlock(sender->xen);
}

void xen_senders_changed(struct xen *xen, uint32_t port)
{
	for (struct xen_sender *sender = xen->senders; sender; sender = sender->next)
		if (port == 0 || sender->port == port)
			update(sender);
}
