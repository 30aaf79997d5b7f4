/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio core without PCI: tests hand chains of buffers straight to a device type and see what
 * comes back. Defines what device types link to.
 */
#ifndef TESTS_DEV_VIRTIO_FAKE_CORE_H
#define TESTS_DEV_VIRTIO_FAKE_CORE_H

#include <stdarg.h>
#include <stdio.h>

#include "dev/fake_vm.h"
#include "dev/virtio/virtio.h"

#define FAKE_QUEUES 16
#define FAKE_CHAINS 2048
#define FAKE_BDF    0x18

struct virtqueue {
	struct virtio_device *device;
	struct fake_chain {
		struct iovec *iov;
		unsigned out_count, in_count;
		bool pushed;
		uint32_t written;
	} * chains; /* the head is the index */
	unsigned added, popped, pushed, interrupts;
	unsigned unannounced; /* pushed since the last interrupt */
	bool asked;           /* the driver to notify, by taking from the empty queue */
};

struct virtio_device {
	struct vm *vm;
	const struct virtio_ops *ops;
	void *self;
	uint64_t offered, features;
	unsigned queue_count, config_size;
	struct virtqueue queues[FAKE_QUEUES];
	bool broken;
	char why[256];
	unsigned resets_done, quiesced, config_changes;
	bool held;
};

/* The one that was made last. */
static struct virtio_device *fake_device;

int virtio_device_create(struct vm *vm, struct pci_host *host, const struct virtio_options *options,
			 struct virtio_device **ret_device)
{
	struct virtio_device *device = calloc(1, sizeof(*device));

	(void)host;
	ck_assert_uint_le(options->queues, FAKE_QUEUES);
	device->vm = vm;
	device->ops = options->ops;
	device->self = options->self;
	device->offered = options->features;
	device->features = options->features;
	device->queue_count = options->queues;
	device->config_size = options->config_size;
	for (unsigned q = 0; q < options->queues; q++) {
		device->queues[q].device = device;
		device->queues[q].chains = calloc(FAKE_CHAINS, sizeof(struct fake_chain));
	}
	*ret_device = fake_device = device;
	return 0;
}

void virtio_device_destroy(struct virtio_device *device)
{
	for (unsigned q = 0; device && q < device->queue_count; q++) {
		for (unsigned i = 0; i < device->queues[q].added; i++)
			free(device->queues[q].chains[i].iov);
		free(device->queues[q].chains);
	}
	free(device);
}

uint64_t virtio_device_features(const struct virtio_device *device)
{
	return device->features;
}

struct virtqueue *virtio_device_queue(struct virtio_device *device, unsigned q)
{
	return q < device->queue_count ? &device->queues[q] : NULL;
}

void virtio_device_reset_done(struct virtio_device *device)
{
	device->resets_done++;
}

void virtio_device_quiesced(struct virtio_device *device)
{
	device->quiesced++;
	device->held = true;
}

void virtio_device_config_begin(struct virtio_device *device)
{
	(void)device;
}

void virtio_device_config_end(struct virtio_device *device)
{
	device->config_changes++;
}

void virtio_device_config_changed(struct virtio_device *device)
{
	device->config_changes++;
}

void virtio_device_broken(struct virtio_device *device, const char *fmt, ...)
{
	va_list args;

	device->broken = true;
	va_start(args, fmt);
	vsnprintf(device->why, sizeof(device->why), fmt, args);
	va_end(args);
}

uint16_t virtio_device_bdf(const struct virtio_device *device)
{
	(void)device;
	return FAKE_BDF;
}

int virtio_device_add_bank(struct virtio_device *device, const struct reg_bank *bank, void *self)
{
	return reg_file_add(&device->vm->regs, bank, 0xffff8000,
			    (uint32_t)FAKE_BDF << 16 | VIRTIO_REG_CONFIG, self);
}

int virtq_pop(struct virtqueue *queue, struct iovec *iov, struct virtq_chain *ret_chain)
{
	struct virtq_chain chain = { .head = (uint16_t)queue->popped };
	struct fake_chain *fake = &queue->chains[queue->popped];

	if (queue->device->broken || queue->device->held)
		return 0;
	queue->asked = queue->popped == queue->added;
	if (queue->asked)
		return 0;
	memcpy(iov, fake->iov, (fake->out_count + fake->in_count) * sizeof(*iov));
	chain.out = iov;
	chain.out_count = fake->out_count;
	chain.in = iov + fake->out_count;
	chain.in_count = fake->in_count;
	for (unsigned i = 0; i < chain.out_count; i++)
		chain.out_len += chain.out[i].iov_len;
	for (unsigned i = 0; i < chain.in_count; i++)
		chain.in_len += chain.in[i].iov_len;
	queue->popped++;
	*ret_chain = chain;
	return 1;
}

void virtq_unpop(struct virtqueue *queue)
{
	ck_assert_uint_gt(queue->popped, 0);
	queue->popped--;
	ck_assert(!queue->chains[queue->popped].pushed);
}

void virtq_push(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	ck_assert_uint_lt(head, queue->popped);
	ck_assert(!queue->chains[head].pushed);
	queue->chains[head].pushed = true;
	queue->chains[head].written = written;
	queue->pushed++;
	queue->unannounced++;
}

void virtq_interrupt(struct virtqueue *queue)
{
	if (queue->unannounced)
		queue->interrupts++;
	queue->unannounced = 0;
}

void virtq_set_notify(struct virtqueue *queue, bool on)
{
	(void)queue;
	(void)on;
}

bool virtq_has_work(struct virtqueue *queue)
{
	return queue->popped != queue->added;
}

/* Adds a chain; returns its head. */
static inline unsigned fake_add(struct virtqueue *queue, const struct iovec *out,
				unsigned out_count, const struct iovec *in, unsigned in_count)
{
	struct fake_chain *fake = &queue->chains[queue->added];

	ck_assert_uint_lt(queue->added, FAKE_CHAINS);
	ck_assert_uint_le(out_count + in_count, VIRTQ_IOV_MAX);
	*fake = (struct fake_chain){ .out_count = out_count, .in_count = in_count };
	fake->iov = calloc(out_count + in_count + 1, sizeof(*fake->iov));
	if (out_count)
		memcpy(fake->iov, out, out_count * sizeof(*out));
	if (in_count)
		memcpy(fake->iov + out_count, in, in_count * sizeof(*in));
	return queue->added++;
}

static inline void fake_notify(struct virtio_device *device, unsigned q)
{
	device->ops->notify(device->self, q);
}

static inline void fake_timeout(struct loop_timer *timer)
{
	(void)timer;
	ck_abort_msg("waited 10 seconds in vain");
}

/* Runs the loop until the condition holds, ten seconds at most. */
#define fake_wait(vm_, condition)                                                               \
	do {                                                                                    \
		struct loop_timer limit_ = { 0 };                                               \
                                                                                                \
		ck_assert_int_eq(                                                               \
			loop_timer_arm((vm_)->loop, &limit_, 10000000000ULL, fake_timeout), 0); \
		while (!(condition))                                                            \
			fake_run_ms((vm_), 1);                                                  \
		loop_timer_disarm((vm_)->loop, &limit_);                                        \
	} while (0)

#endif
