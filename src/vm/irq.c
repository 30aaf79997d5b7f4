/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts from devices: irqchip lines, irqfds, MSI routes, ioeventfds. */
#include "vm/irq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "vm/vm.h"

/* arch_irq_default_routes() of any architecture fits. */
#define DEFAULT_ROUTES_MAX 512

static int attach(struct vm *vm, uint32_t gsi, int fd, bool on)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)fd,
		.gsi = gsi,
		.flags = on ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	return kvm_irqfd(vm->fd, &irqfd);
}

static void signal_fd(int fd)
{
	(void)!write(fd, &(uint64_t){ 1 }, sizeof(uint64_t));
}

int irq_pulse_init(struct irq_pulse *pulse, struct vm *vm, uint32_t gsi)
{
	int r;

	*pulse = (struct irq_pulse){ .vm = vm, .gsi = gsi };
	pulse->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pulse->fd < 0)
		return because(-errno, "eventfd: %s", strerror(errno));
	r = attach(vm, gsi, pulse->fd, true);
	if (r == 0)
		return 0;
	close(pulse->fd);
	pulse->fd = -1;
	return because(r, "KVM_IRQFD for line %u: %s", gsi, strerror(-r));
}

void irq_pulse_finish(struct irq_pulse *pulse)
{
	if (!pulse->vm || pulse->fd < 0)
		return;
	attach(pulse->vm, pulse->gsi, pulse->fd, false);
	close(pulse->fd);
	pulse->fd = -1;
}

void irq_pulse_raise(struct irq_pulse *pulse)
{
	const struct irq_routes *routes = &pulse->vm->irqs;

	if (!routes->divert || !routes->divert(routes->divert_self, pulse->gsi))
		signal_fd(pulse->fd);
}

void irq_pulse_divert(struct vm *vm, bool (*fn)(void *self, uint32_t gsi), void *self)
{
	vm->irqs.divert_self = self;
	vm->irqs.divert = fn;
}

static int attach_level(struct irq_level *level, bool on)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)level->fd,
		.gsi = level->gsi,
		.flags = on ? KVM_IRQFD_FLAG_RESAMPLE : KVM_IRQFD_FLAG_DEASSIGN,
		.resamplefd = (uint32_t)level->ack_fd,
	};

	return kvm_irqfd(level->vm->fd, &irqfd);
}

static void level_acked(struct loop_watch *watch, unsigned events)
{
	struct irq_level *level = container_of(watch, struct irq_level, watch);

	(void)events;
	level->acked(level->self);
}

int irq_level_init(struct irq_level *level, struct vm *vm, void (*acked)(void *self), void *self)
{
	int r;

	*level = (struct irq_level){ .vm = vm, .acked = acked, .self = self };
	level->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	level->ack_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (level->fd < 0 || level->ack_fd < 0) {
		r = because(-errno, "eventfd: %s", strerror(errno));
		goto fail;
	}
	r = loop_watch_eventfd(vm->loop, &level->watch, level->ack_fd, level_acked);
	if (r == 0)
		return 0;
fail:
	irq_level_finish(level);
	return r;
}

void irq_level_finish(struct irq_level *level)
{
	if (!level->vm)
		return;
	irq_level_detach(level);
	loop_watch_remove(level->vm->loop, &level->watch);
	if (level->fd >= 0)
		close(level->fd);
	if (level->ack_fd >= 0)
		close(level->ack_fd);
	*level = (struct irq_level){ .fd = -1, .ack_fd = -1 };
}

int irq_level_attach(struct irq_level *level, uint32_t gsi)
{
	int r;

	if (level->attached && level->gsi == gsi)
		return 0;
	irq_level_detach(level);
	level->gsi = gsi;
	r = attach_level(level, true);
	level->attached = r == 0;
	return r < 0 ? because(r, "KVM_IRQFD for line %u: %s", gsi, strerror(-r)) : 0;
}

void irq_level_detach(struct irq_level *level)
{
	if (level->attached)
		attach_level(level, false);
	level->attached = false;
}

void irq_level_raise(struct irq_level *level)
{
	if (level->attached)
		signal_fd(level->fd);
}

