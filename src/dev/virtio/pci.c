/* SPDX-License-Identifier: Apache-2.0 */
/* The PCI transport of a virtio device (virtio 1.2, 4.1): BAR, capabilities, common configuration.
 */
#include <ferry/error.h>

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/util.h"
#include "dev/virtio/core.h"

#define BAR_COMMON 0x0000
#define BAR_ISR	   0x1000
#define BAR_DEVICE 0x2000
#define BAR_SIZE   0x4000
#define BAR_PART   0x1000

#define MSIX_BAR 1

/* The one that queue_select selects, or NULL. */
static struct virtqueue *selected(struct virtio_device *device)
{
	return virtio_device_queue(device, device->queue_select);
}

static uint32_t half(uint64_t value, uint32_t select)
{
	return select < 2 ? (uint32_t)(value >> 32 * select) : 0;
}

static void set_half(uint64_t *value, uint32_t select, uint32_t part)
{
	if (select < 2)
		*value = (*value & ~(0xffffffffULL << 32 * select)) | (uint64_t)part << 32 * select;
}

static void fill_queue(struct virtqueue *queue, struct virtio_pci_common_cfg *cfg)
{
	cfg->queue_size = queue->setup.size;
	cfg->queue_msix_vector = atomic_load(&queue->vector);
	cfg->queue_enable = queue->setup.enabled;
	cfg->queue_notify_off = queue->index;
	cfg->queue_desc = queue->setup.desc;
	cfg->queue_driver = queue->setup.driver;
	cfg->queue_device = queue->setup.device;
	cfg->queue_notify_data = queue->index;
}

static void read_common(struct virtio_device *device, uint64_t offset, void *data, unsigned len)
{
	struct virtio_pci_common_cfg cfg = {
		.device_feature_select = device->device_feature_select,
		.device_feature = half(device->device_features, device->device_feature_select),
		.driver_feature_select = device->driver_feature_select,
		.driver_feature = half(device->driver_features, device->driver_feature_select),
		.config_msix_vector = device->config_vector,
		.num_queues = device->queue_count,
		.device_status = device->status,
		.config_generation = device->generation,
		.queue_select = device->queue_select,
		.queue_msix_vector = VIRTIO_MSI_NO_VECTOR,
	};

	if (selected(device))
		fill_queue(selected(device), &cfg);
	if (range_inside(offset, len, VIRTIO_PCI_COMMON_CFG_LEN))
		memcpy(data, (uint8_t *)&cfg + offset, len);
}

/* 4.1.5.1.2.1: a vector that is not there is answered with none. */
static uint16_t check_vector(const struct virtio_device *device, uint16_t vector)
{
	return vector <= device->queue_count ? vector : VIRTIO_MSI_NO_VECTOR;
}

static void enable_queue(struct virtio_device *device, struct virtqueue *queue)
{
	int r = virtio_check_queue(device, &queue->setup);

	if (r < 0)
		virtio_needs_reset(device, error_text(r));
	else
		queue->setup.enabled = true;
}

static void write_address(gpa_t *address, unsigned shift, const void *data, unsigned len)
{
	memcpy((uint8_t *)address + shift, data, len);
}

/* The loop took the queue over, or will: what the driver writes now comes too late (4.1.4.3.2). */
static void write_queue(struct virtio_device *device, struct virtqueue *queue, uint64_t offset,
			const void *data, unsigned len)
{
	uint16_t value;

	if (device->started || queue->setup.enabled)
		return;
	if (len >= 4) {
		struct virtq_setup *setup = &queue->setup;
		unsigned part = (unsigned)(offset & 4);

		if (len + part > 8)
			return;
		switch (offset - part) {
		case offsetof(struct virtio_pci_common_cfg, queue_desc):
			return write_address(&setup->desc, part, data, len);
		case offsetof(struct virtio_pci_common_cfg, queue_driver):
			return write_address(&setup->driver, part, data, len);
		case offsetof(struct virtio_pci_common_cfg, queue_device):
			return write_address(&setup->device, part, data, len);
		}
		return;
	}
	if (len != 2)
		return;
	memcpy(&value, data, len);
	if (offset == offsetof(struct virtio_pci_common_cfg, queue_size))
		queue->setup.size = value;
	else if (offset == offsetof(struct virtio_pci_common_cfg, queue_enable) && value == 1)
		enable_queue(device, queue);
}

