/* SPDX-License-Identifier: Apache-2.0 */
/* The PCI host: ECAM and the configuration ports, the functions, and where their BARs are. */
#include "dev/pci/function.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>
#include <ferry/vm.h>

#include "base/util.h"
#include "vm/bus.h"

#define ECAM_SIZE  MIB /* one bus */
#define PORTS_SIZE 8

/* The functions of devices other than 0, and the other buses, are not there. */
static struct pci_device *find(const struct pci_host *host, uint32_t bdf)
{
	if (bdf & ~0xf8U)
		return NULL;
	return host->devices[bdf >> 3];
}

static EXIT_PATH void config_read(struct pci_host *host, uint32_t bdf, uint32_t reg, void *data, unsigned len)
{
	struct pci_device *device = find(host, bdf);

	if (!device)
		return;
	if (reg + len <= PCI_CONFIG_SIZE)
		pci_config_read(device, reg, data, len);
	else if (reg >= PCI_CONFIG_SIZE)
		memset(data, 0, len); /* the end of the list of extended capabilities */
}

static void config_write(struct pci_host *host, uint32_t bdf, uint32_t reg, const void *data,
			 unsigned len)
{
	struct pci_device *device = find(host, bdf);

	if (device && reg + len <= PCI_CONFIG_SIZE && pci_config_write(device, reg, data, len))
		bus_defer(pci_host_update_map, host);
}

static EXIT_PATH void ecam_read(void *self, uint64_t offset, void *data, unsigned len)
{
	unsigned step = len < 4 ? len : 4;

	for (unsigned i = 0; i < len; i += step)
		config_read(self, (uint32_t)(offset >> 12), (uint32_t)(offset & 0xfff) + i,
			    (uint8_t *)data + i, step);
}

static void ecam_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	unsigned step = len < 4 ? len : 4;

	for (unsigned i = 0; i < len; i += step)
		config_write(self, (uint32_t)(offset >> 12), (uint32_t)(offset & 0xfff) + i,
			     (const uint8_t *)data + i, step);
}

static const struct bus_ops ecam_ops = { .read = ecam_read, .write = ecam_write };

/* CONFIG_ADDRESS answers only to accesses of 4 bytes; others (0xcf9) are nobody's. */
static bool is_config_address(uint64_t offset, unsigned len)
{
	return offset == 0 && len == 4;
}

/* Whether a data port leads to a register: *ret_bdf and *ret_reg then. */
static bool ports_target(struct pci_host *host, uint64_t offset, uint32_t *ret_bdf,
			 uint32_t *ret_reg)
{
	uint32_t address;

	pthread_mutex_lock(&host->lock);
	address = host->config_address;
	pthread_mutex_unlock(&host->lock);
	*ret_bdf = address >> 8 & 0xffff;
	*ret_reg = (address & 0xfc) + ((uint32_t)offset & 3);
	return offset >= PCI_CONFIG_DATA - PCI_CONFIG_ADDRESS &&
	       address & PCI_CONFIG_ADDRESS_ENABLE;
}

static void ports_read(void *self, uint64_t offset, void *data, unsigned len)
{
	struct pci_host *host = self;
	uint32_t bdf, reg;

	if (is_config_address(offset, len)) {
		pthread_mutex_lock(&host->lock);
		memcpy(data, &host->config_address, len);
		pthread_mutex_unlock(&host->lock);
	} else if (ports_target(host, offset, &bdf, &reg)) {
		config_read(host, bdf, reg, data, len);
	}
}

static void ports_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct pci_host *host = self;
	uint32_t bdf, reg;

	if (is_config_address(offset, len)) {
		pthread_mutex_lock(&host->lock);
		memcpy(&host->config_address, data, len);
		host->config_address &= PCI_CONFIG_ADDRESS_MASK;
		pthread_mutex_unlock(&host->lock);
	} else if (ports_target(host, offset, &bdf, &reg)) {
		config_write(host, bdf, reg, data, len);
	}
}

static const struct bus_ops ports_ops = { .read = ports_read, .write = ports_write };

static uint64_t wanted(struct pci_device *device, unsigned bar)
{
	uint64_t address;

	pthread_mutex_lock(&device->lock);
	address = pci_bar_wanted(device, bar);
	pthread_mutex_unlock(&device->lock);
	return address;
}

