/* SPDX-License-Identifier: Apache-2.0 */
/* xen-blk: the device, its handshake and its life. */
#include "pv/xen/blk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>
#include <ferry/vm.h>

#include "base/util.h"
#include "pv/xen/xen_impl.h"

/* Linux's numbers: xvda … xvdp, and those of "extended" devices behind them. */
#define XVD_MAJOR    202u
#define XVD_OLD	     16u
#define XVD_EXTENDED (1u << 28)

#define PHYSICAL_MIN 512u

static struct xen_blk *blk_of(struct xen_dev *dev)
{
	return container_of(dev, struct xen_blk, dev);
}

static void offer(struct xen_dev *dev)
{
	struct xen_blk *blk = blk_of(dev);
	const struct disk_image *image = &blk->disk.image;
	struct store *store = &dev->xen->store;
	bool writable = !blk->disk.readonly;

	store_printf(store, dev->front, "virtual-device", "%u", dev->number);
	store_printf(store, dev->front, "device-type", "disk");
	store_printf(store, dev->back, "type", "phy");
	store_printf(store, dev->back, "mode", writable ? "w" : "r");
	xen_dev_tell(dev, "feature-flush-cache", 1);
	xen_dev_tell(dev, "feature-persistent", blk->offers_persistent);
	xen_dev_tell(dev, "feature-discard", writable);
	xen_dev_tell(dev, "discard-granularity", image->physical_size);
	xen_dev_tell(dev, "discard-alignment", 0);
	xen_dev_tell(dev, "discard-secure", 0);
	xen_dev_tell(dev, "feature-max-indirect-segments", BLK_SEGMENTS_MAX);
	xen_dev_tell(dev, "max-ring-page-order", XEN_RING_ORDER_MAX);
	xen_dev_tell(dev, "multi-queue-max-queues", blk->queues_max);
	xen_dev_tell(dev, "sector-size", image->block_size);
	xen_dev_tell(dev, "physical-sector-size", max_u64(image->physical_size, PHYSICAL_MIN));
	xen_dev_tell(dev, "sectors", blk->sectors);
	xen_dev_tell(dev, "info", writable ? 0 : BLKIF_VDISK_READONLY);
}

/* The directory of a queue's keys: the device's own where there is one queue. */
static void queue_key(const struct xen_blk *blk, unsigned q, const char *key, char *text, size_t size)
{
	if (blk->queue_count == 1)
		snprintf(text, size, "%s", key);
	else
		snprintf(text, size, "queue-%u/%s", q, key);
}

static int pin_ring(struct xen_blk *blk, unsigned q, unsigned order)
{
	struct xen_dev *dev = &blk->dev;
	uint32_t refs[XEN_RING_PAGES_MAX];
	char name[32], key[64];
	int r;

	for (unsigned i = 0; i < 1u << order; i++) {
		if (order == 0)
			snprintf(name, sizeof(name), "ring-ref");
		else
			snprintf(name, sizeof(name), "ring-ref%u", i);
		queue_key(blk, q, name, key, sizeof(key));
		refs[i] = (uint32_t)xen_dev_front(dev, key, UINT32_MAX);
	}
	r = xen_area_pin(dev->xen, &blk->queues[q].ring.area, refs, 1u << order);
	return r == GNTST_okay ? 0 : because(-EINVAL, "ring %u is not granted (%d)", q, r);
}

static int bind_port(struct xen_blk *blk, unsigned q)
{
	char key[64];

	queue_key(blk, q, "event-channel", key, sizeof(key));
	return xen_local_bind(&blk->queues[q].local, (uint32_t)xen_dev_front(&blk->dev, key, 0));
}

static int connect_queue(struct xen_blk *blk, unsigned q, unsigned order, bool arrived)
{
	struct xen_blk_queue *queue = &blk->queues[q];
	uint32_t size = blk->is_32 ? sizeof(struct xen_blkif_request_32)
				   : sizeof(struct xen_blkif_request_64);
	int r = pin_ring(blk, q, order);

	if (r == 0)
		r = bind_port(blk, q);
	if (r < 0)
		return r;
	if (!xen_area_refresh(blk->dev.xen, &queue->ring.area))
		return because(-EINVAL, "ring %u is not in memory", q);
	xen_back_ring_begin(&queue->ring, size,
			    arrived ? blk->rsp_prods[q] : xen_back_ring_rsp_prod(&queue->ring));
	queue->must_push = false;
	if (!blk->keeps_grants)
		return 0;
	queue->kept = calloc(BLK_KEPT_MAX, sizeof(*queue->kept));
	return queue->kept ? 0 : -ENOMEM;
}

/*
 * What was offered stands in Xenstore, also of a guest that has come from elsewhere; Linux says what it would
 * like without looking there.
 */
static bool keeps_grants(struct xen_dev *dev)
{
	return store_read_number(&dev->xen->store, dev->back, "feature-persistent", 0) &&
	       xen_dev_front(dev, "feature-persistent", 0);
}

static int connect_all(struct xen_blk *blk, bool arrived)
{
	struct xen_dev *dev = &blk->dev;
	uint64_t queues = xen_dev_front(dev, "multi-queue-num-queues", 1);
	uint64_t order = xen_dev_front(dev, "ring-page-order", 0);
	char path[128], protocol[32] = "";
	int r = 0;

	if (queues < 1 || queues > blk->queues_max)
		return because(-EINVAL, "%llu queues", (unsigned long long)queues);
	if (order > XEN_RING_ORDER_MAX)
		return because(-EINVAL, "rings of order %llu", (unsigned long long)order);
	snprintf(path, sizeof(path), "%s/protocol", dev->front);
	store_read(&dev->xen->store, path, protocol, sizeof(protocol));
	blk->is_32 = strcmp(protocol, "x86_32-abi") == 0;
	blk->keeps_grants = keeps_grants(dev);
	blk->queue_count = (unsigned)queues;
	for (unsigned q = 0; q < blk->queue_count && r == 0; q++)
		r = connect_queue(blk, q, (unsigned)order, arrived);
	return r;
}

