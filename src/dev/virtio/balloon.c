/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-balloon: gives the host what the guest does not need, and asks it to need less. */
#include "dev/virtio/balloon.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <abi/virtio.h>
#include <abi/virtio_balloon.h>
#include <ferry/error.h>
#include <ferry/vm.h>

#include "base/util.h"
#include "dev/virtio/virtio.h"
#include "mem/mem.h"

#define QUEUE_SIZE 128

/*
 * 5.5.2. Without free page hints Linux numbers the reporting queue 3 and the specification 4: both
 * are served alike.
 */
enum {
	INFLATE,
	DEFLATE,
	STATS,
	REPORTING_LINUX,
	REPORTING,
	QUEUES
};

#define BALLOON_PAGE (1ULL << VIRTIO_BALLOON_PFN_SHIFT)

/* The most of one chain that is looked at: Linux sends 256 page numbers, and at most 10 statistics.
 */
#define PFNS_MAX  16384
#define PFNS_STEP 256
#define STATS_MAX 64

/* Configuration space without the fields of features that are not offered. */
#define CONFIG_SIZE offsetof(struct virtio_balloon_config, free_page_hint_cmd_id)

#define ID(balloon, member)                                                               \
	REG_ID(REG_BANK_VIRTIO, 0, 2,                                                     \
	       (uint32_t)virtio_device_bdf((balloon)->device) << 16 | VIRTIO_REG_CONFIG | \
		       offsetof(struct virtio_balloon_config, member))

/* num_pages and actual are what the driver reads and writes on vCPU threads; the rest is the
 * loop's. */
struct balloon {
	struct mem *mem;
	struct virtio_device *device;
	_Atomic uint32_t num_pages;
	_Atomic uint32_t actual;
	bool has_stats_chain; /* the driver's buffer waits here until new statistics are wanted */
	uint16_t stats_head;
	uint32_t known;
	uint64_t stats[BALLOON_STATS];
	struct iovec iov[VIRTQ_IOV_MAX];
};

/* Neighbours are given back with one call. Page numbers that are no memory cost nobody anything. */
static void discard_pfns(struct balloon *balloon, const uint32_t *pfns, unsigned count)
{
	unsigned run;

	for (unsigned i = 0; i < count; i += run) {
		for (run = 1; i + run < count && pfns[i + run] == pfns[i] + run;)
			run++;
		mem_discard(balloon->mem, (gpa_t)pfns[i] << VIRTIO_BALLOON_PFN_SHIFT,
			    run * BALLOON_PAGE);
	}
}

static void inflate(struct balloon *balloon, const struct virtq_chain *chain)
{
	uint32_t pfns[PFNS_STEP];
	uint64_t end = min_u64(chain->out_len, PFNS_MAX * sizeof(pfns[0]));
	uint64_t got;

	for (uint64_t at = 0; at < end; at += sizeof(pfns)) {
		got = iov_to_buf(chain->out, chain->out_count, at, pfns, sizeof(pfns));
		discard_pfns(balloon, pfns, (unsigned)(got / sizeof(pfns[0])));
	}
}

static void discard_hva(struct balloon *balloon, const struct iovec *iov)
{
	unsigned look = mem_look_begin(balloon->mem);
	const struct mem_region *region = mem_map_find_hva(mem_map(balloon->mem), iov->iov_base);
	gpa_t gpa = 0;

	if (region)
		gpa = region->gpa + (gpa_t)((const uint8_t *)iov->iov_base - region->hva);
	mem_look_end(balloon->mem, look);
	if (region)
		mem_discard(balloon->mem, gpa, iov->iov_len);
}

/* The buffers themselves are the free pages, 5.5.6.7. */
static void report(struct balloon *balloon, const struct virtq_chain *chain)
{
	for (unsigned i = 0; i < chain->in_count; i++)
		discard_hva(balloon, &chain->in[i]);
}

static void take_stats(struct balloon *balloon, const struct virtq_chain *chain)
{
	struct virtio_balloon_stat stats[STATS_MAX];
	uint64_t len = iov_to_buf(chain->out, chain->out_count, 0, stats, sizeof(stats));

	for (unsigned i = 0; i < len / sizeof(stats[0]); i++) {
		if (stats[i].tag >= BALLOON_STATS)
			continue;
		balloon->stats[stats[i].tag] = stats[i].val;
		balloon->known |= 1U << stats[i].tag;
	}
}

void balloon_refresh(struct balloon *balloon)
{
	struct virtqueue *queue = virtio_device_queue(balloon->device, STATS);

	if (!balloon->has_stats_chain)
		return;
	balloon->has_stats_chain = false;
	virtq_push(queue, balloon->stats_head, 0);
	virtq_interrupt(queue);
}

/* Returned when new statistics are wanted; a second one replaces the first. */
static void keep_stats_chain(struct balloon *balloon, const struct virtq_chain *chain)
{
	balloon_refresh(balloon);
	take_stats(balloon, chain);
	balloon->stats_head = chain->head;
	balloon->has_stats_chain = true;
}

static void notify(void *self, unsigned q)
{
	struct balloon *balloon = self;
	struct virtqueue *queue = virtio_device_queue(balloon->device, q);
	struct virtq_chain chain;

	while (virtq_pop(queue, balloon->iov, &chain) > 0) {
		if (q == STATS) {
			keep_stats_chain(balloon, &chain);
			continue;
		}
		if (q == INFLATE)
			inflate(balloon, &chain);
		else if (q != DEFLATE)
			report(balloon, &chain);
		virtq_push(queue, chain.head, 0);
	}
	virtq_interrupt(queue);
}

