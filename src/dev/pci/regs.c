/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of a PCI function. Bank "pci": number = ECAM offset, 4 bytes, every one that the guest
 * can write and the identity; field 1 of 00:00.0's 0xcf8 is CONFIG_ADDRESS. Bank "msix": number =
 * bdf << 16 | vector; field 0 the table's entry, field 1 the pending bits of 64 vectors. Setting one
 * raises no interrupt: pci_host_resume() does, when all of them have been set.
 */
#include "dev/pci/function.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>
#include <ferry/vm.h>

#define FIELD_PORTS   1
#define FIELD_ENTRY   0
#define FIELD_PENDING 1

#define ID_CONFIG(device, reg) REG_ID(REG_BANK_PCI, 0, 2, (uint32_t)(device)->bdf << 12 | (reg))
#define ID_PORTS               REG_ID(REG_BANK_PCI, FIELD_PORTS, 2, PCI_CONFIG_ADDRESS)
#define ID_ENTRY(device, n) \
	REG_ID(REG_BANK_MSIX, FIELD_ENTRY, 4, (uint32_t)(device)->bdf << 16 | (n))
#define ID_PENDING(device, n) \
	REG_ID(REG_BANK_MSIX, FIELD_PENDING, 3, (uint32_t)(device)->bdf << 16 | (n))

static bool has_ports(const struct pci_device *device)
{
	return device == device->host->bridge && device->host->options.config_ports;
}

static uint32_t writable(const struct pci_device *device, uint32_t reg)
{
	uint32_t mask;

	memcpy(&mask, &device->writable[reg], sizeof(mask));
	return mask;
}

/* The identity is listed so that a device in the wrong slot is found before its state is. */
static bool is_listed(const struct pci_device *device, uint32_t reg)
{
	return reg == PCI_VENDOR_ID || reg == PCI_SUBSYSTEM_VENDOR_ID || writable(device, reg);
}

static int pci_list(void *self, uint32_t vcpu, struct reg_list *out)
{
	const struct pci_device *device = self;
	int r = 0;

	for (uint32_t reg = 0; reg < PCI_CONFIG_SIZE && r == 0; reg += 4)
		if (is_listed(device, reg))
			r = reg_list_add(out, vcpu, ID_CONFIG(device, reg), 0);
	if (r == 0 && has_ports(device))
		r = reg_list_add(out, vcpu, ID_PORTS, 0);
	return r;
}

/* The offset of the register in configuration space, or -ENOENT. */
static int find_config(const struct pci_device *device, uint64_t id)
{
	uint32_t reg = REG_ID_NUMBER(id) & 0xfff;

	if (id != ID_CONFIG(device, reg) || reg >= PCI_CONFIG_SIZE || reg % 4 ||
	    !is_listed(device, reg))
		return because(-ENOENT, "%s: no PCI register %#llx", device->name,
			       (unsigned long long)id);
	return (int)reg;
}

static int pci_get(void *self, struct reg_key key, void *val)
{
	struct pci_device *device = self;
	int reg;

	if (key.id == ID_PORTS && has_ports(device)) {
		pthread_mutex_lock(&device->host->lock);
		memcpy(val, &device->host->config_address, 4);
		pthread_mutex_unlock(&device->host->lock);
		return 0;
	}
	reg = find_config(device, key.id);
	if (reg < 0)
		return reg;
	pci_device_config(device, (uint8_t)reg, val, 4);
	return 0;
}

static int set_ports(struct pci_host *host, uint32_t value)
{
	if (value & ~PCI_CONFIG_ADDRESS_MASK)
		return because(-EINVAL, "pci: %#x is not a CONFIG_ADDRESS", value);
	pthread_mutex_lock(&host->lock);
	host->config_address = value;
	pthread_mutex_unlock(&host->lock);
	return 0;
}

static int refuse_config(const struct pci_device *device, uint32_t reg, uint32_t value, uint32_t now)
{
	char there[32], here[32];

	if (reg != PCI_VENDOR_ID)
		return because(-EINVAL, "%s: PCI register %#x cannot be %#x here (it is %#x)",
			       device->name, reg, value, now);
	return because(-ENODEV, "the guest has %s in this slot, and here is %s: give the machine the same "
				"devices, disks and networks in the same order",
		       pci_kind(value, there, sizeof(there)), pci_kind(now, here, sizeof(here)));
}