static int connect_dev(struct xen_dev *dev, bool arrived)
{
	struct xen_blk *blk = blk_of(dev);
	int r;

	xen_lock(dev->xen);
	r = connect_all(blk, arrived);
	xen_unlock(dev->xen);
	blk->stopped = true; /* until resume() */
	return r;
}

static void disconnect_queue(struct xen_blk_queue *queue)
{
	struct loop *loop = queue->blk->disk.loop;
	struct xen *xen = queue->blk->dev.xen;

	loop_defer_cancel(loop, &queue->burst);
	loop_lookout_remove(loop, &queue->lookout);
	xen_lock(xen);
	xen_blk_forget(queue);
	xen_area_unpin(xen, &queue->ring.area);
	xen_local_unbind(&queue->local);
	xen_unlock(xen);
	free(queue->kept);
	queue->kept = NULL;
	while (queue->free) {
		struct xen_blk_request *request = queue->free;

		queue->free = request->next;
		free(request);
	}
}

static void disconnect_dev(struct xen_dev *dev)
{
	struct xen_blk *blk = blk_of(dev);

	for (unsigned q = 0; q < blk->queue_count; q++)
		disconnect_queue(&blk->queues[q]);
	blk->queue_count = 0;
}

static void stop(struct xen_dev *dev)
{
	struct xen_blk *blk = blk_of(dev);

	blk->stopped = true;
	for (unsigned q = 0; q < blk->queue_count && !blk->in_flight; q++)
		xen_blk_settle(&blk->queues[q]);
}

static bool is_idle(const struct xen_dev *dev)
{
	return container_of(dev, const struct xen_blk, dev)->in_flight == 0;
}

/* A guest that has arrived may have missed an answer's event: one more does no harm. */
static void resume(struct xen_dev *dev, bool arrived)
{
	struct xen_blk *blk = blk_of(dev);

	blk->stopped = false;
	for (unsigned q = 0; q < blk->queue_count; q++) {
		if (arrived) {
			xen_lock(dev->xen);
			xen_local_raise(&blk->queues[q].local);
			xen_unlock(dev->xen);
		}
		xen_blk_serve(&blk->queues[q]);
	}
}

static void destroy(struct xen_dev *dev)
{
	struct xen_blk *blk = blk_of(dev);

	blk->stopped = blk->disk.given_up = true;
	if (blk->disk.loop)
		disk_drop_waiting(&blk->disk);
	loop_drain(dev->xen->vm->loop, &blk->in_flight);
	disconnect_dev(dev);
	for (unsigned q = 0; q < XEN_DEV_QUEUES_MAX; q++)
		kick_finish(&blk->queues[q].local.kick);
	disk_finish(&blk->disk);
	free(blk);
}

static const struct xen_dev_ops blk_ops = {
	.type = "vbd",
	.ready = XENBUS_INITIALISED,
	.offer = offer,
	.connect = connect_dev,
	.disconnect = disconnect_dev,
	.stop = stop,
	.is_idle = is_idle,
	.resume = resume,
	.destroy = destroy,
};

static void notified(struct kick *kick)
{
	struct xen_blk_queue *queue = container_of(kick, struct xen_blk_queue, local.kick);

	unsigned before = queue->blk->in_flight;
	bool waited;

	if (!queue->local.port)
		return;
	waited = company_wait(&queue->company, queue->blk->disk.loop);
	xen_blk_serve(queue);
	if (waited)
		company_came(&queue->company, queue->blk->in_flight - before);
}

static void init_queues(struct xen_blk *blk)
{
	for (unsigned q = 0; q < XEN_DEV_QUEUES_MAX; q++) {
		struct xen_blk_queue *queue = &blk->queues[q];

		queue->blk = blk;
		queue->local.xen = blk->dev.xen;
		queue->burst.fn = xen_blk_burst_ended;
		queue->lookout.look = xen_blk_look;
		kick_init(&queue->local.kick, blk->disk.loop, notified);
	}
}

static uint32_t device_number(unsigned number)
{
	return number < XVD_OLD ? XVD_MAJOR << 8 | number << 4 : XVD_EXTENDED | number << 8;
}

int xen_blk_create(struct xen *xen, const struct xen_blk_options *options, struct disk **ret_disk)
{
	struct xen_blk *blk;
	int r;

	if (options->queues > XEN_DEV_QUEUES_MAX)
		return because(-EINVAL, "%s: %u queues: at most %u are possible", options->disk->path,
			       options->queues, XEN_DEV_QUEUES_MAX);
	blk = calloc(1, sizeof(*blk));
	if (!blk)
		return -ENOMEM;
	blk->queues_max = options->queues ? options->queues
					  : (unsigned)min_u64(xen->vcpu_count, XEN_DEV_QUEUES_MAX);
	blk->number = options->number;
	blk->offers_persistent = options->persistent;
	blk->dev.xen = xen;
	r = disk_init(&blk->disk, xen->vm->loop, options->disk);
	if (r < 0)
		goto fail;
	blk->sectors = blk->disk.image.size / BLKIF_SECTOR;
	init_queues(blk);
	r = xen_dev_add(xen, &blk->dev, &blk_ops, options->disk->id, device_number(options->number));
	if (r == 0)
		r = xen_blk_bank_add(blk);
	*ret_disk = &blk->disk;
	return r; /* xen's by now */
fail:
	disk_finish(&blk->disk);
	free(blk);
	return r;
}
