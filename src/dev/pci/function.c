/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration space of one PCI function: header, BARs, capabilities. */
#include "dev/pci/function.h"

#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"

static void put16(struct pci_device *device, unsigned reg, uint16_t value)
{
	memcpy(&device->config[reg], &value, sizeof(value));
}

static void put32(struct pci_device *device, unsigned reg, uint32_t value)
{
	memcpy(&device->config[reg], &value, sizeof(value));
}

static uint16_t get16(const struct pci_device *device, unsigned reg)
{
	uint16_t value;

	memcpy(&value, &device->config[reg], sizeof(value));
	return value;
}

static uint32_t get32(const struct pci_device *device, unsigned reg)
{
	uint32_t value;

	memcpy(&value, &device->config[reg], sizeof(value));
	return value;
}

static void allow(struct pci_device *device, unsigned reg, uint32_t mask)
{
	memcpy(&device->writable[reg], &mask, sizeof(mask));
}

uint64_t pci_bar_address(const struct pci_device *device, unsigned bar)
{
	const struct pci_bar_options *options = &device->options.bars[bar];
	uint64_t address;

	if (!options->size)
		return PCI_BAR_NOWHERE;
	if (options->is_io)
		return get32(device, PCI_BAR0 + 4 * bar) & PCI_BAR_IO_MASK;
	address = get32(device, PCI_BAR0 + 4 * bar) & PCI_BAR_MEM_MASK;
	if (options->is_64bit)
		address |= (uint64_t)get32(device, PCI_BAR0 + 4 * bar + 4) << 32;
	return address;
}

uint64_t pci_bar_wanted(const struct pci_device *device, unsigned bar)
{
	uint16_t decoding = device->options.bars[bar].is_io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;

	if (!(get16(device, PCI_COMMAND) & decoding))
		return PCI_BAR_NOWHERE;
	return pci_bar_address(device, bar);
}

void pci_bar_place(struct pci_device *device, unsigned bar, uint64_t address)
{
	const struct pci_bar_options *options = &device->options.bars[bar];
	uint32_t type = options->is_io ? PCI_BAR_TYPE_IO : options->is_64bit ? PCI_BAR_TYPE_64 : 0;

	if (options->is_memory)
		type |= PCI_BAR_PREFETCH;
	put32(device, PCI_BAR0 + 4 * bar, (uint32_t)address | type);
	if (options->is_64bit)
		put32(device, PCI_BAR0 + 4 * bar + 4, (uint32_t)(address >> 32));
}

static bool map_is_stale(const struct pci_device *device)
{
	for (unsigned bar = 0; bar < PCI_BARS; bar++)
		if (pci_bar_wanted(device, bar) != device->mapped[bar])
			return true;
	return false;
}

/* Accesses are at most 4 bytes long and capabilities begin at multiples of 4. */
static bool touches_vendor(const struct pci_device *device, uint32_t reg, unsigned len)
{
	uint64_t dwords = 1ULL << (reg / 4) | 1ULL << ((reg + len - 1) / 4);

	return device->vendor_dwords & dwords;
}

EXIT_PATH void pci_config_read(struct pci_device *device, uint32_t reg, void *data, unsigned len)
{
	pthread_mutex_lock(&device->lock);
	copy_access(data, &device->config[reg], len);
	pthread_mutex_unlock(&device->lock);
	if (touches_vendor(device, reg, len) && device->options.config_read)
		device->options.config_read(device->options.self, reg, data, len);
}

/* lock held. */
static void store(struct pci_device *device, uint32_t reg, const uint8_t *bytes, unsigned len)
{
	for (unsigned i = 0; i < len; i++) {
		uint8_t mask = device->writable[reg + i];

		device->config[reg + i] &= ~mask;
		device->config[reg + i] |= bytes[i] & mask;
	}
}

bool pci_config_store(struct pci_device *device, uint32_t reg, const void *data, unsigned len)
{
	bool stale;

	pthread_mutex_lock(&device->lock);
	store(device, reg, data, len);
	stale = map_is_stale(device);
	pthread_mutex_unlock(&device->lock);
	return stale;
}

bool pci_config_write(struct pci_device *device, uint32_t reg, const void *data, unsigned len)
{
	bool stale;

	pthread_mutex_lock(&device->lock);
	store(device, reg, data, len);
	if (device->msix_capability)
		pci_msix_update(device);
	stale = map_is_stale(device);
	pthread_mutex_unlock(&device->lock);
	if (touches_vendor(device, reg, len) && device->options.config_write)
		device->options.config_write(device->options.self, reg, data, len);
	return stale;
}

uint64_t pci_device_bar(struct pci_device *device, unsigned bar)
{
	uint64_t address;

	pthread_mutex_lock(&device->lock);
	address = device->mapped[bar];
	pthread_mutex_unlock(&device->lock);
	return address;
}

uint16_t pci_device_bdf(const struct pci_device *device)
{
	return device->bdf;
}

