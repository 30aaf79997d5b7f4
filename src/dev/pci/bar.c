/* SPDX-License-Identifier: Apache-2.0 */
/* Where a BAR is: a range of the bus, and of the memory map when it is memory. */
#include <errno.h>

#include <ferry/error.h>

#include "base/util.h"
#include "dev/pci/function.h"
#include "mem/txn.h"
#include "vm/bus.h"
#include "vm/vm.h"

static void set_mapped(struct pci_device *device, unsigned bar, uint64_t address)
{
	pthread_mutex_lock(&device->lock);
	device->mapped[bar] = address;
	pthread_mutex_unlock(&device->lock);
}

static void read_nothing(void *self, uint64_t offset, void *data, unsigned len)
{
	static const uint64_t ones = UINT64_MAX;

	(void)self, (void)offset;
	copy_access(data, &ones, len);
}

static void write_nothing(void *self, uint64_t offset, const void *data, unsigned len)
{
	(void)self, (void)offset, (void)data, (void)len;
}

/* Keeps others from the place of memory. What reaches it came while the memory came or went. */
static const struct bus_ops place_ops = { .read = read_nothing, .write = write_nothing };

static struct bus *bus_of(const struct pci_device *device, unsigned bar)
{
	struct vm *vm = device->host->vm;

	return device->options.bars[bar].is_io ? vm_pio(vm) : vm_mmio(vm);
}

static int take_place(struct pci_device *device, unsigned bar, uint64_t address)
{
	const struct pci_bar_options *options = &device->options.bars[bar];

	return bus_add(bus_of(device, bar), device->name, address, options->size,
		       options->is_memory ? &place_ops : options->ops, options->self);
}

static void leave_place(struct pci_device *device, unsigned bar, uint64_t address)
{
	bus_remove(bus_of(device, bar), address);
}

static int map_memory(struct pci_device *device, unsigned bar, uint64_t address)
{
	const struct pci_bar_options *options = &device->options.bars[bar];
	struct mem_txn txn;

	mem_txn_begin(&txn, vm_mem(device->host->vm));
	mem_txn_map_file(&txn, "PCI memory", address, options->size, 0, options->fd, 0);
	return mem_txn_commit(&txn);
}

int pci_bar_map(struct pci_device *device, unsigned bar, uint64_t address)
{
	int r = take_place(device, bar, address);

	if (r < 0)
		return r;
	if (device->options.bars[bar].is_memory)
		r = map_memory(device, bar, address);
	if (r < 0)
		leave_place(device, bar, address);
	else
		set_mapped(device, bar, address);
	return r;
}

/* Memory that KVM does not take back stays reachable, and keeps its place. */
void pci_bar_unmap(struct pci_device *device, unsigned bar)
{
	uint64_t address = device->mapped[bar];

	if (device->options.bars[bar].is_memory &&
	    mem_unmap(vm_mem(device->host->vm), address) < 0)
		return;
	set_mapped(device, bar, PCI_BAR_NOWHERE);
	leave_place(device, bar, address);
}

int pci_bar_move(struct pci_device *device, unsigned bar, uint64_t address)
{
	uint64_t from = device->mapped[bar];
	struct mem_txn txn;
	int r;

	if (!device->options.bars[bar].is_memory)
		return -EINVAL;
	r = take_place(device, bar, address);
	if (r < 0)
		return r;
	mem_txn_begin(&txn, vm_mem(device->host->vm));
	mem_txn_move(&txn, from, address);
	r = mem_txn_commit(&txn);
	if (r == 0)
		set_mapped(device, bar, address);
	leave_place(device, bar, r == 0 ? from : address);
	return r;
}
