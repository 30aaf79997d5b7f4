/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings of split virtqueues (virtio 1.2, 2.7). Everything in them is the guest's word: each
 * value is loaded once and then checked.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/util.h"
#include "dev/virtio/core.h"
#include "mem/dirty.h"

#define load(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)

static uint16_t get(_Atomic uint16_t *p)
{
	return atomic_load_explicit(p, memory_order_relaxed);
}

static void set(_Atomic uint16_t *p, uint16_t value)
{
	atomic_store_explicit(p, value, memory_order_relaxed);
}

int virtq_init(struct virtqueue *queue)
{
	queue->taken = calloc(queue->device->queue_size, sizeof(*queue->taken));
	return queue->taken ? 0 : -ENOMEM;
}

/* The addresses of a chain are not used any more. */
static void release(struct virtqueue *queue, uint16_t head)
{
	mem_map_put(queue->taken[head].map);
	queue->taken[head].map = NULL;
}

static void release_all(struct virtqueue *queue)
{
	for (uint16_t head = 0; queue->taken && head < queue->device->queue_size; head++)
		release(queue, head);
	mem_map_put(queue->map);
	queue->map = NULL;
}

void virtq_finish(struct virtqueue *queue)
{
	release_all(queue);
	free(queue->taken);
}

void virtq_clear(struct virtqueue *queue)
{
	release_all(queue);
	queue->setup = (struct virtq_setup){ .size = queue->device->queue_size };
	set(&queue->vector, VIRTIO_MSI_NO_VECTOR);
	set(&queue->last_avail, 0);
	set(&queue->used_idx, 0);
	set(&queue->signalled, 0);
	atomic_store(&queue->notify_on, true);
}

/* Host addresses of the rings for the current picture of memory. */
static bool translate(struct virtqueue *queue)
{
	struct mem *mem = queue->device->mem;
	const struct virtq_setup *ring = &queue->ring;
	uint64_t size = ring->size;
	const struct mem_map *map;

	/* No other picture has the address of one that is kept. */
	if (mem_map(mem) == queue->map)
		return true;
	map = mem_map_get(mem);
	mem_map_put(queue->map);
	queue->map = map;
	queue->desc = mem_map_ptr(map, ring->desc, size * sizeof(struct virtq_desc), false);
	queue->avail = mem_map_ptr(map, ring->driver,
				   sizeof(struct virtq_avail) + (size + 1) * sizeof(uint16_t),
				   false);
	queue->used = mem_map_ptr(map, ring->device,
				  sizeof(struct virtq_used) +
					  size * sizeof(struct virtq_used_elem) + sizeof(uint16_t),
				  true);
	if (queue->desc && queue->avail && queue->used)
		return true;
	mem_map_put(map);
	queue->map = NULL;
	return false;
}

bool virtq_start(struct virtqueue *queue)
{
	queue->ring = queue->setup;
	release_all(queue);
	queue->armed = false;
	queue->starved = false;
	queue->event_idx = virtio_device_features(queue->device) >> VIRTIO_F_EVENT_IDX & 1;
	queue->live = translate(queue);
	return queue->live;
}

/* Whether the queue can be touched now. */
static bool is_usable(struct virtqueue *queue)
{
	if (!queue->live || queue->device->broken)
		return false;
	if (translate(queue))
		return true;
	virtio_device_broken(queue->device, "queue %u: its rings are not in memory any more",
			     queue->index);
	return false;
}

static const uint16_t *used_event(const struct virtqueue *queue)
{
	return &queue->avail->ring[queue->ring.size];
}

static uint16_t *avail_event(struct virtqueue *queue)
{
	return (uint16_t *)&queue->used->ring[queue->ring.size];
}

/* After a store of ours in the used ring. */
static void mark_used(struct virtqueue *queue, const void *at, uint64_t len)
{
	gpa_t offset = (gpa_t)((const uint8_t *)at - (const uint8_t *)queue->used);

	mem_mark_dirty(queue->device->mem, queue->ring.device + offset, len);
}

/*
 * Asks for a notification of the next chain. The fence orders the request before the look at the
 * available index that must follow: either the driver sees the request, or we see its chain.
 */