/* As a guest's write without its side effects: they are operations. */
static int set_config(struct pci_device *device, uint32_t reg, uint32_t value)
{
	uint32_t mask = writable(device, reg);
	uint32_t now;

	pci_device_config(device, (uint8_t)reg, &now, 4);
	if ((now ^ value) & ~mask)
		return refuse_config(device, reg, value, now);
	if (pci_config_store(device, reg, &value, 4))
		pci_host_update_map(device->host);
	return 0;
}

static int pci_set(void *self, struct reg_key key, const void *val)
{
	struct pci_device *device = self;
	uint32_t value;
	int reg;

	memcpy(&value, val, sizeof(value));
	if (key.id == ID_PORTS && has_ports(device))
		return set_ports(device->host, value);
	reg = find_config(device, key.id);
	return reg < 0 ? reg : set_config(device, (uint32_t)reg, value);
}

static void config_name(const struct pci_device *device, uint32_t reg, char *name, size_t size)
{
	static const char *const names[PCI_HEADER_END / 4] = {
		[PCI_VENDOR_ID / 4] = "id",
		[PCI_COMMAND / 4] = "command",
		[PCI_CACHE_LINE_SIZE / 4] = "cache_line_size",
		[PCI_BAR0 / 4] = "bar0",
		"bar1",
		"bar2",
		"bar3",
		"bar4",
		"bar5",
		[PCI_SUBSYSTEM_VENDOR_ID / 4] = "subsystem",
		[PCI_INTERRUPT_LINE / 4] = "interrupt_line",
	};

	if (reg < PCI_HEADER_END && names[reg / 4])
		snprintf(name, size, "%s", names[reg / 4]);
	else if (device->msix_capability && reg == device->msix_capability)
		snprintf(name, size, "msix_control");
	else if (device->express_capability && reg == device->express_capability + 8U)
		snprintf(name, size, "express_control");
	else
		snprintf(name, size, "config_%02x", reg);
}

static int pci_name_of(void *self, struct reg_key key, char *name, size_t size)
{
	const struct pci_device *device = self;
	char reg_name[32];
	int reg;

	if (key.id == ID_PORTS && has_ports(device)) {
		snprintf(reg_name, sizeof(reg_name), "config_address");
	} else {
		reg = find_config(device, key.id);
		if (reg < 0)
			return reg;
		config_name(device, (uint32_t)reg, reg_name, sizeof(reg_name));
	}
	snprintf(name, size, "00:%02x.0.%s", device->bdf >> 3, reg_name);
	return 0;
}

static const struct reg_bank pci_bank = {
	.name = "pci",
	.mask = REG_BANK_MASK,
	.match = REG_BANK(REG_BANK_PCI),
	.list = pci_list,
	.get = pci_get,
	.set = pci_set,
	.name_of = pci_name_of,
};

static int msix_list(void *self, uint32_t vcpu, struct reg_list *out)
{
	const struct pci_device *device = self;
	int r = 0;

	for (uint32_t i = 0; i < device->options.msix_vectors && r == 0; i++)
		r = reg_list_add(out, vcpu, ID_ENTRY(device, i), 0);
	for (uint32_t i = 0; i < device->options.msix_vectors && r == 0; i += 64)
		r = reg_list_add(out, vcpu, ID_PENDING(device, i), 0);
	return r;
}

/* The register's first vector, or -ENOENT. */
static int find_vector(const struct pci_device *device, uint64_t id)
{
	uint32_t vector = REG_ID_NUMBER(id) & 0xffff;

	if (vector < device->options.msix_vectors) {
		if (id == ID_ENTRY(device, vector))
			return (int)vector;
		if (id == ID_PENDING(device, vector) && vector % 64 == 0)
			return (int)vector;
	}
	return because(-ENOENT, "%s: no MSI-X register %#llx", device->name,
		       (unsigned long long)id);
}

static uint64_t get_pending(const struct pci_device *device, unsigned first)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < 64 && first + i < device->options.msix_vectors; i++)
		if (device->vectors[first + i].pending)
			bits |= 1ULL << i;
	return bits;
}

static int msix_get(void *self, struct reg_key key, void *val)
{
	struct pci_device *device = self;
	int vector = find_vector(device, key.id);
	uint64_t bits;

	if (vector < 0)
		return vector;
	pthread_mutex_lock(&device->lock);
	if (REG_ID_FIELD(key.id) == FIELD_ENTRY) {
		memcpy(val, &device->vectors[vector].entry, sizeof(struct pci_msix_entry));
	} else {
		bits = get_pending(device, (unsigned)vector);
		memcpy(val, &bits, sizeof(bits));
	}
	pthread_mutex_unlock(&device->lock);
	return 0;
}

