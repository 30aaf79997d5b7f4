/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor chains (virtio 1.2, 2.7.5) into lists of buffers. Each descriptor is copied once and
 * the copy is checked; no walk is longer than a bound of ours.
 */
#include <errno.h>

#include "base/util.h"
#include "dev/virtio/core.h"
#include "mem/dirty.h"

/* 2.7.5.3: a chain describes at most 4 GiB. */
#define CHAIN_BYTES_MAX (1ULL << 32)

#define load(p) __atomic_load_n((p), __ATOMIC_RELAXED)

struct walk {
	struct virtqueue *queue;
	struct iovec *iov;
	unsigned count;
	struct virtq_chain *chain;
};

/* A table of descriptors: the queue's own, or an indirect one, which is copied out of memory. */
struct table {
	const struct virtq_desc *direct; /* NULL: indirect */
	gpa_t gpa;
	uint32_t count;
};

#define broken(walk, fmt, ...)                                                               \
	(virtio_device_broken((walk)->queue->device, "queue %u: " fmt, (walk)->queue->index, \
			      ##__VA_ARGS__),                                                \
	 -EPROTO)

static int fetch(struct walk *walk, const struct table *table, uint16_t index,
		 struct virtq_desc *desc)
{
	const struct virtq_desc *from;

	if (index >= table->count)
		return broken(walk, "descriptor %u of %u", index, table->count);
	if (table->direct) {
		from = &table->direct[index];
		*desc = (struct virtq_desc){ load(&from->addr), load(&from->len),
					     load(&from->flags), load(&from->next) };
		return 0;
	}
	if (mem_read(walk->queue->device->mem, table->gpa + index * sizeof(*desc), desc,
		     sizeof(*desc)) < 0)
		return broken(walk, "an indirect table at %#llx is not in memory",
			      (unsigned long long)table->gpa);
	return 0;
}

/* How much of [gpa, gpa + len) is in gpa's region. */
static uint64_t part_in_region(const struct mem_map *map, gpa_t gpa, uint64_t len)
{
	const struct mem_region *region = mem_map_find(map, gpa);

	return region ? min_u64(len, region->size - (gpa - region->gpa)) : 0;
}

/* A buffer that lies in two neighbouring regions becomes two iovecs. */
static int add_iovecs(struct walk *walk, gpa_t gpa, uint64_t len, bool writable)
{
	const struct mem_map *map = walk->queue->map;

	while (len) {
		uint64_t part = part_in_region(map, gpa, len);
		void *p = mem_map_ptr(map, gpa, part, writable);

		if (!p)
			return broken(walk, "a buffer at %#llx is not in memory",
				      (unsigned long long)gpa);
		if (walk->count == VIRTQ_IOV_MAX)
			return broken(walk, "a chain of more than %u buffers", VIRTQ_IOV_MAX);
		walk->iov[walk->count++] = (struct iovec){ .iov_base = p, .iov_len = part };
		gpa += part;
		len -= part;
	}
	return 0;
}

static int add_buffer(struct walk *walk, const struct virtq_desc *desc)
{
	struct virtq_chain *chain = walk->chain;
	bool writable = desc->flags & VIRTQ_DESC_F_WRITE;
	int r;

	if (chain->in_len && !writable && desc->len)
		return broken(walk, "a readable buffer follows a writable one");
	r = add_iovecs(walk, desc->addr, desc->len, writable);
	if (r < 0)
		return r;
	if (writable) {
		chain->in_len += desc->len;
	} else if (desc->len) {
		chain->out_len += desc->len;
		chain->out_count = walk->count;
	}
	if (chain->in_len + chain->out_len > CHAIN_BYTES_MAX)
		return broken(walk, "a chain of more than 4 GiB");
	return 0;
}

/* Goes from the queue's table into the one that desc refers to. */
static int enter_indirect(struct walk *walk, const struct virtq_desc *desc, struct table *table)
{
	uint64_t features = virtio_device_features(walk->queue->device);

	if (!(features >> VIRTIO_F_INDIRECT_DESC & 1))
		return broken(walk, "an indirect table without the feature");
	if (!table->direct)
		return broken(walk, "an indirect table inside an indirect table");
	if (desc->flags & VIRTQ_DESC_F_NEXT)
		return broken(walk, "a descriptor is both indirect and chained");
	if (!desc->len || desc->len % sizeof(struct virtq_desc))
		return broken(walk, "an indirect table of %u bytes", desc->len);
	*table = (struct table){ .gpa = desc->addr, .count = desc->len / sizeof(*desc) };
	return 0;
}

/* Empty buffers take no iovec: a table can be longer than VIRTQ_IOV_MAX, but not without end. */
static uint32_t steps(const struct table *table)
{
	return (uint32_t)min_u64(table->count, 2UL * VIRTQ_IOV_MAX);
}

/* A chain enters an indirect table once at most, so the two bounds add up. */
static int walk_from(struct walk *walk, struct table table, uint16_t index)
{
	struct virtq_desc desc;
	int r;

	for (uint32_t left = steps(&table); left; left--) {
		r = fetch(walk, &table, index, &desc);
		if (r < 0)
			return r;
		if (desc.flags & VIRTQ_DESC_F_INDIRECT) {
			r = enter_indirect(walk, &desc, &table);
			if (r < 0)
				return r;
			index = 0;
			left = steps(&table) + 1;
			continue;
		}
		r = add_buffer(walk, &desc);
		if (r < 0 || !(desc.flags & VIRTQ_DESC_F_NEXT))
			return r;
		index = desc.next;
	}
	return broken(walk, "a chain that does not end");
}

int virtq_walk(struct virtqueue *queue, struct iovec *iov, struct virtq_chain *chain)
{
	struct walk walk = { .queue = queue, .iov = iov, .chain = chain };
	struct table table = { .direct = queue->desc, .count = queue->ring.size };
	int r;

	if (chain->head >= queue->ring.size)
		return broken(&walk, "head %u of %u", chain->head, queue->ring.size);
	r = walk_from(&walk, table, chain->head);
	chain->out = iov;
	chain->in = iov + chain->out_count;
	chain->in_count = walk.count - chain->out_count;
	return r;
}

/* The device types keep iovecs of their own, in parts: the descriptors are the one place that has all
 * of them. A driver may not change them meanwhile. */
void virtq_mark_chain(struct virtqueue *queue, uint16_t head)
{
	struct iovec iov[VIRTQ_IOV_MAX];
	struct virtq_chain chain = { .head = head };

	if (virtq_walk(queue, iov, &chain) < 0)
		return;
	for (unsigned i = 0; i < chain.in_count; i++)
		mem_mark_dirty_hva(queue->device->mem, chain.in[i].iov_base, chain.in[i].iov_len);
}
