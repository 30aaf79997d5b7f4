/* SPDX-License-Identifier: Apache-2.0 */
/* Virtio 1.2: a split queue and the PCI transport, from the driver's side. */
#include "lib/virtio.h"

#include <abi/pci.h>

#include "lib/guest.h"

#define SLOTS 32

static volatile uint8_t *config_of(unsigned slot)
{
	return (volatile uint8_t *)(ECAM_ADDRESS + ((uintptr_t)slot << 15));
}

static uint32_t config_read(unsigned slot, unsigned offset)
{
	return *(volatile uint32_t *)(config_of(slot) + offset);
}

static void config_write(unsigned slot, unsigned offset, uint32_t value)
{
	*(volatile uint32_t *)(config_of(slot) + offset) = value;
}

/* 4.1.4 */
static void read_capability(struct virtio *virtio, unsigned slot, unsigned at)
{
	unsigned bar = config_read(slot, at + 4) & 0xff;
	uint32_t base = config_read(slot, PCI_BAR0 + 4 * bar) & PCI_BAR_MEM_MASK;
	uintptr_t place = (uintptr_t)base + config_read(slot, at + 8);

	switch (config_read(slot, at) >> 24) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		virtio->common = (volatile struct virtio_pci_common_cfg *)place;
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		virtio->notify = (volatile uint16_t *)place;
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		virtio->specific = (volatile uint8_t *)place;
		break;
	default:
		break;
	}
}

static bool find(struct virtio *virtio, uint16_t type)
{
	const uint32_t wanted = (uint32_t)(VIRTIO_PCI_DEVICE_BASE + type) << 16 | VIRTIO_PCI_VENDOR;
	unsigned slot = 0, at;

	while (slot < SLOTS && config_read(slot, PCI_VENDOR_ID) != wanted)
		slot++;
	if (slot == SLOTS)
		return false;
	/* BARs are placed. */
	config_write(slot, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	at = config_read(slot, PCI_CAPABILITIES) & 0xfc;
	for (unsigned n = 0; at && n < 48; n++) {
		uint32_t head = config_read(slot, at);

		if ((head & 0xff) == PCI_CAP_ID_VENDOR)
			read_capability(virtio, slot, at);
		at = head >> 8 & 0xfc;
	}
	return virtio->common && virtio->notify;
}

static void write_features(struct virtio *virtio, uint64_t features)
{
	virtio->common->driver_feature_select = 0;
	virtio->common->driver_feature = (uint32_t)features;
	virtio->common->driver_feature_select = 1;
	virtio->common->driver_feature = (uint32_t)(features >> 32);
}

static void start_queue(struct virtio *virtio)
{
	volatile struct virtio_pci_common_cfg *common = virtio->common;

	virtio->avail[0] = VIRTQ_AVAIL_F_NO_INTERRUPT;
	common->queue_select = 0;
	common->queue_size = VIRTIO_QUEUE_SIZE;
	common->queue_desc = (uintptr_t)virtio->desc;
	common->queue_driver = (uintptr_t)virtio->avail;
	common->queue_device = (uintptr_t)virtio->used;
	common->queue_enable = 1;
}

bool virtio_start(struct virtio *virtio, uint16_t type, uint64_t features)
{
	const uint8_t begun = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;

	if (!find(virtio, type))
		return false;
	virtio->common->device_status = 0;
	while (virtio->common->device_status)
		cpu_relax();
	virtio->common->device_status = begun;
	write_features(virtio, features | 1ULL << VIRTIO_F_VERSION_1);
	virtio->common->device_status = begun | VIRTIO_STATUS_FEATURES_OK;
	if (!(virtio->common->device_status & VIRTIO_STATUS_FEATURES_OK))
		return false;
	start_queue(virtio);
	virtio->common->device_status = begun | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK;
	return true;
}

void virtio_describe(struct virtio *virtio, uint16_t n, const volatile void *at, uint32_t len,
		     uint16_t flags)
{
	virtio->desc[n] = (struct virtq_desc){ (uintptr_t)at, len, flags, (uint16_t)(n + 1) };
}

void virtio_add(struct virtio *virtio, uint16_t head)
{
	virtio->avail[2 + virtio->submitted++ % VIRTIO_QUEUE_SIZE] = head;
}

void virtio_kick(struct virtio *virtio)
{
	__atomic_store_n(&virtio->avail[1], virtio->submitted, __ATOMIC_SEQ_CST);
	*virtio->notify = 0;
}

bool virtio_is_idle(const struct virtio *virtio)
{
	return __atomic_load_n(&virtio->used[1], __ATOMIC_ACQUIRE) == virtio->submitted;
}
