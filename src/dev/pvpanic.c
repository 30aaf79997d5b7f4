/* SPDX-License-Identifier: Apache-2.0 */
/* pvpanic, on a port or at an address. */
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
	struct bus *bus;
	uint32_t base;		/* on the bus */
	bool claimed;		/* the base */
	_Atomic uint8_t events; /* offered */
};

static void events_read(void *self, uint64_t offset, void *data, unsigned len)
{
	struct pvpanic *pvpanic = self;

	(void)len;
	if (offset == 0)
		*(uint8_t *)data = atomic_load(&pvpanic->events);
}

static void events_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct pvpanic *pvpanic = self;

	(void)len;
	if (offset == 0 && *(const uint8_t *)data & atomic_load(&pvpanic->events) & PVPANIC_PANICKED)
		vm_end(pvpanic->vm, VM_END_PANIC, "the guest panicked");
}

static const struct bus_ops events_ops = { .read = events_read, .write = events_write };

int pvpanic_create(struct vm *vm, const struct pvpanic_options *options,
		   struct pvpanic **ret_pvpanic)
{
	struct pvpanic *pvpanic = calloc(1, sizeof(*pvpanic));
	int r;

	if (!pvpanic)
		return -ENOMEM;
	pvpanic->vm = vm;
	pvpanic->bus = options->port ? vm_pio(vm) : vm_mmio(vm);
	pvpanic->base = options->port ? options->port : options->address;
	atomic_init(&pvpanic->events, PVPANIC_EVENTS);
	r = bus_add(pvpanic->bus, "pvpanic", pvpanic->base, options->port ? 1 : PVPANIC_MMIO_SIZE,
		    &events_ops, pvpanic);
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
		bus_remove(pvpanic->bus, pvpanic->base);
	free(pvpanic);
}

static uint64_t events_id(const struct pvpanic *pvpanic)
{
	return REG_ID(REG_BANK_PVPANIC, 0, 0, pvpanic->base);
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