int irq_routes_init(struct vm *vm)
{
	struct irq_routes *routes = &vm->irqs;

	pthread_mutex_init(&routes->lock, NULL);
	routes->gsi_max = vm->caps.irq_routing > 0 ? (uint32_t)vm->caps.irq_routing : 1024;
	routes->gsi_used = calloc(routes->gsi_max / 64 + 1, sizeof(uint64_t));
	routes->capacity = DEFAULT_ROUTES_MAX;
	routes->entries = calloc(routes->capacity, sizeof(*routes->entries));
	if (!routes->gsi_used || !routes->entries)
		return -ENOMEM;
	routes->count = arch_irq_default_routes(vm, routes->entries, DEFAULT_ROUTES_MAX);
	return 0;
}

void irq_routes_finish(struct vm *vm)
{
	struct irq_routes *routes = &vm->irqs;

	if (!routes->gsi_used)
		return;
	pthread_mutex_destroy(&routes->lock);
	free(routes->gsi_used);
	free(routes->entries);
	*routes = (struct irq_routes){ 0 };
}

static int take_gsi(struct vm *vm, uint32_t *ret_gsi)
{
	struct irq_routes *routes = &vm->irqs;

	for (uint32_t gsi = arch_irq_first_msi_gsi(vm); gsi < routes->gsi_max; gsi++) {
		uint64_t bit = 1ULL << gsi % 64;

		if (routes->gsi_used[gsi / 64] & bit)
			continue;
		routes->gsi_used[gsi / 64] |= bit;
		*ret_gsi = gsi;
		return 0;
	}
	return because(-ENOSPC, "all %u interrupt routes of KVM are in use", routes->gsi_max);
}

int irq_msi_init(struct irq_msi *msi, struct vm *vm, uint32_t device)
{
	int r;

	*msi = (struct irq_msi){ .vm = vm, .device = device, .fd = -1 };
	pthread_mutex_lock(&vm->irqs.lock);
	r = take_gsi(vm, &msi->gsi);
	pthread_mutex_unlock(&vm->irqs.lock);
	if (r < 0)
		return r;
	msi->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (msi->fd >= 0)
		return 0;
	r = because(-errno, "eventfd: %s", strerror(errno));
	irq_msi_finish(msi);
	return r;
}

static struct kvm_irq_routing_entry *find_route(struct irq_routes *routes, uint32_t gsi)
{
	for (uint32_t i = 0; i < routes->count; i++)
		if (routes->entries[i].gsi == gsi)
			return &routes->entries[i];
	return NULL;
}

static int commit(struct vm *vm)
{
	const struct irq_routes *routes = &vm->irqs;
	size_t size = routes->count * sizeof(*routes->entries);
	AUTO_FREE struct kvm_irq_routing *table = calloc(1, sizeof(*table) + size);

	if (!table)
		return -ENOMEM;
	table->nr = routes->count;
	memcpy(table->entries, routes->entries, size);
	return kvm_set_gsi_routing(vm->fd, table);
}