static bool unmap_stale(struct pci_device *device)
{
	bool changed = false;

	for (unsigned bar = 0; bar < PCI_BARS; bar++) {
		uint64_t old = device->mapped[bar], address = wanted(device, bar);

		if (old == PCI_BAR_NOWHERE || old == address)
			continue;
		if (address == PCI_BAR_NOWHERE || pci_bar_move(device, bar, address) < 0)
			pci_bar_unmap(device, bar);
		changed = true;
	}
	return changed;
}

/* A place that is taken (or nonsense) leaves the BAR unreachable until something moves again. */
static bool map_wanted(struct pci_device *device)
{
	bool changed = false;

	for (unsigned bar = 0; bar < PCI_BARS; bar++) {
		uint64_t address = wanted(device, bar);

		if (address != device->mapped[bar] && device->mapped[bar] == PCI_BAR_NOWHERE)
			changed |= pci_bar_map(device, bar, address) == 0;
	}
	return changed;
}

/* All are taken away before any is added, so that BARs can exchange their places. */
void pci_host_update_map(void *arg)
{
	struct pci_host *host = arg;
	bool changed[PCI_SLOTS] = { false };

	pthread_mutex_lock(&host->map_lock);
	for (unsigned i = 0; i < PCI_SLOTS; i++)
		if (host->devices[i])
			changed[i] = unmap_stale(host->devices[i]);
	for (unsigned i = 0; i < PCI_SLOTS; i++)
		if (host->devices[i])
			changed[i] |= map_wanted(host->devices[i]);
	pthread_mutex_unlock(&host->map_lock);
	for (unsigned i = 0; i < PCI_SLOTS; i++)
		if (changed[i] && host->devices[i]->options.bars_changed)
			host->devices[i]->options.bars_changed(host->devices[i]->options.self);
}

/* The end of a BAR that overlaps [address, address + size); 0 when none does. */
static uint64_t occupied_until(const struct pci_host *host, bool is_io, uint64_t address,
			       uint64_t size)
{
	for (unsigned i = 0; i < PCI_SLOTS * PCI_BARS; i++) {
		const struct pci_device *other = host->devices[i / PCI_BARS];
		uint64_t base = other ? pci_bar_address(other, i % PCI_BARS) : PCI_BAR_NOWHERE;
		uint64_t end;

		if (base == PCI_BAR_NOWHERE || other->options.bars[i % PCI_BARS].is_io != is_io)
			continue;
		end = base + other->options.bars[i % PCI_BARS].size;
		if (address < end && base < address + size)
			return end;
	}
	return 0;
}

/* The window that a BAR is placed in. */
static void window_of(const struct pci_options *windows, const struct pci_bar_options *bar,
		      uint64_t *ret_base, uint64_t *ret_size)
{
	bool high = bar->is_64bit && windows->mmio64_size;

	*ret_base = bar->is_io ? windows->io : high ? windows->mmio64 : windows->mmio32;
	*ret_size = bar->is_io ? windows->io_size : high ? windows->mmio64_size : windows->mmio32_size;
}

static int place_bar(struct pci_device *device, unsigned bar)
{
	const struct pci_bar_options *options = &device->options.bars[bar];
	uint64_t base, size, address, end;

	window_of(&device->host->options, options, &base, &size);
	address = align_up(base, options->size);
	while (range_inside(address - base, options->size, size)) {
		end = occupied_until(device->host, options->is_io, address, options->size);
		if (!end) {
			pci_bar_place(device, bar, address);
			return 0;
		}
		address = align_up(end, options->size);
	}
	return because(-ENOSPC, "%s: no room for a BAR of %llu bytes in the PCI window at %#llx",
		       device->name, (unsigned long long)options->size, (unsigned long long)base);
}

static int place_bars(struct pci_device *device)
{
	int r = 0;

	for (unsigned bar = 0; bar < PCI_BARS && r == 0; bar++)
		if (device->options.bars[bar].size)
			r = place_bar(device, bar);
	return r;
}

static int take_slot(struct pci_host *host, int slot)
{
	if (slot >= PCI_SLOTS || (slot >= 0 && host->devices[slot]))
		return because(-ENOSPC, "PCI slot %d is not free", slot);
	for (int i = 0; slot < 0 && i < PCI_SLOTS; i++)
		if (!host->devices[i])
			slot = i;
	return slot < 0 ? because(-ENOSPC, "no PCI slot is left") : slot;
}

