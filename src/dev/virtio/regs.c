/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of the transport and the queues, bank "virtio": number = bdf << 16 | offset in struct
 * virtio_pci_common_cfg, or of what the device itself keeps, from REG_KEPT on; field 0 for the
 * device, 1 + q for queue q. Features are whole, the status comes last.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "dev/virtio/core.h"

#define REG_KEPT 0x1000

#define REG_LAST_AVAIL (REG_KEPT + 0)
#define REG_USED_IDX   (REG_KEPT + 2)
#define REG_SIGNALLED  (REG_KEPT + 4)
#define REG_NOTIFY_ON  (REG_KEPT + 6)
#define REG_ISR        (REG_KEPT + 8)

#define OFFSET(member) offsetof(struct virtio_pci_common_cfg, member)

/*
 * fixed: what the driver may not change once the device runs, nor anybody else once the VM has; get and set work on the value of
 * size bytes with the device's lock held.
 */
struct virtio_reg {
	const char *name;
	uint16_t number;
	uint8_t size_log2;
	bool fixed;
	uint64_t (*get)(struct virtio_device *device, struct virtqueue *queue);
	int (*set)(struct virtio_device *device, struct virtqueue *queue, uint64_t value);
};

#define GETTER(name, expr)                                                                \
	static uint64_t get_##name(struct virtio_device *device, struct virtqueue *queue) \
	{                                                                                 \
		(void)device;                                                             \
		(void)queue;                                                              \
		return expr;                                                              \
	}

#define PLAIN(name, lvalue)                                                          \
	GETTER(name, lvalue)                                                         \
	static int set_##name(struct virtio_device *device, struct virtqueue *queue, \
			      uint64_t value)                                        \
	{                                                                            \
		(void)device;                                                        \
		(void)queue;                                                         \
		(lvalue) = value;                                                    \
		return 0;                                                            \
	}

PLAIN(device_feature_select, device->device_feature_select)
PLAIN(driver_feature_select, device->driver_feature_select)
PLAIN(driver_feature, device->driver_features)
PLAIN(queue_select, device->queue_select)
PLAIN(generation, device->generation)
PLAIN(queue_size, queue->setup.size)
PLAIN(queue_desc, queue->setup.desc)
PLAIN(queue_driver, queue->setup.driver)
PLAIN(queue_device, queue->setup.device)
PLAIN(last_avail, queue->last_avail)
PLAIN(used_idx, queue->used_idx)
PLAIN(signalled, queue->signalled)
GETTER(device_feature, device->device_features)
GETTER(config_vector, device->config_vector)
GETTER(queue_vector, queue->vector)
GETTER(queue_enable, queue->setup.enabled)
GETTER(notify_on, queue->notify_on)
GETTER(isr, device->isr)
GETTER(status, device->status)

/* Features that a host cannot offer were promised to the guest elsewhere: it cannot go on here. */
static int set_device_feature(struct virtio_device *device, struct virtqueue *queue, uint64_t value)
{
	uint64_t extra = value & ~device->can_offer;

	(void)queue;
	if (extra)
		return because(-EINVAL, "features %#llx cannot be offered here",
			       (unsigned long long)extra);
	device->device_features = value;
	return 0;
}

static int check_vector(const struct virtio_device *device, uint64_t vector)
{
	if (vector > device->queue_count && vector != VIRTIO_MSI_NO_VECTOR)
		return because(-EINVAL, "vector %llu of %u", (unsigned long long)vector,
			       device->queue_count + 1);
	return 0;
}

static int set_config_vector(struct virtio_device *device, struct virtqueue *queue, uint64_t value)
{
	int r = check_vector(device, value);

	(void)queue;
	if (r == 0)
		device->config_vector = (uint16_t)value;
	return r;
}

static int set_queue_vector(struct virtio_device *device, struct virtqueue *queue, uint64_t value)
{
	int r = check_vector(device, value);

	if (r == 0)
		queue->vector = (uint16_t)value;
	return r;
}

static int set_queue_enable(struct virtio_device *device, struct virtqueue *queue, uint64_t value)
{
	int r = value ? virtio_check_queue(device, &queue->setup) : 0;

	if (value > 1)
		return -EINVAL;
	if (r == 0)
		queue->setup.enabled = value;
	return r;
}

