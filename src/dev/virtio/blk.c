/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-blk: the device, its configuration and its life. */
#include "dev/virtio/blk_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>
#include <ferry/vm.h>

#include <abi/virtio.h>

#include "base/util.h"

#define FEATURE(name) (1ULL << (name))

/* PCI class codes: mass storage, other */
#define CLASS_STORAGE_OTHER 0x018000

bool blk_is_writethrough(struct blk *blk)
{
	uint64_t features = virtio_device_features(blk->device);

	if (!(features & FEATURE(VIRTIO_BLK_F_FLUSH)))
		return true;
	return (features & FEATURE(VIRTIO_BLK_F_CONFIG_WCE)) && !atomic_load(&blk->writeback);
}

static void burst_ended(struct loop_deferred *deferred)
{
	struct blk_queue *queue = container_of(deferred, struct blk_queue, burst);

	virtq_interrupt(queue->virtqueue);
	if (queue->starved)
		blk_serve(queue);
}

static void notify(void *self, unsigned q)
{
	struct blk *blk = self;
	struct blk_queue *queue = &blk->queues[q];
	bool waited = company_wait(&queue->company, blk->loop);
	unsigned before = blk->in_flight;

	blk_serve(queue);
	if (waited)
		company_came(&queue->company, blk->in_flight - before);
}

void blk_request_ended(struct blk *blk)
{
	if (blk->in_flight)
		return;
	if (blk->resetting) {
		blk->resetting = blk->disk.given_up = false;
		atomic_store(&blk->writeback, 1);
		virtio_device_reset_done(blk->device);
	}
	if (blk->quiescing) {
		blk->quiescing = false;
		virtio_device_quiesced(blk->device);
	}
}

static void reset(void *self)
{
	struct blk *blk = self;

	blk->resetting = blk->disk.given_up = true;
	disk_drop_waiting(&blk->disk);
	blk_request_ended(blk);
}

static void quiesce(void *self)
{
	struct blk *blk = self;

	blk->quiescing = true;
	blk_request_ended(blk);
}

static void config_read(void *self, uint32_t offset, void *data, unsigned len)
{
	struct blk *blk = self;
	struct virtio_blk_config config = blk->config;

	config.writeback = atomic_load(&blk->writeback);
	memcpy(data, (uint8_t *)&config + offset, len);
}

static void config_write(void *self, uint32_t offset, const void *data, unsigned len)
{
	struct blk *blk = self;
	uint64_t features = virtio_device_features(blk->device);

	if (offset == offsetof(struct virtio_blk_config, writeback) && len == 1 &&
	    (features & FEATURE(VIRTIO_BLK_F_CONFIG_WCE)))
		atomic_store(&blk->writeback, *(const uint8_t *)data & 1);
}

static const struct virtio_ops blk_ops = {
	.name = "virtio-blk",
	.type = VIRTIO_ID_BLOCK,
	.pci_class = CLASS_STORAGE_OTHER,
	.notify = notify,
	.reset = reset,
	.config_read = config_read,
	.config_write = config_write,
	.quiesce = quiesce,
};

static uint64_t offered_features(const struct blk *blk)
{
	uint64_t features = FEATURE(VIRTIO_BLK_F_SEG_MAX) | FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
			    FEATURE(VIRTIO_BLK_F_TOPOLOGY) | FEATURE(VIRTIO_BLK_F_FLUSH) |
			    FEATURE(VIRTIO_BLK_F_CONFIG_WCE) | FEATURE(VIRTIO_BLK_F_MQ);

	if (blk->disk.readonly)
		return features | FEATURE(VIRTIO_BLK_F_RO);
	return features | FEATURE(VIRTIO_BLK_F_DISCARD) | FEATURE(VIRTIO_BLK_F_WRITE_ZEROES);
}

static uint8_t physical_block_exp(const struct disk_image *image)
{
	uint32_t blocks = image->physical_size / image->block_size;

	return blocks ? (uint8_t)(31 - __builtin_clz(blocks)) : 0;
}

static void fill_config(struct blk *blk)
{
	const struct disk_image *image = &blk->disk.image;

	blk->config = (struct virtio_blk_config){
		.capacity = image->size / VIRTIO_BLK_SECTOR,
		.seg_max = BLK_SEGS,
		.blk_size = image->block_size,
		.topology = { .physical_block_exp = physical_block_exp(image), .min_io_size = 1 },
		.num_queues = (uint16_t)blk->queue_count,
		.max_discard_sectors = BLK_RANGE_SECTORS_MAX,
		.max_discard_seg = BLK_RANGES,
		.discard_sector_alignment = image->physical_size / VIRTIO_BLK_SECTOR,
		.max_write_zeroes_sectors = BLK_RANGE_SECTORS_MAX,
		.max_write_zeroes_seg = BLK_RANGES,
		.write_zeroes_may_unmap = 1,
	};
	atomic_store(&blk->writeback, 1);
}

static void get_capacity(void *self, void *val)
{
	memcpy(val, &((struct blk *)self)->config.capacity, sizeof(uint64_t));
}

static int set_capacity(void *self, const void *val)
{
	const struct blk *blk = self;
	uint64_t capacity;

	memcpy(&capacity, val, sizeof(capacity));
	if (capacity == blk->config.capacity)
		return 0;
	return because(-EINVAL, "the disk has %llu sectors here, not %llu",
		       (unsigned long long)blk->config.capacity, (unsigned long long)capacity);
}

static void get_blk_size(void *self, void *val)
{
	memcpy(val, &((struct blk *)self)->config.blk_size, sizeof(uint32_t));
}

