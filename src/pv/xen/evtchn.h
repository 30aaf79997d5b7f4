/* SPDX-License-Identifier: Apache-2.0 */
/* Event channels: ports, what they are bound to, and the two ways to tell the guest of them. */
#ifndef PV_XEN_EVTCHN_H
#define PV_XEN_EVTCHN_H

#include <stdbool.h>
#include <stdint.h>

struct xen;
struct xen_call;
struct xen_vcpu;

#define XEN_PORTS_A_BUCKET 512u
#define XEN_PORT_BUCKETS   256u /* XEN_EVTCHN_FIFO_CHANNELS in all */

/* One port; all zero is a closed one. Everything under xen.lock. */
struct xen_evtchn {
	uint8_t state;	  /* enum xen_evtchnstat */
	uint8_t priority; /* FIFO */
	uint8_t queued_priority; /* FIFO: of the queue that it was last linked to */
	bool pending; /* FIFO: raised before its word was there */
	uint32_t vcpu; /* that is notified */
	uint32_t queued_vcpu;
	uint32_t number; /* of the virq or pirq, or the remote port */
	uint16_t remote; /* domain */
	/* Of a port whose other side is ferry: told, with the lock held, when the guest sends. */
	void (*notify)(void *self);
	void *self;
	int event_fd; /* is signalled instead where KVM can; 0: none */
};

struct xen_ports {
	struct xen_evtchn *bucket[XEN_PORT_BUCKETS];
	bool fifo;
	uint32_t pages; /* FIFO: of the event array */
	uint64_t page_gfn[XEN_PORT_BUCKETS / 2];
};

int64_t xen_event_channel_op(struct xen_call *call);

/* All of these with the lock held. */
void xen_ports_init(struct xen *xen);
void xen_ports_finish(struct xen *xen);
/* NULL: not a port that is open. */
struct xen_evtchn *xen_port(struct xen *xen, uint32_t port);
/* The port's record, made where there is none; NULL: out of range, or of memory. */
struct xen_evtchn *xen_port_get(struct xen *xen, uint32_t port);
/* The same, and of a port that is closed; NULL: it never was open. */
struct xen_evtchn *xen_port_record(struct xen *xen, uint32_t port);
/* A closed port, as a record that the caller fills. 0: *ret_port; or -XEN_E…. */
int xen_port_take(struct xen *xen, uint32_t *ret_port, struct xen_evtchn **ret_channel);
/* The record was filled, or bound to another: whoever else has to know is told. */
void xen_port_bound(struct xen *xen, uint32_t port);
bool xen_virq_is_global(uint32_t virq);
/* How many ports there can be at the moment. */
uint32_t xen_port_limit(const struct xen *xen);
void xen_port_free(struct xen *xen, uint32_t port);
void xen_ports_reset(struct xen *xen);
/* Whether something may have been said that nobody has looked at. */
bool xen_has_ports(struct xen *xen);
/* For registers: nothing but the record is gone; and one was filled. */
void xen_port_forget(struct xen *xen, uint32_t port);
void xen_port_restored(struct xen *xen, uint32_t port);

/* Raises the port on the guest's side. */
void xen_port_raise(struct xen *xen, uint32_t port);
void xen_virq_raise(struct xen_vcpu *v, uint32_t virq);
/* A port whose other side is ferry: the guest's half is unbound when it has no notify. -ENOSPC. */
int xen_port_open(struct xen *xen, void (*notify)(void *self), void *self);
/*
 * Binds ferry to a port that the guest has allocated for it; once more changes nothing. -EINVAL. event_fd:
 * xen_evtchn's, for whoever stays bound until xen_port_unbind().
 */
int xen_port_bind(struct xen *xen, uint32_t port, void (*notify)(void *self), void *self,
		  int event_fd);
/* Harmless when somebody else has the port by now. */
void xen_port_unbind(struct xen *xen, uint32_t port, const void *self);

/* Makes the upcall: evtchn_upcall_pending, and the interrupt. */
void xen_upcall(struct xen_vcpu *v);
/* The interrupt of one that is pending: it may have been lost. */
void xen_upcall_again(struct xen_vcpu *v);
/* After a change of vcpu_info or shared_info: everything is looked at again. */
void xen_rescan(struct xen_vcpu *v);
bool xen_port_is_pending(struct xen *xen, uint32_t port);

/* evtchn_2l.c and evtchn_fifo.c */
void xen_2l_raise(struct xen *xen, const struct xen_evtchn *channel, uint32_t port);
void xen_2l_clear(struct xen *xen, uint32_t port);
void xen_2l_unmask(struct xen *xen, const struct xen_evtchn *channel, uint32_t port);
bool xen_2l_is_pending(const struct xen *xen, uint32_t port);
void xen_fifo_raise(struct xen *xen, struct xen_evtchn *channel, uint32_t port);
void xen_fifo_clear(struct xen *xen, uint32_t port);
void xen_fifo_unmask(struct xen *xen, struct xen_evtchn *channel, uint32_t port);
bool xen_fifo_is_pending(const struct xen *xen, uint32_t port);
int64_t xen_fifo_init_control(struct xen_call *call, uint64_t arg);
int64_t xen_fifo_expand_array(struct xen_call *call, uint64_t arg);
int64_t xen_fifo_set_priority(struct xen_call *call, uint64_t arg);
void xen_fifo_leave(struct xen *xen);
int xen_fifo_restore_block(struct xen_vcpu *v, uint64_t gfn, uint32_t offset);

#endif