static int set_notify_on(struct virtio_device *device, struct virtqueue *queue, uint64_t value)
{
	(void)device;
	if (value > 1)
		return -EINVAL;
	queue->notify_on = value;
	return 0;
}

static int set_isr(struct virtio_device *device, struct virtqueue *queue, uint64_t value)
{
	(void)queue;
	if (value & ~(uint64_t)(VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG))
		return -EINVAL;
	device->isr = (uint8_t)value;
	return 0;
}

/* The steps of 3.1.1 that a driver can have gone. */
static bool is_status(uint64_t value)
{
	static const uint8_t ladder[] = { VIRTIO_STATUS_ACKNOWLEDGE, VIRTIO_STATUS_DRIVER,
					  VIRTIO_STATUS_FEATURES_OK, VIRTIO_STATUS_DRIVER_OK };
	uint64_t rest = value & ~(uint64_t)(VIRTIO_STATUS_NEEDS_RESET | VIRTIO_STATUS_FAILED);

	for (size_t i = 0; i < ARRAY_SIZE(ladder) && rest & ladder[i]; i++)
		rest &= ~(uint64_t)ladder[i];
	return rest == 0;
}

static int set_status(struct virtio_device *device, struct virtqueue *queue, uint64_t value)
{
	int r = 0;

	(void)queue;
	if (device->status == value)
		return 0;
	if (device->status && device->vm->has_run)
		return because(-EBUSY, "its driver has begun already");
	if (!is_status(value))
		return because(-EINVAL, "%#llx is not a status", (unsigned long long)value);
	if (value & VIRTIO_STATUS_FEATURES_OK)
		r = virtio_check_features(device);
	if (r < 0)
		return r;
	atomic_store(&device->features,
		     value & VIRTIO_STATUS_FEATURES_OK ? device->driver_features : 0);
	device->status = (uint8_t)value;
	device->started = value & VIRTIO_STATUS_DRIVER_OK;
	return 0;
}

static const struct virtio_reg device_regs[] = {
	{ "device_feature", OFFSET(device_feature), 3, true, get_device_feature,
	  set_device_feature },
	{ "driver_feature", OFFSET(driver_feature), 3, true, get_driver_feature,
	  set_driver_feature },
	{ "device_feature_select", OFFSET(device_feature_select), 2, false,
	  get_device_feature_select, set_device_feature_select },
	{ "driver_feature_select", OFFSET(driver_feature_select), 2, false,
	  get_driver_feature_select, set_driver_feature_select },
	{ "config_msix_vector", OFFSET(config_msix_vector), 1, false, get_config_vector,
	  set_config_vector },
	{ "queue_select", OFFSET(queue_select), 1, false, get_queue_select, set_queue_select },
	{ "config_generation", OFFSET(config_generation), 0, false, get_generation,
	  set_generation },
	{ "isr", REG_ISR, 0, false, get_isr, set_isr },
};

/* Rings and indices before the queue is enabled, which looks at them. */
static const struct virtio_reg queue_regs[] = {
	{ "size", OFFSET(queue_size), 1, true, get_queue_size, set_queue_size },
	{ "msix_vector", OFFSET(queue_msix_vector), 1, false, get_queue_vector, set_queue_vector },
	{ "desc", OFFSET(queue_desc), 3, true, get_queue_desc, set_queue_desc },
	{ "driver", OFFSET(queue_driver), 3, true, get_queue_driver, set_queue_driver },
	{ "device", OFFSET(queue_device), 3, true, get_queue_device, set_queue_device },
	{ "last_avail", REG_LAST_AVAIL, 1, true, get_last_avail, set_last_avail },
	{ "used_idx", REG_USED_IDX, 1, true, get_used_idx, set_used_idx },
	{ "signalled", REG_SIGNALLED, 1, true, get_signalled, set_signalled },
	{ "notify_on", REG_NOTIFY_ON, 0, true, get_notify_on, set_notify_on },
	{ "enable", OFFSET(queue_enable), 1, true, get_queue_enable, set_queue_enable },
};

/* After the queues. The loop is not told of DRIVER_OK: virtio_device_resume() finds it. */
static const struct virtio_reg status_reg = { "status",	  OFFSET(device_status),
					      0,	  false,
					      get_status, set_status };

