/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-mem: answers requests to plug and unplug blocks, and tells the driver what is wanted. */
#include "dev/virtio/mem.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <abi/virtio.h>
#include <abi/virtio_mem.h>
#include <ferry/error.h>
#include <ferry/vm.h>

#include "base/log.h"
#include "base/util.h"
#include "dev/virtio/mem_blocks.h"
#include "dev/virtio/type_bank.h"
#include "dev/virtio/virtio.h"

#define QUEUE_SIZE 64

/*
 * How far a guest may plug: as far as is requested and on to the end of the block that Linux adds
 * memory by, 2 GiB in large guests (probe_memory_block_size). So a guest that breaks the rules gets
 * at what was asked of it, not at all that it could ever have.
 */
#define USABLE_ALIGN (2 * GIB)

/* A guest could fill the host's log by asking for ever. */
#define COMPLAINTS_MAX 16

/* requested and usable: written on the loop with the device's lock held, or by who restores. */
struct vmem {
	struct vmem_blocks *blocks;
	struct virtio_device *device;
	const struct log *log;
	uint64_t gpa, size, block; /* fixed */
	_Atomic uint64_t requested;
	_Atomic uint64_t usable;
	unsigned complaints; /* the loop's */
	struct type_bank bank;
	struct iovec iov[VIRTQ_IOV_MAX];
};

struct range {
	uint64_t first, count; /* blocks */
};

/* 5.15.6: whole blocks inside the usable region, and at least one. */
static bool read_range(const struct vmem *vmem, const struct virtio_mem_req *request,
		       struct range *ret_range)
{
	uint64_t offset = request->addr - vmem->gpa;
	uint64_t len = request->nb_blocks * vmem->block;

	if (!len || request->addr < vmem->gpa || !is_aligned(offset, vmem->block) ||
	    !range_inside(offset, len, atomic_load(&vmem->usable)))
		return false;
	*ret_range = (struct range){ offset / vmem->block, request->nb_blocks };
	return true;
}

static uint64_t count_plugged(const struct vmem *vmem, struct range range)
{
	return vmem_blocks_count(vmem->blocks, range.first, range.count);
}

/* The driver asks again later, 5.15.6.2. */
static uint16_t answer(struct vmem *vmem, int r)
{
	if (r == 0)
		return VIRTIO_MEM_RESP_ACK;
	if (r != -EBUSY && vmem->complaints++ < COMPLAINTS_MAX)
		log_write(vmem->log, LOG_LEVEL_WARN, "memory: the guest has to wait: %s",
			  error_text(r));
	return VIRTIO_MEM_RESP_BUSY;
}

static uint16_t plug(struct vmem *vmem, struct range range)
{
	uint64_t len = range.count * vmem->block;

	if (count_plugged(vmem, range) != 0)
		return VIRTIO_MEM_RESP_ERROR;
	if (vmem_blocks_plugged(vmem->blocks) + len > atomic_load(&vmem->requested))
		return VIRTIO_MEM_RESP_NACK;
	return answer(vmem, vmem_blocks_plug(vmem->blocks, range.first, range.count));
}

static uint16_t unplug(struct vmem *vmem, struct range range)
{
	if (count_plugged(vmem, range) != range.count)
		return VIRTIO_MEM_RESP_ERROR;
	return answer(vmem, vmem_blocks_unplug(vmem->blocks, range.first, range.count));
}

static uint64_t usable_for(const struct vmem *vmem, uint64_t requested)
{
	return min_u64(align_up(requested, USABLE_ALIGN), vmem->size);
}

/* With nothing plugged the usable region may become smaller, 5.15.6.3. */
static uint16_t unplug_all(struct vmem *vmem)
{
	uint64_t usable = usable_for(vmem, atomic_load(&vmem->requested));
	uint16_t type = answer(vmem, vmem_blocks_unplug_all(vmem->blocks));

	if (type == VIRTIO_MEM_RESP_ACK && usable != atomic_load(&vmem->usable)) {
		virtio_device_config_begin(vmem->device);
		atomic_store(&vmem->usable, usable);
		virtio_device_config_end(vmem->device);
	}
	return type;
}

static uint16_t state(const struct vmem *vmem, struct range range)
{
	uint64_t plugged = count_plugged(vmem, range);

	if (plugged == 0)
		return VIRTIO_MEM_STATE_UNPLUGGED;
	return plugged == range.count ? VIRTIO_MEM_STATE_PLUGGED : VIRTIO_MEM_STATE_MIXED;
}

static struct virtio_mem_resp serve(struct vmem *vmem, const struct virtio_mem_req *request)
{
	struct virtio_mem_resp response = { .type = VIRTIO_MEM_RESP_ERROR };
	struct range range;

	if (request->type == VIRTIO_MEM_REQ_UNPLUG_ALL) {
		response.type = unplug_all(vmem);
		return response;
	}
	if (!read_range(vmem, request, &range))
		return response;
	if (request->type == VIRTIO_MEM_REQ_PLUG) {
		response.type = plug(vmem, range);
	} else if (request->type == VIRTIO_MEM_REQ_UNPLUG) {
		response.type = unplug(vmem, range);
	} else if (request->type == VIRTIO_MEM_REQ_STATE) {
		response.type = VIRTIO_MEM_RESP_ACK;
		response.state = state(vmem, range);
	}
	return response;
}

