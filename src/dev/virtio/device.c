/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a virtio device: status (virtio 1.2, 2.1 and 3.1), start, reset, pause, breakage. */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "dev/virtio/core.h"

/* A guest could fill the host's log by breaking and resetting a device for ever. */
#define COMPLAINTS_MAX 16

#define OUR_FEATURES \
	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_F_INDIRECT_DESC | 1ULL << VIRTIO_F_EVENT_IDX)

/* 4.1.2.1: 0x40 and more for devices that are not transitional */
#define SUBSYSTEM(type) (VIRTIO_PCI_SUBSYSTEM_MIN + (type))

uint64_t virtio_device_features(const struct virtio_device *device)
{
	return atomic_load_explicit(&device->features, memory_order_relaxed);
}

struct virtqueue *virtio_device_queue(struct virtio_device *device, unsigned q)
{
	return q < device->queue_count ? &device->queues[q] : NULL;
}

int virtio_check_features(const struct virtio_device *device)
{
	uint64_t extra = device->driver_features & ~device->device_features;

	if (extra)
		return because(-EINVAL, "features %#llx are not offered",
			       (unsigned long long)extra);
	if (!(device->driver_features >> VIRTIO_F_VERSION_1 & 1))
		return because(-EINVAL, "virtio 1 was not accepted");
	return 0;
}

/* 2.7, the table of alignments and sizes */
int virtio_check_queue(const struct virtio_device *device, const struct virtq_setup *setup)
{
	uint64_t size = setup->size;

	if (!size || size & (size - 1) || size > device->queue_size)
		return because(-EINVAL, "a queue of %u entries", setup->size);
	if (!is_aligned(setup->desc, VIRTQ_DESC_ALIGN) ||
	    !is_aligned(setup->driver, VIRTQ_AVAIL_ALIGN) ||
	    !is_aligned(setup->device, VIRTQ_USED_ALIGN))
		return because(-EINVAL, "a queue's rings are not aligned");
	if (!mem_ptr(device->mem, setup->desc, size * sizeof(struct virtq_desc)) ||
	    !mem_ptr(device->mem, setup->driver, sizeof(struct virtq_avail) + 2 * (size + 1)) ||
	    !mem_ptr_rw(device->mem, setup->device,
			sizeof(struct virtq_used) + size * sizeof(struct virtq_used_elem) + 2))
		return because(-EINVAL, "a queue's rings are not in memory");
	return 0;
}

/* 4.1.5.4: by the configuration interrupt, once the driver is there. lock held. */
static void notify_config(struct virtio_device *device)
{
	if (!(device->status & VIRTIO_STATUS_DRIVER_OK))
		return;
	device->isr |= VIRTIO_ISR_CONFIG;
	pci_device_raise(device->pci, device->config_vector);
}

void virtio_needs_reset(struct virtio_device *device, const char *why)
{
	if (device->resetting || device->status & VIRTIO_STATUS_NEEDS_RESET)
		return;
	device->status |= VIRTIO_STATUS_NEEDS_RESET;
	if (device->complaints++ < COMPLAINTS_MAX)
		log_write(&device->vm->log, LOG_LEVEL_WARN, "%s: the guest broke it: %s",
			  device->id, why);
	notify_config(device);
}

void virtio_device_broken(struct virtio_device *device, const char *fmt, ...)
{
	char why[256];
	va_list args;

	if (device->broken)
		return;
	device->broken = true;
	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	pthread_mutex_lock(&device->lock);
	virtio_needs_reset(device, why);
	pthread_mutex_unlock(&device->lock);
}

void virtio_device_config_begin(struct virtio_device *device)
{
	pthread_mutex_lock(&device->lock);
}

void virtio_device_config_end(struct virtio_device *device)
{
	device->generation++;
	notify_config(device);
	pthread_mutex_unlock(&device->lock);
}

void virtio_device_config_changed(struct virtio_device *device)
{
	virtio_device_config_begin(device);
	virtio_device_config_end(device);
}

static void dispatch_all(struct virtio_device *device)
{
	for (unsigned q = 0; q < device->queue_count; q++)
		virtq_dispatch(&device->queues[q]);
}

