/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts from devices: lines of the irqchip, and MSIs by irqfd. */
#ifndef VM_IRQ_H
#define VM_IRQ_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/loop.h"

struct vm;
struct kvm_irq_routing_entry;

/*
 * A line of the irqchip that a device pulses, edge-triggered, by an eventfd that KVM listens on: it
 * can be raised from any thread without an ioctl.
 */
struct irq_pulse {
	struct vm *vm;
	uint32_t gsi;
	int fd;
};
int irq_pulse_init(struct irq_pulse *pulse, struct vm *vm, uint32_t gsi);
void irq_pulse_finish(struct irq_pulse *pulse);
void irq_pulse_raise(struct irq_pulse *pulse);

/*
 * Lets fn have what devices raise on lines: true: it is the interrupt's end; false: KVM gets it.
 * One a VM, before anything is raised. Any thread, with locks of the device's held.
 */
void irq_pulse_divert(struct vm *vm, bool (*fn)(void *self, uint32_t gsi), void *self);

/*
 * A level-triggered line that somebody holds up until the guest has done something: KVM takes it down when
 * the guest acknowledges the interrupt, and calls acked on the loop's thread, which raises it again as
 * long as there is a reason (KVM_IRQFD_FLAG_RESAMPLE, api.rst 4.75).
 */
struct irq_level {
	struct vm *vm;
	int fd, ack_fd;
	bool attached;
	uint32_t gsi;
	struct loop_watch watch;
	void (*acked)(void *self);
	void *self;
};
/* Before the VM runs, or on the loop's thread; as finish. */
int irq_level_init(struct irq_level *level, struct vm *vm, void (*acked)(void *self), void *self);
void irq_level_finish(struct irq_level *level);
/* Any thread, one at a time. */
int irq_level_attach(struct irq_level *level, uint32_t gsi);
void irq_level_detach(struct irq_level *level);
void irq_level_raise(struct irq_level *level);

/* One MSI vector of a device: an eventfd, and a GSI routed to a message. fd is -1 while unused. */
struct irq_msi {
	struct vm *vm;
	uint32_t device;
	uint32_t gsi;
	int fd;
	bool routed; /* under irq_routes.lock */
	uint64_t address; /* to which it is routed, and what is said there; its user's lock */
	uint32_t data;
};

/* Takes a GSI and an eventfd. device: see arch_irq_msi(). -ENOSPC: no GSI is left. */
int irq_msi_init(struct irq_msi *msi, struct vm *vm, uint32_t device);
void irq_msi_finish(struct irq_msi *msi);

/* Routes the vector to a message; raising it before that is lost. Any thread. -EINVAL by KVM. */
int irq_msi_route(struct irq_msi *msi, uint64_t address, uint32_t data);
/* The same to a port of a Xen guest's event channels, of that vCPU, instead (KVM_IRQ_ROUTING_XEN_EVTCHN). */
int irq_msi_route_event(struct irq_msi *msi, uint32_t port, uint32_t vcpu);
/* Detaches it again (masked): what is raised stays in the eventfd and is delivered when routed. */
void irq_msi_unroute(struct irq_msi *msi);
/* Any thread. */
void irq_msi_raise(struct irq_msi *msi);

/* As irq_pulse_divert(), of messages: where they are routed to, and what is said there. */
void irq_msi_divert(struct vm *vm, bool (*fn)(void *self, uint64_t address, uint32_t data),
		    void *self);

/*
 * A guest's store of len bytes at addr becomes a signal on fd instead of an exit (ioeventfd). len
 * 0: any length. pio: the address is a port. -EEXIST, -ENOSPC, -EINVAL by KVM.
 */
int irq_ioeventfd_add(struct vm *vm, bool pio, uint64_t addr, unsigned len, int fd);
int irq_ioeventfd_remove(struct vm *vm, bool pio, uint64_t addr, unsigned len, int fd);

/* The VM's routing table; lock covers entries and KVM_SET_GSI_ROUTING. */
struct irq_routes {
	pthread_mutex_t lock;
	struct kvm_irq_routing_entry *entries;
	uint32_t count;
	uint32_t capacity;
	uint64_t *gsi_used; /* bitmap */
	uint32_t gsi_max;
	bool (*divert)(void *self, uint32_t gsi); /* with its self: fixed once the VM has run */
	void *divert_self;
	bool (*divert_message)(void *self, uint64_t address, uint32_t data); /* likewise */
	void *divert_message_self;
};
int irq_routes_init(struct vm *vm);
void irq_routes_finish(struct vm *vm);

#endif