static void arm(struct virtqueue *queue)
{
	queue->armed_at = get(&queue->last_avail);
	queue->armed = true;
	if (queue->event_idx) {
		store(avail_event(queue), queue->armed_at);
		mark_used(queue, avail_event(queue), sizeof(uint16_t));
	} else {
		store(&queue->used->flags, 0);
		mark_used(queue, &queue->used->flags, sizeof(uint16_t));
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void virtq_set_notify(struct virtqueue *queue, bool on)
{
	if (!is_usable(queue))
		return;
	atomic_store_explicit(&queue->notify_on, on, memory_order_relaxed);
	if (on) {
		arm(queue);
	} else if (!queue->event_idx) {
		store(&queue->used->flags, VIRTQ_USED_F_NO_NOTIFY);
		mark_used(queue, &queue->used->flags, sizeof(uint16_t));
	}
}

/* How many chains are there. Acquire: what the driver stored in them before is seen after. */
static uint16_t available(struct virtqueue *queue)
{
	return __atomic_load_n(&queue->avail->idx, __ATOMIC_ACQUIRE) - get(&queue->last_avail);
}

/* With EVENT_IDX the event is moved only when the queue runs empty: a busy driver is not asked. */
static uint16_t available_or_arm(struct virtqueue *queue)
{
	uint16_t count = available(queue);

	if (count || !atomic_load_explicit(&queue->notify_on, memory_order_relaxed))
		return count;
	if (queue->armed && (!queue->event_idx || queue->armed_at == get(&queue->last_avail)))
		return 0;
	arm(queue);
	return available(queue);
}

bool virtq_has_work(struct virtqueue *queue)
{
	if (!is_usable(queue) || queue->device->held || (queue->dispatching && !queue->budget))
		return false;
	return available(queue) != 0;
}

static bool may_take(struct virtqueue *queue)
{
	if (!is_usable(queue) || queue->device->held)
		return false;
	if (queue->dispatching && !queue->budget) {
		queue->starved = true;
		return false;
	}
	return true;
}

/* The device may use the addresses until it gives the chain back, whatever becomes of the map. */
static int keep(struct virtqueue *queue, uint16_t last, uint16_t head)
{
	if (queue->taken[head].map) {
		virtio_device_broken(queue->device, "queue %u: head %u while the device has it",
				     queue->index, head);
		return -EPROTO;
	}
	queue->taken[head].map = mem_map_keep(queue->map);
	queue->taken[last & (queue->ring.size - 1)].head = head;
	return 0;
}

int virtq_pop(struct virtqueue *queue, struct iovec *iov, struct virtq_chain *ret_chain)
{
	struct virtq_chain chain = { 0 };
	uint16_t last = get(&queue->last_avail);
	uint16_t count;
	int r;

	if (!may_take(queue))
		return 0;
	count = available_or_arm(queue);
	if (!count)
		return 0;
	if (count > queue->ring.size) {
		virtio_device_broken(queue->device, "queue %u: %u chains in a ring of %u",
				     queue->index, count, queue->ring.size);
		return -EPROTO;
	}
	chain.head = load(&queue->avail->ring[last & (queue->ring.size - 1)]);
	r = virtq_walk(queue, iov, &chain);
	if (r < 0)
		return r;
	r = keep(queue, last, chain.head);
	if (r < 0)
		return r;
	set(&queue->last_avail, last + 1);
	if (queue->dispatching)
		queue->budget--;
	*ret_chain = chain;
	return 1;
}

void virtq_unpop(struct virtqueue *queue)
{
	uint16_t last = get(&queue->last_avail) - 1;

	if (!queue->live)
		return;
	release(queue, queue->taken[last & (queue->ring.size - 1)].head);
	set(&queue->last_avail, last);
}

/* Release: the element, and what was written into the chain, are seen before the index. */
void virtq_push(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	uint16_t idx = get(&queue->used_idx);
	struct virtq_used_elem *elem;

	release(queue, head);
	if (!is_usable(queue))
		return;
	/* While the descriptors are still ours. */
	if (mem_is_tracked(queue->device->mem))
		virtq_mark_chain(queue, head);
	elem = &queue->used->ring[idx & (queue->ring.size - 1)];
	store(&elem->id, head);
	store(&elem->len, written);
	set(&queue->used_idx, ++idx);
	__atomic_store_n(&queue->used->idx, idx, __ATOMIC_RELEASE);
	mark_used(queue, elem, sizeof(*elem));
	mark_used(queue, &queue->used->idx, sizeof(uint16_t));
}

/* 2.7.10: whether the index passed the event when it went from old to now. */
static bool passed(uint16_t event, uint16_t now, uint16_t old)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

/* The fence orders the used index before the look at what the driver wants; the driver does the
 * two in the other order, so that one of the two sides sees the other. */
static bool driver_wants_interrupt(struct virtqueue *queue)
{
	uint16_t old = get(&queue->signalled);
	uint16_t now = get(&queue->used_idx);

	if (now == old)
		return false;
	set(&queue->signalled, now);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (queue->event_idx)
		return passed(load(used_event(queue)), now, old);
	return !(load(&queue->avail->flags) & VIRTQ_AVAIL_F_NO_INTERRUPT);
}

void virtq_interrupt(struct virtqueue *queue)
{
	if (is_usable(queue) && driver_wants_interrupt(queue))
		virtq_raise(queue);
}

void virtq_raise(struct virtqueue *queue)
{
	struct virtio_device *device = queue->device;
	uint16_t vector = get(&queue->vector);

	if (vector != VIRTIO_MSI_NO_VECTOR) {
		pci_device_raise(device->pci, vector);
		return;
	}
	pthread_mutex_lock(&device->lock);
	device->isr |= VIRTIO_ISR_QUEUE;
	pthread_mutex_unlock(&device->lock);
}

/* One turn of the ring; what is left then waits until the loop has looked at the others. */
void virtq_dispatch(struct virtqueue *queue)
{
	struct virtio_device *device = queue->device;

	if (!device->running || device->held || !is_usable(queue))
		return;
	queue->budget = queue->ring.size;
	queue->dispatching = true;
	device->ops->notify(device->self, queue->index);
	queue->dispatching = false;
	if (!queue->starved)
		return;
	queue->starved = false;
	pthread_mutex_lock(&device->lock);
	virtio_kick(device, queue->index);
	pthread_mutex_unlock(&device->lock);
}