static struct pci_device *device_new(struct pci_host *host,
				     const struct pci_device_options *options)
{
	struct pci_device *device = calloc(1, sizeof(*device));

	if (!device)
		return NULL;
	device->host = host;
	device->options = *options;
	pthread_mutex_init(&device->lock, NULL);
	for (unsigned bar = 0; bar < PCI_BARS; bar++)
		device->mapped[bar] = PCI_BAR_NOWHERE;
	if (options->msix_vectors)
		device->options.bars[options->msix_bar] = (struct pci_bar_options){
			.size = pci_msix_bar_size(options->msix_vectors),
			.ops = &pci_msix_ops,
			.self = device,
		};
	device->name = strdup(options->name);
	if (!device->name) {
		pci_device_remove(device);
		return NULL;
	}
	return device;
}

int pci_device_add(struct pci_host *host, int slot, const struct pci_device_options *options,
		   struct pci_device **ret_device)
{
	struct pci_device *device;
	int r;

	slot = take_slot(host, slot);
	if (slot < 0)
		return slot;
	device = device_new(host, options);
	if (!device)
		return -ENOMEM;
	device->bdf = (uint16_t)(slot << 3);
	if (!host->bridge)
		host->bridge = device;
	host->devices[slot] = device;
	r = pci_function_init(device);
	if (r == 0)
		r = place_bars(device);
	if (r == 0)
		r = pci_regs_add(device);
	if (r < 0)
		goto fail;
	*ret_device = device; /* before bars_changed() is called, which may want it */
	pci_host_update_map(host);
	return 0;
fail:
	pci_device_remove(device);
	return r;
}

void pci_device_remove(struct pci_device *device)
{
	struct pci_host *host;

	if (!device)
		return;
	host = device->host;
	for (unsigned bar = 0; bar < PCI_BARS; bar++)
		if (device->mapped[bar] != PCI_BAR_NOWHERE)
			pci_bar_unmap(device, bar);
	if (host->devices[device->bdf >> 3] == device)
		host->devices[device->bdf >> 3] = NULL;
	if (host->bridge == device)
		host->bridge = NULL;
	pci_msix_finish(device);
	pthread_mutex_destroy(&device->lock);
	free(device->name);
	free(device);
}

/* Linux looks for a host bridge before it trusts the configuration ports. */
static int add_bridge(struct pci_host *host)
{
	static const struct pci_device_options options = {
		.name = "pci host bridge",
		.vendor = 0x1b36,
		.device = 0x0008,
		.class_code = 0x060000,
	};
	struct pci_device *bridge;

	return pci_device_add(host, 0, &options, &bridge);
}

int pci_host_create(struct vm *vm, const struct pci_options *options, struct pci_host **ret_host)
{
	struct pci_host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return -ENOMEM;
	host->vm = vm;
	host->options = *options;
	pthread_mutex_init(&host->lock, NULL);
	pthread_mutex_init(&host->map_lock, NULL);
	r = bus_add(vm_mmio(vm), "pci ecam", options->ecam, ECAM_SIZE, &ecam_ops, host);
	if (r < 0)
		goto fail;
	host->ecam_added = true;
	if (options->config_ports) {
		r = bus_add(vm_pio(vm), "pci config ports", PCI_CONFIG_ADDRESS, PORTS_SIZE,
			    &ports_ops, host);
		if (r < 0)
			goto fail;
		host->ports_added = true;
	}
	r = add_bridge(host);
	if (r < 0)
		goto fail;
	*ret_host = host;
	return 0;
fail:
	pci_host_destroy(host);
	return r;
}

void pci_host_destroy(struct pci_host *host)
{
	if (!host)
		return;
	pci_device_remove(host->bridge);
	if (host->ports_added)
		bus_remove(vm_pio(host->vm), PCI_CONFIG_ADDRESS);
	if (host->ecam_added)
		bus_remove(vm_mmio(host->vm), host->options.ecam);
	pthread_mutex_destroy(&host->map_lock);
	pthread_mutex_destroy(&host->lock);
	free(host);
}