static uint64_t id_of(const struct virtio_device *device, const struct virtio_reg *reg,
		      unsigned field)
{
	return REG_ID(REG_BANK_VIRTIO, field, reg->size_log2,
		      (uint32_t)virtio_device_bdf(device) << 16 | reg->number);
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	struct virtio_device *device = self;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(device_regs) && r == 0; i++)
		r = reg_list_add(out, vcpu, id_of(device, &device_regs[i], 0), 0);
	for (unsigned q = 0; q < device->queue_count; q++)
		for (size_t i = 0; i < ARRAY_SIZE(queue_regs) && r == 0; i++)
			r = reg_list_add(out, vcpu, id_of(device, &queue_regs[i], 1 + q), 0);
	return r < 0 ? r : reg_list_add(out, vcpu, id_of(device, &status_reg, 0), 0);
}

/* The register, and its queue when it has one; NULL with the text: -ENOENT. */
static const struct virtio_reg *find(struct virtio_device *device, uint64_t id,
				     struct virtqueue **ret_queue)
{
	unsigned field = REG_ID_FIELD(id);

	*ret_queue = field ? virtio_device_queue(device, field - 1) : NULL;
	if (!field && id == id_of(device, &status_reg, 0))
		return &status_reg;
	for (size_t i = 0; !field && i < ARRAY_SIZE(device_regs); i++)
		if (id == id_of(device, &device_regs[i], 0))
			return &device_regs[i];
	for (size_t i = 0; *ret_queue && i < ARRAY_SIZE(queue_regs); i++)
		if (id == id_of(device, &queue_regs[i], field))
			return &queue_regs[i];
	because(-ENOENT, "%s: no register %#llx", device->id, (unsigned long long)id);
	return NULL;
}

static int get(void *self, struct reg_key key, void *val)
{
	struct virtio_device *device = self;
	struct virtqueue *queue;
	const struct virtio_reg *reg = find(device, key.id, &queue);
	uint64_t value;

	if (!reg)
		return -ENOENT;
	pthread_mutex_lock(&device->lock);
	value = reg->get(device, queue);
	pthread_mutex_unlock(&device->lock);
	memcpy(val, &value, reg_size(key.id));
	return 0;
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct virtio_device *device = self;
	struct virtqueue *queue;
	const struct virtio_reg *reg = find(device, key.id, &queue);
	uint64_t value = 0;
	int r = 0;

	if (!reg)
		return -ENOENT;
	memcpy(&value, val, reg_size(key.id));
	pthread_mutex_lock(&device->lock);
	if (!reg->fixed || !device->started || !device->vm->has_run)
		r = reg->set(device, queue, value);
	else if (reg->get(device, queue) != value)
		r = because(-EBUSY, "%s is fixed while the driver runs the device", reg->name);
	pthread_mutex_unlock(&device->lock);
	return r < 0 ? because_of(r, "%s", device->id) : 0;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	struct virtio_device *device = self;
	struct virtqueue *queue;
	const struct virtio_reg *reg = find(device, key.id, &queue);
	unsigned slot = virtio_device_bdf(device) >> 3;

	if (!reg)
		return -ENOENT;
	if (queue)
		snprintf(name, size, "00:%02x.0.queue%u.%s", slot, queue->index, reg->name);
	else
		snprintf(name, size, "00:%02x.0.%s", slot, reg->name);
	return 0;
}

uint16_t virtio_device_bdf(const struct virtio_device *device)
{
	return pci_device_bdf(device->pci);
}

int virtio_regs_add(struct virtio_device *device)
{
	static const struct reg_bank bank = {
		.name = "virtio",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_VIRTIO),
		.list = list,
		.get = get,
		.set = set,
		.name_of = name_of,
	};

	return reg_file_add(vm_regs(device->vm), &bank, 0xffff8000,
			    (uint32_t)virtio_device_bdf(device) << 16, device);
}

int virtio_device_add_bank(struct virtio_device *device, const struct reg_bank *bank, void *self)
{
	return reg_file_add(vm_regs(device->vm), bank, 0xffff8000,
			    (uint32_t)virtio_device_bdf(device) << 16 | VIRTIO_REG_CONFIG, self);
}