static bool start_queues(struct virtio_device *device)
{
	bool ok = true;

	pthread_mutex_lock(&device->lock);
	/* Checked when it was enabled; registers can have been set in any order since. */
	for (unsigned q = 0; q < device->queue_count; q++)
		if (device->queues[q].setup.enabled)
			ok &= virtio_check_queue(device, &device->queues[q].setup) == 0 &&
			      virtq_start(&device->queues[q]);
	device->broken = device->status & VIRTIO_STATUS_NEEDS_RESET;
	pthread_mutex_unlock(&device->lock);
	return ok;
}

/* Each queue is looked at once: what was notified before the ioeventfds were there is not lost. */
static void start(struct virtio_device *device)
{
	int r;

	device->running = true;
	if (!start_queues(device))
		virtio_device_broken(device, "a queue's rings are not in memory");
	r = virtio_kicks_open(device);
	if (r < 0)
		vm_end(device->vm, VM_END_FAILED, error_text(because_of(r, "%s", device->id)));
	if (device->ops->start)
		device->ops->start(device->self);
	dispatch_all(device);
}

/* True: the device is still there, go on. */
static bool take_call(struct virtio_device *device)
{
	pthread_mutex_lock(&device->lock);
	device->calls--;
	pthread_mutex_unlock(&device->lock);
	return !device->dying;
}

static void start_on_loop(void *arg)
{
	struct virtio_device *device = arg;

	/* A resume may have come before this message. */
	if (take_call(device) && !device->held && !device->running)
		start(device);
}

static void reset_on_loop(void *arg)
{
	struct virtio_device *device = arg;
	bool was_running = device->running;

	if (!take_call(device))
		return;
	virtio_kicks_close(device);
	for (unsigned q = 0; q < device->queue_count; q++)
		device->queues[q].live = false;
	device->running = false;
	if (was_running && device->ops->reset)
		device->ops->reset(device->self);
	else
		virtio_device_reset_done(device);
}

/* lock held. */
static void call_loop(struct virtio_device *device, void (*fn)(void *arg))
{
	device->calls++;
	if (loop_call(device->loop, fn, device) == 0)
		return;
	device->calls--;
	vm_end(device->vm, VM_END_FAILED, "out of memory for a message to the event loop");
}

/* What 2.4 makes of all that the driver wrote. lock held. */
static void clear(struct virtio_device *device)
{
	device->driver_features = 0;
	device->device_feature_select = 0;
	device->driver_feature_select = 0;
	device->config_vector = VIRTIO_MSI_NO_VECTOR;
	device->queue_select = 0;
	device->status = 0;
	device->isr = 0;
	device->started = false;
	device->resetting = false;
	atomic_store(&device->features, 0);
	for (unsigned q = 0; q < device->queue_count; q++)
		virtq_clear(&device->queues[q]);
}

void virtio_device_reset_done(struct virtio_device *device)
{
	pthread_mutex_lock(&device->lock);
	clear(device);
	pthread_mutex_unlock(&device->lock);
	if (device->quiesce_done)
		virtio_device_quiesced(device);
}

/* A device whose queues the loop does not know is reset at once: drivers wait for it at boot. */
static void write_reset(struct virtio_device *device)
{
	if (!device->started) {
		clear(device);
		return;
	}
	device->resetting = true;
	call_loop(device, reset_on_loop);
}

/* 3.1.1: each bit, the bits that come before it, and what the device says to it. */
static bool enter_features_ok(struct virtio_device *device)
{
	if (virtio_check_features(device) < 0)
		return false;
	atomic_store(&device->features, device->driver_features);
	return true;
}

static bool enter_driver_ok(struct virtio_device *device)
{
	if (device->status & (VIRTIO_STATUS_NEEDS_RESET | VIRTIO_STATUS_FAILED))
		return false;
	device->started = true;
	call_loop(device, start_on_loop);
	return true;
}

static const struct {
	uint8_t bit;
	uint8_t after;
	bool (*enter)(struct virtio_device *device);
} steps[] = {
	{ VIRTIO_STATUS_ACKNOWLEDGE, 0, NULL },
	{ VIRTIO_STATUS_DRIVER, VIRTIO_STATUS_ACKNOWLEDGE, NULL },
	{ VIRTIO_STATUS_FEATURES_OK, VIRTIO_STATUS_DRIVER, enter_features_ok },
	{ VIRTIO_STATUS_DRIVER_OK, VIRTIO_STATUS_FEATURES_OK, enter_driver_ok },
	{ VIRTIO_STATUS_FAILED, 0, NULL },
};