static void write16(struct virtio_device *device, uint64_t offset, uint16_t value)
{
	struct virtqueue *queue = selected(device);

	switch (offset) {
	case offsetof(struct virtio_pci_common_cfg, config_msix_vector):
		device->config_vector = check_vector(device, value);
		break;
	case offsetof(struct virtio_pci_common_cfg, queue_select):
		device->queue_select = value;
		break;
	case offsetof(struct virtio_pci_common_cfg, queue_msix_vector):
		if (queue)
			atomic_store(&queue->vector, check_vector(device, value));
		break;
	default:
		if (queue)
			write_queue(device, queue, offset, &value, sizeof(value));
	}
}

static void write32(struct virtio_device *device, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case offsetof(struct virtio_pci_common_cfg, device_feature_select):
		device->device_feature_select = value;
		break;
	case offsetof(struct virtio_pci_common_cfg, driver_feature_select):
		device->driver_feature_select = value;
		break;
	case offsetof(struct virtio_pci_common_cfg, driver_feature):
		/* 2.2.1: features are negotiated before FEATURES_OK only */
		if (!(device->status & VIRTIO_STATUS_FEATURES_OK))
			set_half(&device->driver_features, device->driver_feature_select, value);
		break;
	default:
		if (selected(device))
			write_queue(device, selected(device), offset, &value, sizeof(value));
	}
}

/* Only accesses of the field's own width count (4.1.3.1). */
static void write_common(struct virtio_device *device, uint64_t offset, const void *data,
			 unsigned len)
{
	uint16_t word;
	uint32_t dword;

	if (device->resetting)
		return;
	switch (len) {
	case 1:
		if (offset == offsetof(struct virtio_pci_common_cfg, device_status))
			virtio_write_status(device, *(const uint8_t *)data);
		break;
	case 2:
		memcpy(&word, data, len);
		write16(device, offset, word);
		break;
	case 4:
		memcpy(&dword, data, len);
		write32(device, offset, dword);
		break;
	case 8:
		if (selected(device))
			write_queue(device, selected(device), offset, data, len);
	}
}

static void read_isr(struct virtio_device *device, uint64_t offset, void *data, unsigned len)
{
	memset(data, 0, len);
	if (offset != 0)
		return;
	*(uint8_t *)data = device->isr;
	device->isr = 0;
}

static void bar_read(void *self, uint64_t offset, void *data, unsigned len)
{
	struct virtio_device *device = self;
	uint64_t inside = offset % BAR_PART;

	pthread_mutex_lock(&device->lock);
	switch (offset - inside) {
	case BAR_COMMON:
		read_common(device, inside, data, len);
		break;
	case BAR_ISR:
		read_isr(device, inside, data, len);
		break;
	case BAR_DEVICE:
		if (range_inside(inside, len, device->config_size))
			device->ops->config_read(device->self, (uint32_t)inside, data, len);
		break;
	}
	pthread_mutex_unlock(&device->lock);
}

static void bar_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct virtio_device *device = self;
	uint64_t inside = offset % BAR_PART;

	pthread_mutex_lock(&device->lock);
	switch (offset - inside) {
	case BAR_COMMON:
		write_common(device, inside, data, len);
		break;
	case BAR_DEVICE:
		if (device->ops->config_write && range_inside(inside, len, device->config_size))
			device->ops->config_write(device->self, (uint32_t)inside, data, len);
		break;
	case VIRTIO_BAR_NOTIFY:
		virtio_kick(device, (unsigned)inside / VIRTIO_NOTIFY_MULTIPLIER);
		break;
	}
	pthread_mutex_unlock(&device->lock);
}

static const struct bus_ops bar_ops = { .read = bar_read, .write = bar_write };

/*
 * 4.1.4.9: what the capability's window shows now. True: *ret_offset and *ret_len name an access to
 * our BAR (or behind its end, where nothing is), and the configuration access to the window's data.
 */
static bool window(struct virtio_device *device, uint32_t reg, unsigned len, uint32_t *ret_offset,
		   uint32_t *ret_len)
{
	uint32_t data =
		(uint32_t)device->pci_cfg + offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);
	struct virtio_pci_cap cap;

	if (reg < data || reg + len > data + 4)
		return false;
	pci_device_config(device->pci, (uint8_t)device->pci_cfg, &cap, sizeof(cap));
	if (cap.bar != VIRTIO_BAR || (cap.length != 1 && cap.length != 2 && cap.length != 4) ||
	    !is_aligned(cap.offset, cap.length))
		return false;
	*ret_offset = cap.offset;
	*ret_len = cap.length;
	return reg == data && len >= cap.length;
}