/* A request that is cut off is one that nobody knows; an answer is cut to its room. */
static void notify(void *self, unsigned q)
{
	struct vmem *vmem = self;
	struct virtqueue *queue = virtio_device_queue(vmem->device, q);
	struct virtq_chain chain;

	while (virtq_pop(queue, vmem->iov, &chain) > 0) {
		struct virtio_mem_req request = { 0 };
		struct virtio_mem_resp response = { .type = VIRTIO_MEM_RESP_ERROR };
		uint64_t len = iov_to_buf(chain.out, chain.out_count, 0, &request, sizeof(request));

		if (len == sizeof(request) && chain.in_len >= sizeof(response))
			response = serve(vmem, &request);
		len = iov_from_buf(chain.in, chain.in_count, 0, &response, sizeof(response));
		virtq_push(queue, chain.head, (uint32_t)len);
	}
	virtq_interrupt(queue);
}

static void config_read(void *self, uint32_t offset, void *data, unsigned len)
{
	struct vmem *vmem = self;
	struct virtio_mem_config config = {
		.block_size = vmem->block,
		.addr = vmem->gpa,
		.region_size = vmem->size,
		.usable_region_size = atomic_load(&vmem->usable),
		.plugged_size = vmem_blocks_plugged(vmem->blocks),
		.requested_size = atomic_load(&vmem->requested),
	};

	memcpy(data, (uint8_t *)&config + offset, len);
}

int vmem_request(struct vmem *vmem, uint64_t bytes)
{
	if (bytes > vmem->size)
		return because(-ERANGE, "%llu MiB of memory can be plugged, not %llu",
			       (unsigned long long)(vmem->size / MIB),
			       (unsigned long long)(bytes / MIB));
	if (!is_aligned(bytes, vmem->block))
		return because(-EINVAL, "memory is plugged in blocks of %llu MiB",
			       (unsigned long long)(vmem->block / MIB));
	virtio_device_config_begin(vmem->device);
	atomic_store(&vmem->requested, bytes);
	atomic_store(&vmem->usable, max_u64(atomic_load(&vmem->usable), usable_for(vmem, bytes)));
	virtio_device_config_end(vmem->device);
	vmem_blocks_trim(vmem->blocks);
	return 0;
}

uint64_t vmem_requested(const struct vmem *vmem)
{
	return atomic_load(&vmem->requested);
}

static void get_requested(void *self, void *val)
{
	uint64_t value = vmem_requested(self);

	memcpy(val, &value, sizeof(value));
}

static void get_usable(void *self, void *val)
{
	uint64_t value = atomic_load(&((struct vmem *)self)->usable);

	memcpy(val, &value, sizeof(value));
}

static int set_size(const struct vmem *vmem, _Atomic uint64_t *size, const void *val)
{
	uint64_t value;

	memcpy(&value, val, sizeof(value));
	if (value > vmem->size || !is_aligned(value, vmem->block))
		return because(-EINVAL, "%#llx bytes of memory", (unsigned long long)value);
	atomic_store(size, value);
	return 0;
}

static int set_requested(void *self, const void *val)
{
	struct vmem *vmem = self;

	return set_size(vmem, &vmem->requested, val);
}

static int set_usable(void *self, const void *val)
{
	struct vmem *vmem = self;

	return set_size(vmem, &vmem->usable, val);
}

static const struct type_reg regs[] = {
	{ "usable_region_size", offsetof(struct virtio_mem_config, usable_region_size), 3,
	  get_usable, set_usable },
	{ "requested_size", offsetof(struct virtio_mem_config, requested_size), 3, get_requested,
	  set_requested },
};

int vmem_create(struct vm *vm, struct pci_host *host, struct vmem_blocks *blocks,
		struct vmem **ret_vmem)
{
	static const struct virtio_ops ops = {
		.name = "virtio-mem",
		.type = VIRTIO_ID_MEM,
		.pci_class = 0xff0000,
		.notify = notify,
		.config_read = config_read,
	};
	struct vmem *vmem = calloc(1, sizeof(*vmem));
	struct virtio_options options = {
		.ops = &ops,
		.self = vmem,
		.id = "memory",
		.features = 1 << VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE,
		.queues = 1,
		.queue_size = QUEUE_SIZE,
		.config_size = sizeof(struct virtio_mem_config),
	};
	int r;

	if (!vmem)
		return -ENOMEM;
	vmem->blocks = blocks;
	vmem->log = vm_log(vm);
	vmem->gpa = vmem_blocks_gpa(blocks);
	vmem->size = vmem_blocks_size(blocks);
	vmem->block = vmem_block_size(vmem_blocks_mem(blocks));
	r = virtio_device_create(vm, host, &options, &vmem->device);
	if (r == 0)
		r = type_bank_add(&vmem->bank, vmem->device, regs, ARRAY_SIZE(regs), vmem);
	if (r < 0) {
		vmem_destroy(vmem);
		return r;
	}
	*ret_vmem = vmem;
	return 0;
}

void vmem_destroy(struct vmem *vmem)
{
	if (!vmem)
		return;
	virtio_device_destroy(vmem->device);
	free(vmem);
}
