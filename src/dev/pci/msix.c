/* SPDX-License-Identifier: Apache-2.0 */
/* MSI-X: the table, the pending bits, masking and delivery (PCI Local Bus 3.0, 6.8.2). */
#include "dev/pci/function.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"

static uint64_t table_size(const struct pci_device *device)
{
	return device->options.msix_vectors * sizeof(struct pci_msix_entry);
}

uint64_t pci_msix_bar_size(unsigned vectors)
{
	uint64_t used = vectors * sizeof(struct pci_msix_entry) + align_up(vectors, 64) / 8;
	uint64_t size = 4096;

	while (size < used)
		size *= 2;
	return size;
}

int pci_msix_init(struct pci_device *device)
{
	device->vectors = calloc(device->options.msix_vectors, sizeof(device->vectors[0]));
	if (!device->vectors)
		return -ENOMEM;
	for (unsigned i = 0; i < device->options.msix_vectors; i++)
		device->vectors[i].entry.control = PCI_MSIX_ENTRY_MASKED;
	return 0;
}

void pci_msix_finish(struct pci_device *device)
{
	for (unsigned i = 0; device->vectors && i < device->options.msix_vectors; i++)
		if (device->vectors[i].ready)
			irq_msi_finish(&device->vectors[i].msi);
	free(device->vectors);
	device->vectors = NULL;
}

static uint16_t msix_control(const struct pci_device *device)
{
	uint16_t control;

	memcpy(&control, &device->config[device->msix_capability + PCI_MSIX_CONTROL],
	       sizeof(control));
	return control;
}

static bool is_masked(const struct pci_device *device, const struct msix_vector *vector)
{
	return msix_control(device) & PCI_MSIX_CONTROL_MASK ||
	       vector->entry.control & PCI_MSIX_ENTRY_MASKED;
}

/*
 * The vector is routed here, not when the guest writes the table: guests rewrite entries many times
 * before the first interrupt, and each routing costs an RCU grace period in the kernel.
 */
static int make_ready(struct pci_device *device, struct msix_vector *vector)
{
	int r;

	if (!vector->ready) {
		r = irq_msi_init(&vector->msi, device->host->vm, device->bdf);
		if (r < 0)
			return r;
		vector->ready = true;
		vector->stale = true;
	}
	if (!vector->stale)
		return 0;
	r = irq_msi_route(&vector->msi, vector->entry.address, vector->entry.data);
	if (r == 0)
		vector->stale = false;
	return r;
}

/* An address that KVM does not take costs the guest this interrupt. lock held. */
static void deliver(struct pci_device *device, struct msix_vector *vector)
{
	vector->pending = false;
	if (make_ready(device, vector) == 0)
		irq_msi_raise(&vector->msi);
}

void pci_device_raise(struct pci_device *device, uint16_t vector)
{
	struct msix_vector *v;

	if (vector >= device->options.msix_vectors)
		return;
	pthread_mutex_lock(&device->lock);
	v = &device->vectors[vector];
	if (msix_control(device) & PCI_MSIX_CONTROL_ENABLE) {
		if (is_masked(device, v))
			v->pending = true;
		else
			deliver(device, v);
	}
	pthread_mutex_unlock(&device->lock);
}

void pci_msix_update(struct pci_device *device)
{
	bool enabled = msix_control(device) & PCI_MSIX_CONTROL_ENABLE;

	for (unsigned i = 0; i < device->options.msix_vectors; i++) {
		struct msix_vector *vector = &device->vectors[i];

		if (!vector->pending)
			continue;
		if (!enabled)
			vector->pending = false;
		else if (!is_masked(device, vector))
			deliver(device, vector);
	}
}

void pci_msix_store_entry(struct msix_vector *vector, const struct pci_msix_entry *entry)
{
	if (entry->address != vector->entry.address || entry->data != vector->entry.data)
		vector->stale = true;
	vector->entry = *entry;
	vector->entry.control &= PCI_MSIX_ENTRY_MASKED;
}

static void set_entry(struct pci_device *device, unsigned vector,
		      const struct pci_msix_entry *entry)
{
	struct msix_vector *v = &device->vectors[vector];

	pci_msix_store_entry(v, entry);
	if (v->pending && !is_masked(device, v))
		deliver(device, v);
}

static uint8_t pending_byte(const struct pci_device *device, uint64_t index)
{
	uint8_t byte = 0;

	for (unsigned i = 0; i < 8; i++)
		if (index * 8 + i < device->options.msix_vectors &&
		    device->vectors[index * 8 + i].pending)
			byte |= (uint8_t)(1U << i);
	return byte;
}

static uint8_t bar_byte(const struct pci_device *device, uint64_t offset)
{
	uint64_t size = table_size(device);
	const uint8_t *entry;

	if (offset >= size)
		return pending_byte(device, offset - size);
	entry = (const uint8_t *)&device->vectors[offset / sizeof(struct pci_msix_entry)].entry;
	return entry[offset % sizeof(struct pci_msix_entry)];
}

static void bar_read(void *self, uint64_t offset, void *data, unsigned len)
{
	struct pci_device *device = self;
	uint8_t *bytes = data;

	pthread_mutex_lock(&device->lock);
	for (unsigned i = 0; i < len; i++)
		bytes[i] = bar_byte(device, offset + i);
	pthread_mutex_unlock(&device->lock);
}

/* Only aligned stores of 4 and 8 bytes are defined; the PBA is read-only. */
static void bar_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct pci_device *device = self;
	struct pci_msix_entry entry;
	unsigned number = (unsigned)(offset / sizeof(entry));

	if (len < 4 || !is_aligned(offset, len) || offset >= table_size(device))
		return;
	pthread_mutex_lock(&device->lock);
	entry = device->vectors[number].entry;
	memcpy((uint8_t *)&entry + offset % sizeof(entry), data, len);
	set_entry(device, number, &entry);
	pthread_mutex_unlock(&device->lock);
}

const struct bus_ops pci_msix_ops = { .read = bar_read, .write = bar_write };