static int set_pending(struct pci_device *device, unsigned first, uint64_t bits)
{
	unsigned count = device->options.msix_vectors - first;

	if (count < 64 && bits >> count)
		return because(-EINVAL, "%s: there are only %u MSI-X vectors", device->name,
			       device->options.msix_vectors);
	pthread_mutex_lock(&device->lock);
	for (unsigned i = 0; i < 64 && i < count; i++)
		device->vectors[first + i].pending = bits >> i & 1;
	pthread_mutex_unlock(&device->lock);
	return 0;
}

static int set_entry(struct pci_device *device, unsigned vector, const struct pci_msix_entry *entry)
{
	if (entry->control & ~PCI_MSIX_ENTRY_MASKED)
		return because(-EINVAL, "%s: %#x is not an MSI-X vector control", device->name,
			       entry->control);
	pthread_mutex_lock(&device->lock);
	pci_msix_store_entry(&device->vectors[vector], entry);
	pthread_mutex_unlock(&device->lock);
	return 0;
}

static int msix_set(void *self, struct reg_key key, const void *val)
{
	struct pci_device *device = self;
	int vector = find_vector(device, key.id);
	struct pci_msix_entry entry;
	uint64_t bits;

	if (vector < 0)
		return vector;
	if (REG_ID_FIELD(key.id) == FIELD_ENTRY) {
		memcpy(&entry, val, sizeof(entry));
		return set_entry(device, (unsigned)vector, &entry);
	}
	memcpy(&bits, val, sizeof(bits));
	return set_pending(device, (unsigned)vector, bits);
}

static int msix_name_of(void *self, struct reg_key key, char *name, size_t size)
{
	const struct pci_device *device = self;
	int vector = find_vector(device, key.id);

	if (vector < 0)
		return vector;
	snprintf(name, size, "00:%02x.0.%s%d", device->bdf >> 3,
		 REG_ID_FIELD(key.id) == FIELD_ENTRY ? "vector" : "pending", vector);
	return 0;
}

static const struct reg_bank msix_bank = {
	.name = "msix",
	.mask = REG_BANK_MASK,
	.match = REG_BANK(REG_BANK_MSIX),
	.list = msix_list,
	.get = msix_get,
	.set = msix_set,
	.name_of = msix_name_of,
};

int pci_regs_add(struct pci_device *device)
{
	struct reg_file *file = vm_regs(device->host->vm);
	int r = reg_file_add(file, &pci_bank, 0xfffff000, (uint64_t)device->bdf << 12, device);

	if (r == 0 && device->options.msix_vectors)
		r = reg_file_add(file, &msix_bank, 0xffff0000, (uint64_t)device->bdf << 16, device);
	return r;
}

static int empty_list(void *self, uint32_t vcpu, struct reg_list *out)
{
	(void)self, (void)vcpu, (void)out;
	return 0;
}

static int empty_get(void *self, struct reg_key key, void *val)
{
	(void)self, (void)key, (void)val;
	return -ENOENT;
}

/* What a guest has in a slot that is empty here is told once, by its name. */
static int empty_set(void *self, struct reg_key key, const void *val)
{
	char there[32];
	uint32_t id;

	(void)self;
	if (key.id != REG_ID(REG_BANK_PCI, 0, 2, REG_ID_NUMBER(key.id) & ~0xfffU))
		return -ENOENT;
	memcpy(&id, val, sizeof(id));
	if (!id)
		return -ENOENT;
	return because(-ENODEV, "the guest has %s in this slot, and here is nothing",
		       pci_kind(id, there, sizeof(there)));
}

int pci_host_close(struct pci_host *host)
{
	static const struct reg_bank bank = {
		.name = "pci",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_PCI),
		.list = empty_list,
		.get = empty_get,
		.set = empty_set,
	};
	int r = 0;

	for (uint32_t slot = 0; slot < PCI_SLOTS && r == 0; slot++)
		if (!host->devices[slot])
			r = reg_file_add(vm_regs(host->vm), &bank, 0xfffff000, (uint64_t)slot << 15,
					 host);
	return r;
}
