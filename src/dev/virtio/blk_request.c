/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of virtio-blk (virtio 1.2, 5.2.6): from the chain to the host's kernel and back. Data is
 * read and written in place; headers are copied, and the copies are checked.
 */
#include "dev/virtio/blk_impl.h"

#include <string.h>

#include "base/util.h"

static struct blk_request *request_take(struct blk_queue *queue)
{
	struct blk_request *request = queue->free;

	if (request)
		queue->free = request->next;
	else if (queue->fresh < BLK_QUEUE_SIZE)
		request = &queue->requests[queue->fresh++];
	if (request)
		request->queue = queue;
	return request;
}

static void request_give(struct blk_queue *queue, struct blk_request *request)
{
	request->next = queue->free;
	queue->free = request;
}

/* Nothing of the guest's is touched any more. */
static void end(struct blk_request *request)
{
	struct blk_queue *queue = request->queue;
	struct blk *blk = queue->blk;

	request_give(queue, request);
	blk->in_flight--;
	if (queue->starved)
		loop_defer(blk->loop, &queue->burst);
	blk_request_ended(blk);
}

static void complete(struct blk_request *request, uint8_t status)
{
	struct blk_queue *queue = request->queue;
	struct blk *blk = queue->blk;
	uint64_t written = 1;

	if (!blk->disk.given_up) {
		*request->status = status;
		/* Bytes are claimed from the beginning on: none where the data did not come. */
		if (request->data_in)
			written = status == VIRTIO_BLK_S_OK ? request->data_in + 1 : 0;
		virtq_push(queue->virtqueue, request->head, (uint32_t)written);
		loop_defer(blk->loop, &queue->burst);
	}
	end(request);
}

/* Whether so many bytes from a sector on lie inside the image and can be asked of the host. */
static bool is_valid_range(const struct blk *blk, uint64_t sector, uint64_t len)
{
	uint64_t sectors = blk->config.capacity;

	return range_inside(sector, len / VIRTIO_BLK_SECTOR, sectors) &&
	       sector * VIRTIO_BLK_SECTOR % blk->disk.image.block_size == 0 &&
	       len % blk->disk.image.block_size == 0;
}

static uint8_t status_of(int res)
{
	return res < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
}

static void sync_done(struct disk_request *io, int res)
{
	complete(container_of(io, struct blk_request, io), status_of(res));
}

static void begin_sync(struct blk_request *request)
{
	request->io.done = sync_done;
	disk_sync(&request->io);
}

/* The data is where it belongs; with a write-through cache it must also stay there. */
static void data_written(struct blk_request *request)
{
	if (blk_is_writethrough(request->queue->blk))
		begin_sync(request);
	else
		complete(request, VIRTIO_BLK_S_OK);
}

static void transfer_done(struct disk_request *io, int res)
{
	struct blk_request *request = container_of(io, struct blk_request, io);

	if (res == 0 && request->type == VIRTIO_BLK_T_OUT)
		data_written(request);
	else
		complete(request, status_of(res));
}