int pci_device_add_capability(struct pci_device *device, uint8_t id, const void *body, uint8_t len)
{
	unsigned offset = (unsigned)align_up(device->capabilities_end, 4);
	uint8_t *link = device->last_capability ? &device->config[device->last_capability + 1]
						: &device->config[PCI_CAPABILITIES];

	if (len < 2 || offset + len > PCI_CONFIG_SIZE)
		return because(-ENOSPC, "%s: no room for PCI capability %#x", device->name, id);
	memcpy(&device->config[offset], body, len);
	device->config[offset] = id;
	device->config[offset + 1] = 0;
	*link = (uint8_t)offset;
	put16(device, PCI_STATUS, PCI_STATUS_CAP_LIST);
	device->last_capability = (uint8_t)offset;
	device->capabilities_end = (uint16_t)(offset + len);
	if (id == PCI_CAP_ID_VENDOR)
		for (unsigned i = offset / 4; i <= (offset + len - 1) / 4; i++)
			device->vendor_dwords |= 1ULL << i;
	return (int)offset;
}

void pci_device_set_writable(struct pci_device *device, uint8_t offset, uint8_t len)
{
	memset(&device->writable[offset], 0xff, len);
}

void pci_device_config(struct pci_device *device, uint8_t offset, void *data, uint8_t len)
{
	pthread_mutex_lock(&device->lock);
	memcpy(data, &device->config[offset], len);
	pthread_mutex_unlock(&device->lock);
}

/* With this capability Linux and others look at all 4 KiB, and know that there is no slot or link.
 */
static int add_express(struct pci_device *device)
{
	struct pci_express_capability express = {
		.flags = PCI_EXPRESS_VERSION | PCI_EXPRESS_TYPE_RC_INTEGRATED << 4,
		.device_capabilities = PCI_EXPRESS_ROLE_BASED_ERRORS,
	};
	int r = pci_device_add_capability(device, PCI_CAP_ID_EXPRESS, &express, sizeof(express));

	if (r < 0)
		return r;
	device->express_capability = (uint8_t)r;
	allow(device, (unsigned)r + offsetof(struct pci_express_capability, device_control),
	      PCI_EXPRESS_CONTROL_WRITABLE);
	return 0;
}

static int add_msix(struct pci_device *device)
{
	const struct pci_device_options *options = &device->options;
	struct pci_msix_capability msix = {
		.control = options->msix_vectors - 1,
		.table = options->msix_bar,
		.pba = options->msix_vectors * sizeof(struct pci_msix_entry) | options->msix_bar,
	};
	int r = pci_device_add_capability(device, PCI_CAP_ID_MSIX, &msix, sizeof(msix));

	if (r < 0)
		return r;
	device->msix_capability = (uint8_t)r;
	allow(device, (unsigned)r,
	      (uint32_t)(PCI_MSIX_CONTROL_ENABLE | PCI_MSIX_CONTROL_MASK) << 16);
	return pci_msix_init(device);
}

static void init_bars(struct pci_device *device)
{
	for (unsigned bar = 0; bar < PCI_BARS; bar++) {
		const struct pci_bar_options *options = &device->options.bars[bar];
		uint64_t mask = ~(options->size - 1);

		device->mapped[bar] = PCI_BAR_NOWHERE;
		if (!options->size)
			continue;
		pci_bar_place(device, bar, 0);
		allow(device, PCI_BAR0 + 4 * bar,
		      (uint32_t)mask & (options->is_io ? PCI_BAR_IO_MASK : PCI_BAR_MEM_MASK));
		if (options->is_64bit)
			allow(device, PCI_BAR0 + 4 * bar + 4, (uint32_t)(mask >> 32));
	}
}

static bool has_ports(const struct pci_device *device)
{
	for (unsigned bar = 0; bar < PCI_BARS; bar++)
		if (device->options.bars[bar].size && device->options.bars[bar].is_io)
			return true;
	return false;
}

int pci_function_init(struct pci_device *device)
{
	const struct pci_device_options *options = &device->options;
	uint16_t ports = has_ports(device) ? PCI_COMMAND_IO : 0;
	int r = 0;

	device->capabilities_end = PCI_HEADER_END;
	put16(device, PCI_VENDOR_ID, options->vendor);
	put16(device, PCI_DEVICE_ID, options->device);
	put32(device, PCI_REVISION_ID, options->class_code << 8 | options->revision);
	put16(device, PCI_SUBSYSTEM_VENDOR_ID, options->subsystem_vendor);
	put16(device, PCI_SUBSYSTEM_ID, options->subsystem);
	put16(device, PCI_COMMAND, PCI_COMMAND_MEMORY | ports);
	device->config[PCI_INTERRUPT_PIN] = options->interrupt_pin;
	allow(device, PCI_COMMAND,
	      ports | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
		      PCI_COMMAND_INTX_DISABLE);
	device->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	device->writable[PCI_INTERRUPT_LINE] = 0xff;
	init_bars(device);
	if (device != device->host->bridge)
		r = add_express(device);
	if (r == 0 && options->msix_vectors)
		r = add_msix(device);
	return r;
}
