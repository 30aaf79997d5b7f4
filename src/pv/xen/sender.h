/* SPDX-License-Identifier: Apache-2.0 */
/* Who raises one of the guest's ports often, from any thread: by an eventfd that KVM listens on, where it can. */
#ifndef PV_XEN_SENDER_H
#define PV_XEN_SENDER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vm/irq.h"

struct xen;

/* lock: routed, and that what is raised by it reaches KVM; taken under xen.lock. next: xen.lock. */
struct xen_sender {
	struct xen *xen;
	struct xen_sender *next;
	uint32_t port;
	struct irq_msi irq;
	pthread_mutex_t lock;
	bool routed;
};

/*
 * port may be opened, closed and bound anew meanwhile; what is raised while it is closed is lost, as
 * it is in Xen. No lock held. -ENOSPC: KVM has no interrupt route left.
 */
int xen_sender_init(struct xen_sender *sender, struct xen *xen, uint32_t port);
/* A zeroed one is fine. */
void xen_sender_finish(struct xen_sender *sender);
/* No lock held. */
void xen_sender_raise(struct xen_sender *sender);

/* The port, or who delivers, has changed (port 0: all). xen.lock held. */
void xen_senders_changed(struct xen *xen, uint32_t port);

#endif