static int set_blk_size(void *self, const void *val)
{
	const struct blk *blk = self;
	uint32_t blk_size;

	memcpy(&blk_size, val, sizeof(blk_size));
	if (blk_size == blk->config.blk_size)
		return 0;
	return because(-EINVAL, "the disk has blocks of %u bytes here, not %u",
		       blk->config.blk_size, blk_size);
}

static void get_writeback(void *self, void *val)
{
	*(uint8_t *)val = atomic_load(&((struct blk *)self)->writeback);
}

static int set_writeback(void *self, const void *val)
{
	struct blk *blk = self;
	uint8_t writeback = *(const uint8_t *)val;

	if (writeback > 1)
		return because(-EINVAL, "writeback cannot be %u", writeback);
	atomic_store(&blk->writeback, writeback);
	return 0;
}

static void get_id(void *self, void *val)
{
	char id[32] = { 0 };

	memcpy(id, ((struct blk *)self)->serial, VIRTIO_BLK_ID_LEN);
	memcpy(val, id, sizeof(id));
}

static int set_id(void *self, const void *val)
{
	memcpy(((struct blk *)self)->serial, val, VIRTIO_BLK_ID_LEN);
	return 0;
}

#define CONFIG(member) offsetof(struct virtio_blk_config, member)

static const struct type_reg blk_regs[] = {
	{ "capacity", CONFIG(capacity), 3, get_capacity, set_capacity },
	{ "blk_size", CONFIG(blk_size), 2, get_blk_size, set_blk_size },
	{ "writeback", CONFIG(writeback), 0, get_writeback, set_writeback },
	{ "id", TYPE_REG_KEPT, 5, get_id, set_id },
};

static int check_options(const struct blk_options *options)
{
	if (options->queues > BLK_QUEUES_MAX)
		return because(-EINVAL, "%s: %u queues: at most %u are possible", options->path,
			       options->queues, BLK_QUEUES_MAX);
	if (options->serial && strlen(options->serial) > VIRTIO_BLK_ID_LEN)
		return because(-EINVAL, "%s: the serial number '%s' is longer than %u characters",
			       options->path, options->serial, VIRTIO_BLK_ID_LEN);
	return 0;
}

static int allocate(struct blk *blk)
{
	blk->scratch = calloc(VIRTQ_IOV_MAX, sizeof(*blk->scratch));
	if (!blk->scratch)
		return -ENOMEM;
	for (unsigned q = 0; q < blk->queue_count; q++) {
		struct blk_queue *queue = &blk->queues[q];

		queue->requests = calloc(BLK_QUEUE_SIZE, sizeof(*queue->requests));
		if (!queue->requests)
			return -ENOMEM;
	}
	return 0;
}

static void init_queues(struct blk *blk)
{
	for (unsigned q = 0; q < blk->queue_count; q++) {
		struct blk_queue *queue = &blk->queues[q];

		queue->blk = blk;
		queue->virtqueue = virtio_device_queue(blk->device, q);
		queue->burst.fn = burst_ended;
		queue->lookout.look = blk_look;
	}
}

static int make_device(struct blk *blk, struct vm *vm, struct pci_host *host,
		       const struct blk_options *options)
{
	const struct virtio_options device_options = {
		.ops = &blk_ops,
		.self = blk,
		.id = options->id,
		.features = offered_features(blk),
		.queues = (uint16_t)blk->queue_count,
		.queue_size = BLK_QUEUE_SIZE,
		.config_size = VIRTIO_BLK_CONFIG_LEN,
	};
	int r = virtio_device_create(vm, host, &device_options, &blk->device);

	if (r < 0)
		return r;
	init_queues(blk);
	return type_bank_add(&blk->bank, blk->device, blk_regs, ARRAY_SIZE(blk_regs), blk);
}

int blk_create(struct vm *vm, struct pci_host *host, const struct blk_options *options,
	       struct blk **ret_blk)
{
	const struct disk_options disk = {
		.id = options->id,
		.path = options->path,
		.overlay = options->overlay,
		.readonly = options->readonly,
		.direct = options->direct,
		.unlocked = options->unlocked,
	};
	struct blk *blk;
	int r = check_options(options);

	if (r < 0)
		return r;
	blk = calloc(1, sizeof(*blk));
	if (!blk)
		return -ENOMEM;
	blk->loop = vm_loop(vm);
	blk->queue_count =
		options->queues ? options->queues : (unsigned)min_u64(vm_vcpus(vm), BLK_QUEUES_MAX);
	if (options->serial)
		memcpy(blk->serial, options->serial, strlen(options->serial));
	r = disk_init(&blk->disk, blk->loop, &disk);
	if (r < 0)
		goto fail;
	fill_config(blk);
	r = allocate(blk);
	if (r == 0)
		r = make_device(blk, vm, host, options);
	if (r < 0)
		goto fail;
	*ret_blk = blk;
	return 0;
fail:
	blk_destroy(blk);
	return r;
}

void blk_destroy(struct blk *blk)
{
	if (!blk)
		return;
	blk->disk.given_up = true;
	if (blk->disk.loop)
		disk_drop_waiting(&blk->disk);
	loop_drain(blk->loop, &blk->in_flight);
	virtio_device_destroy(blk->device);
	for (unsigned q = 0; q < blk->queue_count; q++) {
		loop_defer_cancel(blk->loop, &blk->queues[q].burst);
		loop_lookout_remove(blk->loop, &blk->queues[q].lookout);
		free(blk->queues[q].requests);
	}
	free(blk->scratch);
	disk_finish(&blk->disk);
	free(blk);
}

struct virtio_device *blk_device(struct blk *blk)
{
	return blk->device;
}

struct disk *blk_disk(struct blk *blk)
{
	return &blk->disk;
}
