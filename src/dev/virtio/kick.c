/* SPDX-License-Identifier: Apache-2.0 */
/* Notifications from the driver: an eventfd for each queue, which KVM signals (ioeventfd). */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/util.h"
#include "dev/virtio/core.h"

static void kicked(struct loop_watch *watch, unsigned events)
{
	struct virtqueue *queue = container_of(watch, struct virtqueue, watch);

	(void)events;
	virtq_dispatch(queue);
}

void virtio_kick(struct virtio_device *device, unsigned q)
{
	if (q < device->queue_count && device->queues[q].kick_fd >= 0)
		eventfd_write(device->queues[q].kick_fd, 1);
}

static void set_fd(struct virtqueue *queue, int fd)
{
	pthread_mutex_lock(&queue->device->lock);
	queue->kick_fd = fd;
	pthread_mutex_unlock(&queue->device->lock);
}

static int open_one(struct virtqueue *queue)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r;

	if (fd < 0)
		return because(-errno, "cannot make an eventfd: %s", strerror(errno));
	r = loop_watch_eventfd(queue->device->loop, &queue->watch, fd, kicked);
	if (r < 0) {
		close(fd);
		return r;
	}
	set_fd(queue, fd);
	return 0;
}

int virtio_kicks_open(struct virtio_device *device)
{
	int r = 0;

	pthread_mutex_lock(&device->kick_lock);
	for (unsigned q = 0; q < device->queue_count && r == 0; q++)
		if (device->queues[q].live)
			r = open_one(&device->queues[q]);
	pthread_mutex_unlock(&device->kick_lock);
	virtio_kicks_place(device);
	return r;
}

/* kick_lock held. Where KVM has no room, notifications go on to arrive as exits. */
static void move(struct virtqueue *queue, uint64_t address)
{
	struct vm *vm = queue->device->vm;

	if (address == queue->kick_addr)
		return;
	if (queue->kick_addr != VIRTIO_KICK_NOWHERE)
		irq_ioeventfd_remove(vm, false, queue->kick_addr, 0, queue->kick_fd);
	queue->kick_addr = VIRTIO_KICK_NOWHERE;
	if (address != VIRTIO_KICK_NOWHERE &&
	    irq_ioeventfd_add(vm, false, address, 0, queue->kick_fd) == 0)
		queue->kick_addr = address;
}

void virtio_kicks_place(void *arg)
{
	struct virtio_device *device = arg;
	uint64_t bar;

	pthread_mutex_lock(&device->kick_lock);
	bar = pci_device_bar(device->pci, VIRTIO_BAR);
	for (unsigned q = 0; q < device->queue_count; q++) {
		struct virtqueue *queue = &device->queues[q];
		uint64_t offset = VIRTIO_BAR_NOTIFY + (uint64_t)q * VIRTIO_NOTIFY_MULTIPLIER;
		bool here = bar != UINT64_MAX && queue->kick_fd >= 0;

		move(queue, here ? bar + offset : VIRTIO_KICK_NOWHERE);
	}
	pthread_mutex_unlock(&device->kick_lock);
}

void virtio_kicks_close(struct virtio_device *device)
{
	pthread_mutex_lock(&device->kick_lock);
	for (unsigned q = 0; q < device->queue_count; q++) {
		struct virtqueue *queue = &device->queues[q];
		int fd = queue->kick_fd;

		if (fd < 0)
			continue;
		move(queue, VIRTIO_KICK_NOWHERE);
		loop_watch_remove(device->loop, &queue->watch);
		set_fd(queue, -1);
		close(fd);
	}
	pthread_mutex_unlock(&device->kick_lock);
}
