/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver of virtio-blk that writes all the time and knows what must be on the disk. Its rings and
 * buffers lie in guest memory and travel with the guest; it stands still when the guest does, with
 * requests under way.
 */
#ifndef TESTS_MIGRATE_DISK_DRIVER_H
#define TESTS_MIGRATE_DISK_DRIVER_H

#include <ferry/machine.h>

#include <pthread.h>

#include <abi/virtio_blk.h>

#include "dev/virtio/fake_driver.h"

#define DISK_SLOT   1
#define DISK_SIZE   (16 * MIB)
#define DISK_CHUNK  4096
#define DISK_CHUNKS (DISK_SIZE / DISK_CHUNK)

/* Below what guest/migrate/oracle takes for itself, above its program. */
#define DRIVER_RING   0xc00000ULL
#define DRIVER_BUFFER 0xd00000ULL
#define DRIVER_SLOTS  5

struct disk_driver {
	struct fake_driver fake;
	struct vm *vm;
	pthread_t thread;
	/* lock: held while it does a step; who holds the guest takes it. */
	pthread_mutex_t lock;
	bool ending;
	uint32_t random;
	uint16_t used; /* the used ring's index, as far as it was looked at */
	uint32_t expected[DISK_CHUNKS]; /* the last that was acknowledged; 0: zeros */
	unsigned completed;
	struct {
		bool busy;
		uint32_t type, chunk, generation;
	} slots[DRIVER_SLOTS];
};

static inline uint32_t driver_random(struct disk_driver *d)
{
	return (d->random = d->random * 1664525 + 1013904223) >> 8;
}

static inline void driver_fill(uint32_t *words, uint32_t chunk, uint32_t generation)
{
	for (unsigned i = 0; i < DISK_CHUNK / 4; i++)
		words[i] = generation ? generation ^ chunk << 8 ^ i << 20 : 0;
}

static inline bool driver_is_busy(const struct disk_driver *d, uint32_t chunk)
{
	for (unsigned i = 0; i < DRIVER_SLOTS; i++)
		if (d->slots[i].busy && d->slots[i].chunk == chunk)
			return true;
	return false;
}

/* Here and there by turns, so that copying can be faster than it is. */
static inline uint32_t driver_chunk(struct disk_driver *d)
{
	return (d->completed / 1000 * 419 + driver_random(d) % 64) % DISK_CHUNKS;
}

/* Header, data and status, each slot with three descriptors of its own. */
static inline void driver_submit(struct disk_driver *d, unsigned slot)
{
	static const uint32_t types[] = { VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_OUT,
					  VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES };
	gpa_t buffer = DRIVER_BUFFER + slot * 0x4000;
	uint32_t type = types[driver_random(d) % ARRAY_SIZE(types)];
	uint32_t words[DISK_CHUNK / 4], chunk = driver_chunk(d);
	bool is_write = type == VIRTIO_BLK_T_OUT;
	struct virtio_blk_req header = { .type = type, .sector = is_write ? chunk * 8 : 0 };
	struct virtio_blk_discard_write_zeroes range = { .sector = chunk * 8, .num_sectors = 8 };
	uint16_t id = (uint16_t)(3 * slot);

	if (driver_is_busy(d, chunk))
		return;
	d->slots[slot].busy = true;
	d->slots[slot].type = type;
	d->slots[slot].chunk = chunk;
	d->slots[slot].generation = is_write ? driver_random(d) | 1 : 0;
	driver_fill(words, chunk, d->slots[slot].generation);
	put(d->vm, buffer, &header, sizeof(header));
	put(d->vm, buffer + 0x1000, words, sizeof(words));
	if (!is_write)
		put(d->vm, buffer + 0x1000, &range, sizeof(range));
	put(d->vm, buffer + 0x2000, "\xff", 1);
	put_desc(d->vm, DRIVER_RING, id,
		 (struct virtq_desc){ buffer, sizeof(header), VIRTQ_DESC_F_NEXT, id + 1 });
	put_desc(d->vm, DRIVER_RING, id + 1,
		 (struct virtq_desc){ buffer + 0x1000, is_write ? DISK_CHUNK : sizeof(range),
				      VIRTQ_DESC_F_NEXT, id + 2 });
	put_desc(d->vm, DRIVER_RING, id + 2,
		 (struct virtq_desc){ buffer + 0x2000, 1, VIRTQ_DESC_F_WRITE, 0 });
	put16(d->vm, DRIVER_RING + 0x4000 + 4 + 2 * (d->fake.avail[0] % RING_SIZE), id);
	put16(d->vm, DRIVER_RING + 0x4000 + 2, ++d->fake.avail[0]);
	mmio_write(d->vm, d->fake.notify, 0, 2);
}