static void reset(void *self)
{
	struct balloon *balloon = self;

	balloon->has_stats_chain = false;
	balloon->known = 0;
	atomic_store(&balloon->actual, 0);
	virtio_device_reset_done(balloon->device);
}

/* The waiting buffer is the last that was taken from its queue: whoever goes on takes it again. */
static void quiesce(void *self)
{
	struct balloon *balloon = self;

	if (balloon->has_stats_chain)
		virtq_unpop(virtio_device_queue(balloon->device, STATS));
	balloon->has_stats_chain = false;
	virtio_device_quiesced(balloon->device);
}

static void config_read(void *self, uint32_t offset, void *data, unsigned len)
{
	struct balloon *balloon = self;
	struct virtio_balloon_config config = {
		.num_pages = atomic_load(&balloon->num_pages),
		.actual = atomic_load(&balloon->actual),
	};

	memcpy(data, (uint8_t *)&config + offset, len);
}

static void config_write(void *self, uint32_t offset, const void *data, unsigned len)
{
	struct balloon *balloon = self;
	uint32_t actual;

	if (offset != offsetof(struct virtio_balloon_config, actual) || len != sizeof(actual))
		return;
	memcpy(&actual, data, sizeof(actual));
	atomic_store(&balloon->actual, actual);
}

int balloon_set_target(struct balloon *balloon, uint64_t bytes)
{
	uint64_t total = mem_total(balloon->mem);
	uint64_t pages;

	if (bytes > total)
		return because(-ERANGE, "balloon: the guest has only %llu bytes of memory",
			       (unsigned long long)total);
	pages = (total - bytes) / BALLOON_PAGE;
	atomic_store(&balloon->num_pages, (uint32_t)min_u64(pages, UINT32_MAX));
	virtio_device_config_changed(balloon->device);
	return 0;
}

/* The driver says how much the balloon has: it may say anything. */
static uint64_t kept(const struct balloon *balloon, uint32_t pages)
{
	uint64_t total = mem_total(balloon->mem);

	return total - min_u64(total, pages * BALLOON_PAGE);
}

void balloon_get(const struct balloon *balloon, struct balloon_state *ret_state)
{
	*ret_state = (struct balloon_state){
		.target = kept(balloon, atomic_load(&balloon->num_pages)),
		.actual = kept(balloon, atomic_load(&balloon->actual)),
		.known = balloon->known,
	};
	memcpy(ret_state->stats, balloon->stats, sizeof(balloon->stats));
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	struct balloon *balloon = self;
	int r = reg_list_add(out, vcpu, ID(balloon, num_pages), 0);

	return r < 0 ? r : reg_list_add(out, vcpu, ID(balloon, actual), 0);
}

static _Atomic uint32_t *find(struct balloon *balloon, struct reg_key key)
{
	if (key.id == ID(balloon, num_pages))
		return &balloon->num_pages;
	if (key.id == ID(balloon, actual))
		return &balloon->actual;
	because(-ENOENT, "balloon: no register %#llx", (unsigned long long)key.id);
	return NULL;
}

static int get(void *self, struct reg_key key, void *val)
{
	_Atomic uint32_t *reg = find(self, key);
	uint32_t value;

	if (!reg)
		return -ENOENT;
	value = atomic_load(reg);
	memcpy(val, &value, sizeof(value));
	return 0;
}

/* The driver is not told: it knows, from where the value comes. */
static int set(void *self, struct reg_key key, const void *val)
{
	_Atomic uint32_t *reg = find(self, key);
	uint32_t value;

	if (!reg)
		return -ENOENT;
	memcpy(&value, val, sizeof(value));
	atomic_store(reg, value);
	return 0;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	struct balloon *balloon = self;

	if (!find(balloon, key))
		return -ENOENT;
	snprintf(name, size, "00:%02x.0.%s", virtio_device_bdf(balloon->device) >> 3,
		 key.id == ID(balloon, actual) ? "actual" : "num_pages");
	return 0;
}

static int add_bank(struct balloon *balloon)
{
	static const struct reg_bank bank = {
		.name = "balloon",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_VIRTIO),
		.list = list,
		.get = get,
		.set = set,
		.name_of = name_of,
	};

	return virtio_device_add_bank(balloon->device, &bank, balloon);
}

int balloon_create(struct vm *vm, struct pci_host *host, struct balloon **ret_balloon)
{
	static const struct virtio_ops ops = {
		.name = "virtio-balloon",
		.type = VIRTIO_ID_BALLOON,
		.pci_class = 0xff0000,
		.notify = notify,
		.reset = reset,
		.quiesce = quiesce,
		.config_read = config_read,
		.config_write = config_write,
	};
	struct balloon *balloon = calloc(1, sizeof(*balloon));
	struct virtio_options options = {
		.ops = &ops,
		.self = balloon,
		.id = "balloon",
		.features = 1 << VIRTIO_BALLOON_F_STATS_VQ | 1 << VIRTIO_BALLOON_F_DEFLATE_ON_OOM |
			    1 << VIRTIO_BALLOON_F_PAGE_REPORTING,
		.queues = QUEUES,
		.queue_size = QUEUE_SIZE,
		.config_size = CONFIG_SIZE,
	};
	int r;

	if (!balloon)
		return -ENOMEM;
	balloon->mem = vm_mem(vm);
	r = virtio_device_create(vm, host, &options, &balloon->device);
	if (r == 0)
		r = add_bank(balloon);
	if (r < 0)
		goto fail;
	*ret_balloon = balloon;
	return 0;
fail:
	balloon_destroy(balloon);
	return r;
}

void balloon_destroy(struct balloon *balloon)
{
	if (!balloon)
		return;
	virtio_device_destroy(balloon->device);
	free(balloon);
}