static void begin_data(struct blk_request *request, const struct virtio_blk_req *header,
		       uint64_t len)
{
	struct blk *blk = request->queue->blk;

	if (request->type == VIRTIO_BLK_T_OUT && blk->disk.readonly) {
		complete(request, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (!is_valid_range(blk, header->sector, len)) {
		complete(request, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (!len) {
		complete(request, VIRTIO_BLK_S_OK);
		return;
	}
	request->io.done = transfer_done;
	if (request->type == VIRTIO_BLK_T_OUT)
		disk_write(&request->io, request->iov, request->count,
			   header->sector * VIRTIO_BLK_SECTOR, len);
	else
		disk_read(&request->io, request->iov, request->count,
			  header->sector * VIRTIO_BLK_SECTOR, len);
}

/* 5.2.6.2: reserved flags, and unmap where it says nothing, are unsupported, not errors. */
static uint8_t check_range(const struct blk_request *request,
			   const struct virtio_blk_discard_write_zeroes *range)
{
	uint32_t allowed =
		request->type == VIRTIO_BLK_T_WRITE_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_UNMAP : 0;

	if (range->flags & ~allowed)
		return VIRTIO_BLK_S_UNSUPP;
	if (range->num_sectors > BLK_RANGE_SECTORS_MAX ||
	    !is_valid_range(request->queue->blk, range->sector,
			    (uint64_t)range->num_sectors * VIRTIO_BLK_SECTOR))
		return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

static void next_range(struct blk_request *request);

static void range_done(struct disk_request *io, int res)
{
	struct blk_request *request = container_of(io, struct blk_request, io);

	if (res < 0)
		complete(request, VIRTIO_BLK_S_IOERR);
	else
		next_range(request);
}

/* Goes on with ranges[first]; when all are done, the request is. */
static void next_range(struct blk_request *request)
{
	const struct virtio_blk_discard_write_zeroes *range;
	uint64_t offset, len;

	/* fallocate(2) refuses length 0 */
	while (request->first < request->count && !request->ranges[request->first].num_sectors)
		request->first++;
	if (request->first == request->count) {
		data_written(request);
		return;
	}
	range = &request->ranges[request->first++];
	offset = range->sector * VIRTIO_BLK_SECTOR;
	len = (uint64_t)range->num_sectors * VIRTIO_BLK_SECTOR;
	request->io.done = range_done;
	if (request->type == VIRTIO_BLK_T_DISCARD)
		disk_discard(&request->io, offset, len);
	else
		disk_zero(&request->io, offset, len, range->flags & VIRTIO_BLK_WRITE_ZEROES_UNMAP);
}

static void begin_ranges(struct blk_request *request, const struct iovec *iov, unsigned count,
			 uint64_t len)
{
	uint8_t status = VIRTIO_BLK_S_OK;

	if (request->queue->blk->disk.readonly || !len || len > sizeof(request->ranges) ||
	    len % sizeof(request->ranges[0])) {
		complete(request, VIRTIO_BLK_S_IOERR);
		return;
	}
	iov_to_buf(iov, count, 0, request->ranges, len);
	request->first = 0;
	request->count = (unsigned)(len / sizeof(request->ranges[0]));
	for (unsigned i = 0; i < request->count && status == VIRTIO_BLK_S_OK; i++)
		status = check_range(request, &request->ranges[i]);
	if (status == VIRTIO_BLK_S_OK)
		next_range(request);
	else
		complete(request, status);
}

static void give_id(struct blk_request *request, const struct iovec *iov, unsigned count)
{
	uint64_t len = iov_from_buf(iov, count, 0, request->queue->blk->serial, VIRTIO_BLK_ID_LEN);

	complete(request, len == VIRTIO_BLK_ID_LEN ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
}

/* The data's iovecs move into the request: the scratch array is for the next chain. */
static bool adopt_iovecs(struct blk_request *request, const struct iovec *iov, unsigned count)
{
	if (count > BLK_IOVECS)
		return false;
	memcpy(request->iov, iov, count * sizeof(*iov));
	request->count = count;
	return true;
}

/* The chain without its header and its status byte. */
struct data {
	struct iovec *iov;
	unsigned count;
	uint64_t len;
};

static void dispatch(struct blk_request *request, const struct virtio_blk_req *header,
		     const struct data *out, const struct data *in)
{
	const struct data *data = header->type == VIRTIO_BLK_T_IN ? in : out;

	switch (header->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		if (adopt_iovecs(request, data->iov, data->count))
			begin_data(request, header, data->len);
		else
			complete(request, VIRTIO_BLK_S_IOERR);
		break;
	case VIRTIO_BLK_T_FLUSH:
		begin_sync(request);
		break;
	case VIRTIO_BLK_T_GET_ID:
		give_id(request, in->iov, in->count);
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		begin_ranges(request, out->iov, out->count, out->len);
		break;
	default:
		complete(request, VIRTIO_BLK_S_UNSUPP);
	}
}

/* Where the status goes. No iovec is empty, before or after. */
static uint8_t *take_last_byte(struct data *in)
{
	struct iovec *last = &in->iov[in->count - 1];

	last->iov_len--;
	if (!last->iov_len)
		in->count--;
	return (uint8_t *)last->iov_base + last->iov_len;
}

/* 2.7.4.2: the driver may cut a request into buffers as it likes. */
static void begin(struct blk_request *request, struct virtq_chain *chain)
{
	struct blk *blk = request->queue->blk;
	struct virtio_blk_req header;
	struct data out, in;

	request->head = chain->head;
	request->io.disk = &blk->disk;
	blk->in_flight++;

	if (!chain->in_len) {
		virtio_device_broken(blk->device, "a request without a status byte");
		end(request);
		return;
	}
	in = (struct data){ chain->in, chain->in_count, chain->in_len - 1 };
	request->status = take_last_byte(&in);
	request->data_in = in.len;
	if (iov_to_buf(chain->out, chain->out_count, 0, &header, sizeof(header)) < sizeof(header)) {
		complete(request, VIRTIO_BLK_S_IOERR);
		return;
	}
	request->type = header.type;
	iov_skip(&chain->out, &chain->out_count, sizeof(header));
	out = (struct data){ chain->out, chain->out_count,
			     chain->out_len - sizeof(header) };
	dispatch(request, &header, &out, &in);
}

/*
 * To take from an empty queue is to ask for a notification: only a last look does that. The bound
 * lets the loop have its turn when the requests end at once and the driver never does.
 */
static bool serve(struct blk_queue *queue, bool last)
{
	struct blk *blk = queue->blk;
	bool served = false;

	queue->starved = false;
	for (unsigned left = BLK_QUEUE_SIZE; left; left--) {
		struct blk_request *request;
		struct virtq_chain chain;

		if (blk->disk.given_up)
			return served;
		request = request_take(queue);
		if (!request) {
			queue->starved = true;
			return served;
		}
		if ((!last && !virtq_has_work(queue->virtqueue)) ||
		    virtq_pop(queue->virtqueue, blk->scratch, &chain) != 1) {
			request_give(queue, request);
			break;
		}
		begin(request, &chain);
		served = true;
		last = false;
	}
	if (!last)
		loop_lookout_add(blk->loop, &queue->lookout);
	return served;
}

bool blk_look(struct loop_lookout *lookout, bool last)
{
	struct blk_queue *queue = container_of(lookout, struct blk_queue, lookout);

	return serve(queue, last);
}

void blk_serve(struct blk_queue *queue)
{
	serve(queue, false);
}
