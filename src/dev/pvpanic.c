/* SPDX-License-Identifier: Apache-2.0 */
/* The pvpanic port. */
#include "dev/pvpanic.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <ferry/bus.h>
#include <ferry/error.h>
#include <ferry/vm.h>

#include "reg/reg_file.h"

struct pvpanic {
	struct vm *vm;
	uint16_t port;
	bool claimed;		/* the port */
	_Atomic uint8_t events; /* offered */
};

static void port_read(void *self, uint64_t offset, void *data, unsigned len)
{
	struct pvpanic *pvpanic = self;

	(void)offset, (void)len;
	*(uint8_t *)data = atomic_load(&pvpanic->events);
}

static void port_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct pvpanic *pvpanic = self;

	(void)offset, (void)len;
	if (*(const uint8_t *)data & atomic_load(&pvpanic->events) & PVPANIC_PANICKED)
		vm_end(pvpanic->vm, VM_END_PANIC, "the guest panicked");
}

static const struct bus_ops port_ops = { .read = port_read, .write = port_write };

int pvpanic_create(struct vm *vm, const struct pvpanic_options *options,
		   struct pvpanic **ret_pvpanic)
{
	struct pvpanic *pvpanic = calloc(1, sizeof(*pvpanic));
	int r;

	if (!pvpanic)
		return -ENOMEM;
	pvpanic->vm = vm;
	pvpanic->port = options->port;
	atomic_init(&pvpanic->events, PVPANIC_EVENTS);
	r = bus_add(vm_pio(vm), "pvpanic", options->port, 1, &port_ops, pvpanic);
	if (r < 0)
		goto fail;
	pvpanic->claimed = true;
	*ret_pvpanic = pvpanic;
	return 0;
fail:
	pvpanic_destroy(pvpanic);
	return r;
}

void pvpanic_destroy(struct pvpanic *pvpanic)
{
	if (!pvpanic)
		return;
	if (pvpanic->claimed)
		bus_remove(vm_pio(pvpanic->vm), pvpanic->port);
	free(pvpanic);
}

static uint64_t events_id(const struct pvpanic *pvpanic)
{
	return REG_ID(REG_BANK_PVPANIC, 0, 0, pvpanic->port);
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	return reg_list_add(out, vcpu, events_id(self), 0);
}

static int get(void *self, struct reg_key key, void *val)
{
	struct pvpanic *pvpanic = self;

	if (key.id != events_id(pvpanic))
		return -ENOENT;
	*(uint8_t *)val = atomic_load(&pvpanic->events);
	return 0;
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct pvpanic *pvpanic = self;
	uint8_t events = *(const uint8_t *)val;

	if (key.id != events_id(pvpanic))
		return -ENOENT;
	if (events & ~PVPANIC_EVENTS)
		return because(-EINVAL, "pvpanic: events %#x cannot be offered", events);
	atomic_store(&pvpanic->events, events);
	return 0;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	if (key.id != events_id(self))
		return -ENOENT;
	snprintf(name, size, "events");
	return 0;
}

static const struct reg_bank pvpanic_bank = {
	.name = "pvpanic",
	.mask = REG_BANK_MASK,
	.match = REG_BANK(REG_BANK_PVPANIC),
	.list = list,
	.get = get,
	.set = set,
	.name_of = name_of,
};

int pvpanic_add_bank(struct pvpanic *pvpanic, struct reg_file *file)
{
	return reg_file_add(file, &pvpanic_bank, 0, 0, pvpanic);
}