static int grow(struct irq_routes *routes)
{
	uint32_t capacity = 2 * routes->capacity;
	struct kvm_irq_routing_entry *entries;

	if (routes->count < routes->capacity)
		return 0;
	entries = reallocarray(routes->entries, capacity, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	routes->entries = entries;
	routes->capacity = capacity;
	return 0;
}

static bool is_same_event(const struct kvm_irq_routing_entry *a,
			  const struct kvm_irq_routing_entry *b)
{
	const struct kvm_irq_routing_xen_evtchn *x = &a->u.xen_evtchn, *y = &b->u.xen_evtchn;

	return x->port == y->port && x->vcpu == y->vcpu && x->priority == y->priority;
}

static bool is_same_message(const struct kvm_irq_routing_entry *a,
			    const struct kvm_irq_routing_entry *b)
{
	const struct kvm_irq_routing_msi *x = &a->u.msi, *y = &b->u.msi;

	return a->flags == b->flags && x->address_lo == y->address_lo &&
	       x->address_hi == y->address_hi && x->data == y->data && x->devid == y->devid;
}

static bool is_same(const struct kvm_irq_routing_entry *a, const struct kvm_irq_routing_entry *b)
{
	if (a->type != b->type)
		return false;
	return a->type == KVM_IRQ_ROUTING_MSI ? is_same_message(a, b) : is_same_event(a, b);
}

/* Puts the message into the table; on failure the table is what it was. */
static int set_route(struct vm *vm, const struct kvm_irq_routing_entry *route)
{
	struct irq_routes *routes = &vm->irqs;
	struct kvm_irq_routing_entry *entry = find_route(routes, route->gsi);
	struct kvm_irq_routing_entry old = { 0 };
	bool is_new = !entry;
	int r;

	if (entry && is_same(entry, route))
		return 0;
	if (entry) {
		old = *entry;
	} else {
		r = grow(routes);
		if (r < 0)
			return r;
		entry = &routes->entries[routes->count++];
	}
	*entry = *route;
	r = commit(vm);
	if (r == 0)
		return 0;
	*entry = old;
	if (is_new)
		routes->count--;
	return r;
}

static int apply_route(struct irq_msi *msi, const struct kvm_irq_routing_entry *route)
{
	struct irq_routes *routes = &msi->vm->irqs;
	int r;

	pthread_mutex_lock(&routes->lock);
	r = set_route(msi->vm, route);
	if (r == 0 && !msi->routed) {
		r = attach(msi->vm, msi->gsi, msi->fd, true);
		msi->routed = r == 0;
	}
	pthread_mutex_unlock(&routes->lock);
	return r;
}

int irq_msi_route(struct irq_msi *msi, uint64_t address, uint32_t data)
{
	struct kvm_irq_routing_entry route = { .gsi = msi->gsi };
	int r;

	msi->address = address;
	msi->data = data;
	arch_irq_msi(msi->vm, msi->device, address, data, &route);
	r = apply_route(msi, &route);
	if (r < 0)
		return because(r, "MSI to %#llx: %s", (unsigned long long)address, strerror(-r));
	return 0;
}

int irq_msi_route_event(struct irq_msi *msi, uint32_t port, uint32_t vcpu)
{
	const struct kvm_irq_routing_entry route = {
		.gsi = msi->gsi,
		.type = KVM_IRQ_ROUTING_XEN_EVTCHN,
		.u.xen_evtchn = { .port = port, .vcpu = vcpu,
				  .priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL },
	};

	return apply_route(msi, &route);
}

void irq_msi_unroute(struct irq_msi *msi)
{
	pthread_mutex_lock(&msi->vm->irqs.lock);
	if (msi->routed)
		attach(msi->vm, msi->gsi, msi->fd, false);
	msi->routed = false;
	pthread_mutex_unlock(&msi->vm->irqs.lock);
}

static void drop_route(struct irq_routes *routes, uint32_t gsi)
{
	struct kvm_irq_routing_entry *entry = find_route(routes, gsi);

	routes->gsi_used[gsi / 64] &= ~(1ULL << gsi % 64);
	if (entry)
		*entry = routes->entries[--routes->count];
}

void irq_msi_finish(struct irq_msi *msi)
{
	if (!msi->vm)
		return;
	irq_msi_unroute(msi);
	pthread_mutex_lock(&msi->vm->irqs.lock);
	drop_route(&msi->vm->irqs, msi->gsi);
	pthread_mutex_unlock(&msi->vm->irqs.lock);
	if (msi->fd >= 0)
		close(msi->fd);
	*msi = (struct irq_msi){ .fd = -1 };
}

void irq_msi_divert(struct vm *vm, bool (*fn)(void *self, uint64_t address, uint32_t data),
		    void *self)
{
	vm->irqs.divert_message_self = self;
	vm->irqs.divert_message = fn;
}

void irq_msi_raise(struct irq_msi *msi)
{
	const struct irq_routes *routes = &msi->vm->irqs;

	if (routes->divert_message && msi->address &&
	    routes->divert_message(routes->divert_message_self, msi->address, msi->data))
		return;
	signal_fd(msi->fd);
}

static int ioeventfd(struct vm *vm, bool pio, uint64_t addr, unsigned len, int fd, uint32_t flags)
{
	struct kvm_ioeventfd io = {
		.addr = addr,
		.len = len,
		.fd = fd,
		.flags = flags | (pio ? KVM_IOEVENTFD_FLAG_PIO : 0),
	};

	if (len == 0 && !vm->caps.ioeventfd_any_length)
		return because(-EOPNOTSUPP, "this KVM has no ioeventfd for any length");
	return kvm_ioeventfd(vm->fd, &io);
}

int irq_ioeventfd_add(struct vm *vm, bool pio, uint64_t addr, unsigned len, int fd)
{
	return ioeventfd(vm, pio, addr, len, fd, 0);
}

int irq_ioeventfd_remove(struct vm *vm, bool pio, uint64_t addr, unsigned len, int fd)
{
	return ioeventfd(vm, pio, addr, len, fd, KVM_IOEVENTFD_FLAG_DEASSIGN);
}
