/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-rng: fills what the driver offers, from getrandom(2) or from a file. */
#include "dev/virtio/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <abi/virtio.h>
#include <ferry/error.h>

#include "base/util.h"
#include "dev/virtio/virtio.h"
#include "io/loop.h"
#include "vm/vm.h"

#define QUEUE_SIZE 64

/* All of it is the loop's. */
struct rng {
	struct vm *vm;
	struct virtio_device *device;
	struct virtqueue *queue;
	int fd; /* -1: getrandom(2) */
	struct loop_op read;
	unsigned reading; /* 1: read is under way */
	bool waiting;	  /* chain waits for it */
	bool ending;
	struct virtq_chain chain;
	struct iovec iov[VIRTQ_IOV_MAX];
	uint8_t bytes[4096]; /* the most that a chain gets at once */
};

static void answer(struct rng *rng, uint64_t len)
{
	uint64_t written;

	written = iov_from_buf(rng->chain.in, rng->chain.in_count, 0, rng->bytes, len);
	virtq_push(rng->queue, rng->chain.head, (uint32_t)written);
	rng->waiting = false;
}

static uint64_t wanted(const struct rng *rng)
{
	return min_u64(rng->chain.in_len, sizeof(rng->bytes));
}

static void answer_from_kernel(struct rng *rng)
{
	ssize_t got = getrandom(rng->bytes, wanted(rng), GRND_NONBLOCK);

	answer(rng, got > 0 ? (uint64_t)got : 0);
}

/* The source's answer is awaited before the next chain is looked at. */
static void serve(struct rng *rng)
{
	while (!rng->reading && virtq_pop(rng->queue, rng->iov, &rng->chain) > 0) {
		rng->waiting = true;
		if (rng->fd < 0 || !wanted(rng)) {
			answer_from_kernel(rng);
			continue;
		}
		rng->reading = 1;
		loop_read(vm_loop(rng->vm), &rng->read, rng->fd, rng->bytes, (unsigned)wanted(rng),
			  -1ULL);
	}
	virtq_interrupt(rng->queue);
}

static void source_ended(struct rng *rng, int res)
{
	log_write(&rng->vm->log, LOG_LEVEL_WARN, "rng: the source %s; getrandom(2) goes on",
		  res ? strerror(-res) : "has ended");
	close(rng->fd);
	rng->fd = -1;
}

static void read_done(struct loop_op *op, int res)
{
	struct rng *rng = container_of(op, struct rng, read);

	rng->reading = 0;
	if (rng->ending)
		return;
	if (res <= 0)
		source_ended(rng, res);
	if (rng->waiting && res > 0)
		answer(rng, min_u64((uint64_t)res, wanted(rng)));
	else if (rng->waiting)
		answer_from_kernel(rng);
	serve(rng);
}

static void notify(void *self, unsigned q)
{
	(void)q;
	serve(self);
}

/* The read goes on into our own buffer and finds nobody. */
static void reset(void *self)
{
	struct rng *rng = self;

	rng->waiting = false;
	virtio_device_reset_done(rng->device);
}

static void quiesce(void *self)
{
	struct rng *rng = self;

	if (rng->waiting)
		virtq_unpop(rng->queue);
	rng->waiting = false;
	virtio_device_quiesced(rng->device);
}

static int open_source(const char *path)
{
	struct stat st;
	/* A pipe without a writer must not stop us here; later reads may wait. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return because(-errno, "rng: cannot open %s: %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		close(fd);
		return because(-EISDIR, "rng: %s is a directory", path);
	}
	fcntl(fd, F_SETFL, 0);
	return fd;
}

int rng_create(struct vm *vm, struct pci_host *host, const char *source_path, struct rng **ret_rng)
{
	static const struct virtio_ops ops = {
		.name = "virtio-rng",
		.type = VIRTIO_ID_ENTROPY,
		.pci_class = 0xff0000,
		.notify = notify,
		.reset = reset,
		.quiesce = quiesce,
	};
	struct rng *rng = calloc(1, sizeof(*rng));
	struct virtio_options options = {
		.ops = &ops,
		.self = rng,
		.id = "rng",
		.queues = 1,
		.queue_size = QUEUE_SIZE,
	};
	int r = 0;

	if (!rng)
		return -ENOMEM;
	rng->vm = vm;
	rng->fd = -1;
	rng->read.done = read_done;
	if (source_path)
		r = rng->fd = open_source(source_path);
	if (r >= 0)
		r = virtio_device_create(vm, host, &options, &rng->device);
	if (r < 0)
		goto fail;
	rng->queue = virtio_device_queue(rng->device, 0);
	*ret_rng = rng;
	return 0;
fail:
	rng_destroy(rng);
	return r;
}

void rng_destroy(struct rng *rng)
{
	if (!rng)
		return;
	if (rng->reading) {
		rng->ending = true;
		loop_cancel(vm_loop(rng->vm), &rng->read);
		loop_drain(vm_loop(rng->vm), &rng->reading);
	}
	virtio_device_destroy(rng->device);
	if (rng->fd >= 0)
		close(rng->fd);
	free(rng);
}