/* Bits are only added, 2.1.1; only a reset takes them away. */
void virtio_write_status(struct virtio_device *device, uint8_t value)
{
	if (value == 0) {
		write_reset(device);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (!(value & steps[i].bit) || device->status & steps[i].bit)
			continue;
		if ((device->status & steps[i].after) != steps[i].after)
			continue;
		if (!steps[i].enter || steps[i].enter(device))
			device->status |= steps[i].bit;
	}
}

void virtio_device_quiesce(struct virtio_device *device, void (*done)(void *arg), void *arg)
{
	bool resetting;

	device->held = true;
	device->quiesce_done = done;
	device->quiesce_arg = arg;
	pthread_mutex_lock(&device->lock);
	resetting = device->resetting;
	pthread_mutex_unlock(&device->lock);
	if (resetting)
		return; /* the end of the reset goes on */
	if (device->running && device->ops->quiesce)
		device->ops->quiesce(device->self);
	else
		virtio_device_quiesced(device);
}

void virtio_device_quiesced(struct virtio_device *device)
{
	void (*done)(void *arg) = device->quiesce_done;

	device->quiesce_done = NULL;
	if (done)
		done(device->quiesce_arg);
}

/*
 * Where the guest was, an interrupt may have been raised after the interrupt controller was read, and
 * lost. Drivers look at what an interrupt is about and find nothing in the worst case.
 */
static void interrupt_all(struct virtio_device *device)
{
	for (unsigned q = 0; q < device->queue_count; q++)
		if (device->queues[q].live)
			virtq_raise(&device->queues[q]);
	virtio_device_config_changed(device);
}

void virtio_device_resume(struct virtio_device *device, bool arrived)
{
	bool begin;

	device->held = false;
	device->quiesce_done = NULL;
	pthread_mutex_lock(&device->lock);
	begin = device->started && !device->resetting && !device->running;
	pthread_mutex_unlock(&device->lock);
	if (begin)
		start(device);
	else
		dispatch_all(device);
	if (arrived && device->running)
		interrupt_all(device);
}

static struct virtio_device *device_new(struct vm *vm, const struct virtio_options *options)
{
	struct virtio_device *device;
	int r = 0;

	device = calloc(1, sizeof(*device) + options->queues * sizeof(device->queues[0]));
	if (!device)
		return NULL;
	device->vm = vm;
	device->mem = vm_mem(vm);
	device->loop = vm_loop(vm);
	device->ops = options->ops;
	device->self = options->self;
	device->can_offer = options->features | OUR_FEATURES;
	device->device_features = device->can_offer;
	device->queue_count = options->queues;
	device->queue_size = options->queue_size;
	device->config_size = options->config_size;
	pthread_mutex_init(&device->lock, NULL);
	pthread_mutex_init(&device->kick_lock, NULL);
	device->id = strdup(options->id);
	for (uint16_t q = 0; q < options->queues; q++) {
		device->queues[q].device = device;
		device->queues[q].index = q;
		device->queues[q].kick_fd = -1;
		device->queues[q].kick_addr = VIRTIO_KICK_NOWHERE;
		r |= virtq_init(&device->queues[q]);
	}
	clear(device);
	if (device->id && r == 0)
		return device;
	virtio_device_destroy(device);
	return NULL;
}

int virtio_device_create(struct vm *vm, struct pci_host *host, const struct virtio_options *options,
			 struct virtio_device **ret_device)
{
	struct virtio_device *device;
	int r = -ENOMEM;

	assert(options->queues && options->queues <= VIRTIO_QUEUES_MAX);
	assert(options->queue_size && options->queue_size <= VIRTIO_QUEUE_SIZE_MAX);
	assert(!(options->queue_size & (options->queue_size - 1)));
	device = device_new(vm, options);
	if (!device)
		return r;
	r = virtio_pci_init(device, host, SUBSYSTEM(options->ops->type));
	if (r == 0)
		r = virtio_regs_add(device);
	if (r < 0)
		goto fail;
	*ret_device = device;
	return 0;
fail:
	virtio_device_destroy(device);
	return r;
}

void virtio_device_destroy(struct virtio_device *device)
{
	if (!device)
		return;
	device->dying = true;
	loop_drain(device->loop, &device->calls);
	virtio_kicks_close(device);
	pci_device_remove(device->pci);
	for (unsigned q = 0; q < device->queue_count; q++)
		virtq_finish(&device->queues[q]);
	pthread_mutex_destroy(&device->kick_lock);
	pthread_mutex_destroy(&device->lock);
	free(device->id);
	free(device);
}
