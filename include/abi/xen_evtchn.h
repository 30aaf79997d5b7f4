/* SPDX-License-Identifier: Apache-2.0 */
/* Xen's event channels (xen/include/public/event_channel.h). */
#ifndef ABI_XEN_EVTCHN_H
#define ABI_XEN_EVTCHN_H

#include <abi/abi.h>

enum xen_evtchnop {
	EVTCHNOP_bind_interdomain = 0,
	EVTCHNOP_bind_virq = 1,
	EVTCHNOP_bind_pirq = 2,
	EVTCHNOP_close = 3,
	EVTCHNOP_send = 4,
	EVTCHNOP_status = 5,
	EVTCHNOP_alloc_unbound = 6,
	EVTCHNOP_bind_ipi = 7,
	EVTCHNOP_bind_vcpu = 8,
	EVTCHNOP_unmask = 9,
	EVTCHNOP_reset = 10,
	EVTCHNOP_init_control = 11,
	EVTCHNOP_expand_array = 12,
	EVTCHNOP_set_priority = 13,
};

enum xen_evtchnstat {
	EVTCHNSTAT_closed = 0,
	EVTCHNSTAT_unbound = 1,
	EVTCHNSTAT_interdomain = 2,
	EVTCHNSTAT_pirq = 3,
	EVTCHNSTAT_virq = 4,
	EVTCHNSTAT_ipi = 5,
};

struct xen_evtchn_alloc_unbound {
	uint16_t dom, remote_dom;
	uint32_t port;
};
ABI_SIZE(struct xen_evtchn_alloc_unbound, 8);

struct xen_evtchn_bind_interdomain {
	uint16_t remote_dom;
	uint16_t pad;
	uint32_t remote_port;
	uint32_t local_port;
};
ABI_SIZE(struct xen_evtchn_bind_interdomain, 12);

struct xen_evtchn_bind_virq {
	uint32_t virq, vcpu, port;
};
ABI_SIZE(struct xen_evtchn_bind_virq, 12);

struct xen_evtchn_bind_pirq {
	uint32_t pirq, flags, port;
};
ABI_SIZE(struct xen_evtchn_bind_pirq, 12);

struct xen_evtchn_bind_ipi {
	uint32_t vcpu, port;
};
ABI_SIZE(struct xen_evtchn_bind_ipi, 8);

/* close, send, unmask */
struct xen_evtchn_port {
	uint32_t port;
};
ABI_SIZE(struct xen_evtchn_port, 4);

struct xen_evtchn_status {
	uint16_t dom;
	uint16_t pad0;
	uint32_t port;
	uint32_t status;
	uint32_t vcpu;
	/* unbound: .dom; interdomain: .dom and .port; pirq and virq: their number in .dom's place */
	union {
		struct {
			uint16_t dom;
			uint16_t pad;
			uint32_t port;
		} remote;
		uint32_t number;
	} u;
};
ABI_SIZE(struct xen_evtchn_status, 24);
ABI_OFFSET(struct xen_evtchn_status, u, 16);

struct xen_evtchn_bind_vcpu {
	uint32_t port, vcpu;
};
ABI_SIZE(struct xen_evtchn_bind_vcpu, 8);

struct xen_evtchn_reset {
	uint16_t dom;
};
ABI_SIZE(struct xen_evtchn_reset, 2);

struct xen_evtchn_init_control {
	uint64_t control_gfn;
	uint32_t offset;
	uint32_t vcpu;
	uint8_t link_bits;
	uint8_t pad[7];
};
ABI_SIZE(struct xen_evtchn_init_control, 24);

struct xen_evtchn_expand_array {
	uint64_t array_gfn;
};
ABI_SIZE(struct xen_evtchn_expand_array, 8);

struct xen_evtchn_set_priority {
	uint32_t port, priority;
};
ABI_SIZE(struct xen_evtchn_set_priority, 8);

#define XEN_EVTCHN_2L_CHANNELS_64 4096u
#define XEN_EVTCHN_2L_CHANNELS_32 1024u

/* The FIFO's event word: three flags, one of the link's owner, and the link. */
#define XEN_EVTCHN_FIFO_PENDING	  (1u << 31)
#define XEN_EVTCHN_FIFO_MASKED	  (1u << 30)
#define XEN_EVTCHN_FIFO_LINKED	  (1u << 29)
#define XEN_EVTCHN_FIFO_BUSY	  (1u << 28)
#define XEN_EVTCHN_FIFO_LINK_BITS 17u
#define XEN_EVTCHN_FIFO_LINK_MASK ((1u << XEN_EVTCHN_FIFO_LINK_BITS) - 1)
#define XEN_EVTCHN_FIFO_CHANNELS  (1u << XEN_EVTCHN_FIFO_LINK_BITS)
#define XEN_EVTCHN_FIFO_WORDS	  1024u /* in a page of the array */
#define XEN_EVTCHN_FIFO_PAGES	  (XEN_EVTCHN_FIFO_CHANNELS / XEN_EVTCHN_FIFO_WORDS)
#define XEN_EVTCHN_FIFO_QUEUES	  16u
#define XEN_EVTCHN_FIFO_PRIORITY_DEFAULT 7u

struct xen_evtchn_fifo_control_block {
	uint32_t ready;
	uint32_t rsvd;
	uint32_t head[XEN_EVTCHN_FIFO_QUEUES];
};
ABI_SIZE(struct xen_evtchn_fifo_control_block, 72);

#endif