static inline void driver_complete(struct disk_driver *d, unsigned slot)
{
	uint8_t status;

	ck_assert_uint_lt(slot, DRIVER_SLOTS);
	ck_assert(d->slots[slot].busy);
	ck_assert_int_eq(mem_read(vm_mem(d->vm), DRIVER_BUFFER + slot * 0x4000 + 0x2000, &status, 1),
			 0);
	ck_assert_uint_eq(status, VIRTIO_BLK_S_OK);
	d->expected[d->slots[slot].chunk] = d->slots[slot].generation;
	d->slots[slot].busy = false;
	__atomic_store_n(&d->completed, d->completed + 1, __ATOMIC_RELAXED);
}

static inline void driver_look(struct disk_driver *d)
{
	while (get16(d->vm, DRIVER_RING + 0x8000 + 2) != d->used) {
		gpa_t at = DRIVER_RING + 0x8000 + 4 + 8 * (d->used++ % RING_SIZE);
		struct virtq_used_elem elem;

		ck_assert_int_eq(mem_read(vm_mem(d->vm), at, &elem, sizeof(elem)), 0);
		driver_complete(d, elem.id / 3);
	}
}

static inline void *driver_main(void *arg)
{
	struct disk_driver *d = arg;
	bool is_done = false;

	while (!is_done) {
		pthread_mutex_lock(&d->lock);
		driver_look(d);
		is_done = d->ending;
		for (unsigned slot = 0; slot < DRIVER_SLOTS; slot++) {
			if (!d->slots[slot].busy && !d->ending)
				driver_submit(d, slot);
			is_done = is_done && !d->slots[slot].busy;
		}
		pthread_mutex_unlock(&d->lock);
		usleep(100);
	}
	return NULL;
}

/* Every other MiB of an empty image holds something. */
static inline void driver_prepare(struct disk_driver *d, int fd)
{
	uint32_t words[DISK_CHUNK / 4];

	*d = (struct disk_driver){ .random = 1 };
	for (uint32_t chunk = 0; chunk < DISK_CHUNKS; chunk++) {
		if (chunk * DISK_CHUNK / MIB % 2)
			continue;
		d->expected[chunk] = 1 + chunk;
		driver_fill(words, chunk, d->expected[chunk]);
		ck_assert_int_eq(pwrite(fd, words, DISK_CHUNK, (off_t)chunk * DISK_CHUNK), DISK_CHUNK);
	}
}

static inline void driver_start(struct disk_driver *d, struct vm *vm)
{
	d->vm = vm;
	pthread_mutex_init(&d->lock, NULL);
	driver_init(&d->fake, vm, DISK_SLOT);
	ck_assert_uint_ne(d->fake.notify, 0);
	accept_features(&d->fake, 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_BLK_F_FLUSH |
					  1ULL << VIRTIO_BLK_F_DISCARD |
					  1ULL << VIRTIO_BLK_F_WRITE_ZEROES);
	common_write(&d->fake, COMMON(queue_select), 0, 2);
	common_write(&d->fake, COMMON(queue_size), RING_SIZE, 2);
	common_write(&d->fake, COMMON(queue_desc), DRIVER_RING, 8);
	common_write(&d->fake, COMMON(queue_driver), DRIVER_RING + 0x4000, 8);
	common_write(&d->fake, COMMON(queue_device), DRIVER_RING + 0x8000, 8);
	common_write(&d->fake, COMMON(queue_enable), 1, 2);
	set_status(&d->fake, ALL_OK);
	ck_assert_uint_eq(status(&d->fake), ALL_OK);
	ck_assert_int_eq(pthread_create(&d->thread, NULL, driver_main, d), 0);
}

/* Waits until so many more requests have ended. */
static inline void driver_wait(struct disk_driver *d, unsigned more)
{
	unsigned goal = __atomic_load_n(&d->completed, __ATOMIC_RELAXED) + more;

	while (__atomic_load_n(&d->completed, __ATOMIC_RELAXED) < goal)
		usleep(1000);
}

/* It is in the machine where the guest is now. */
static inline void driver_follow(struct disk_driver *d, struct vm *vm)
{
	d->vm = d->fake.vm = vm;
}

/* Waits for what is under way. */
static inline void driver_stop(struct disk_driver *d)
{
	pthread_mutex_lock(&d->lock);
	d->ending = true;
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	pthread_mutex_destroy(&d->lock);
}

/* How many chunks of the image are not as they were acknowledged. */
static inline unsigned driver_compare(const struct disk_driver *d, int fd)
{
	uint32_t words[DISK_CHUNK / 4], wanted[DISK_CHUNK / 4];
	unsigned wrong = 0;

	for (uint32_t chunk = 0; chunk < DISK_CHUNKS; chunk++) {
		ck_assert_int_eq(pread(fd, words, DISK_CHUNK, (off_t)chunk * DISK_CHUNK), DISK_CHUNK);
		driver_fill(wanted, chunk, d->expected[chunk]);
		wrong += memcmp(words, wanted, DISK_CHUNK) != 0;
	}
	return wrong;
}

#endif