static void window_read(void *self, uint32_t reg, void *data, unsigned len)
{
	uint32_t offset, width;

	if (window(self, reg, len, &offset, &width))
		bar_read(self, offset, data, width);
}

static void window_write(void *self, uint32_t reg, const void *data, unsigned len)
{
	uint32_t offset, width;

	if (window(self, reg, len, &offset, &width))
		bar_write(self, offset, data, width);
}

static void quiet(void *arg)
{
	const struct virtio_device *device = arg;

	pci_device_quiesced(device->pci);
}

static void quiesce(void *self)
{
	virtio_device_quiesce(self, quiet, self);
}

static void resume(void *self, bool arrived)
{
	virtio_device_resume(self, arrived);
}

static int add_capability(struct virtio_device *device, uint8_t type, uint32_t offset,
			  uint32_t length)
{
	struct virtio_pci_notify_cap notify = {
		.cap = {
			.cap_len = sizeof(struct virtio_pci_cap),
			.cfg_type = type,
			.bar = VIRTIO_BAR,
			.offset = offset,
			.length = length,
		},
		.notify_off_multiplier = VIRTIO_NOTIFY_MULTIPLIER,
	};

	/* Both longer ones carry 4 bytes behind the common part: the multiplier, the window's data.
	 */
	if (type == VIRTIO_PCI_CAP_NOTIFY_CFG || type == VIRTIO_PCI_CAP_PCI_CFG)
		notify.cap.cap_len = sizeof(notify);
	if (type == VIRTIO_PCI_CAP_PCI_CFG)
		notify.notify_off_multiplier = 0;
	return pci_device_add_capability(device->pci, PCI_CAP_ID_VENDOR, &notify,
					 notify.cap.cap_len);
}

static int add_capabilities(struct virtio_device *device)
{
	int r = add_capability(device, VIRTIO_PCI_CAP_COMMON_CFG, BAR_COMMON,
			       VIRTIO_PCI_COMMON_CFG_LEN);

	if (r >= 0)
		r = add_capability(device, VIRTIO_PCI_CAP_NOTIFY_CFG, VIRTIO_BAR_NOTIFY,
				   device->queue_count * VIRTIO_NOTIFY_MULTIPLIER);
	if (r >= 0)
		r = add_capability(device, VIRTIO_PCI_CAP_ISR_CFG, BAR_ISR, 1);
	if (r >= 0 && device->config_size)
		r = add_capability(device, VIRTIO_PCI_CAP_DEVICE_CFG, BAR_DEVICE,
				   device->config_size);
	if (r >= 0)
		r = add_capability(device, VIRTIO_PCI_CAP_PCI_CFG, 0, 0);
	if (r < 0)
		return r;
	device->pci_cfg = r;
	pci_device_set_writable(device->pci, (uint8_t)(r + offsetof(struct virtio_pci_cap, bar)),
				1);
	pci_device_set_writable(device->pci, (uint8_t)(r + offsetof(struct virtio_pci_cap, offset)),
				8);
	return 0;
}

int virtio_pci_init(struct virtio_device *device, struct pci_host *host, uint16_t subsystem)
{
	const struct pci_device_options options = {
		.name = device->id,
		.vendor = VIRTIO_PCI_VENDOR,
		.device = VIRTIO_PCI_DEVICE_BASE + device->ops->type,
		.subsystem_vendor = VIRTIO_PCI_VENDOR,
		.subsystem = subsystem,
		.class_code = device->ops->pci_class,
		.revision = VIRTIO_PCI_REVISION,
		.bars[VIRTIO_BAR] = { .size = BAR_SIZE, .ops = &bar_ops, .self = device },
		.msix_vectors = device->queue_count + 1,
		.msix_bar = MSIX_BAR,
		.config_read = window_read,
		.config_write = window_write,
		.bars_changed = virtio_kicks_place,
		.quiesce = quiesce,
		.resume = resume,
		.self = device,
	};
	int r;

	assert(device->config_size <= BAR_PART);
	r = pci_device_add(host, -1, &options, &device->pci);
	return r < 0 ? r : add_capabilities(device);
}
