/* SPDX-License-Identifier: Apache-2.0 */
/* Loads a block device from inside a guest and prints what it carries: tools/bench's blk. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DEPTH_MAX 16
#define BUFFER_SIZE (1UL << 20)

struct load {
	const char *name;
	int opcode;
	size_t size;
	unsigned depth;
	int is_random;
};

static const struct load loads[] = {
	{ "read-4k-qd1", IOCB_CMD_PREAD, 4096, 1, 1 },
	{ "write-4k-qd1", IOCB_CMD_PWRITE, 4096, 1, 1 },
	{ "read-4k-qd16", IOCB_CMD_PREAD, 4096, 16, 1 },
	{ "write-4k-qd16", IOCB_CMD_PWRITE, 4096, 16, 1 },
	{ "read-1m", IOCB_CMD_PREAD, BUFFER_SIZE, 4, 0 },
	{ "write-1m", IOCB_CMD_PWRITE, BUFFER_SIZE, 4, 0 },
};

struct device {
	int fd;
	uint64_t size;
	aio_context_t aio;
	uint64_t next;
	uint64_t random;
	struct iocb requests[DEPTH_MAX];
	void *buffers[DEPTH_MAX];
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t next_offset(struct device *device, const struct load *load)
{
	uint64_t blocks = device->size / load->size;

	if (!load->is_random)
		return device->next++ % blocks * load->size;
	/* A linear congruential generator; its high bits are the good ones. */
	device->random = device->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (device->random >> 33) % blocks * load->size;
}

static void submit(struct device *device, const struct load *load, unsigned slot)
{
	struct iocb *request = &device->requests[slot];

	*request = (struct iocb){
		.aio_lio_opcode = (uint16_t)load->opcode,
		.aio_fildes = (uint32_t)device->fd,
		.aio_buf = (uintptr_t)device->buffers[slot],
		.aio_nbytes = load->size,
		.aio_offset = (int64_t)next_offset(device, load),
		.aio_data = slot,
	};
	if (syscall(SYS_io_submit, device->aio, 1L, &request) != 1)
		err(1, "%s: io_submit", load->name);
}

/* Requests a second, over that many seconds. */
static double run(struct device *device, const struct load *load, double seconds)
{
	struct io_event events[DEPTH_MAX];
	double begin = now(), end = begin;
	unsigned in_flight = load->depth;
	uint64_t done = 0;

	for (unsigned slot = 0; slot < load->depth; slot++)
		submit(device, load, slot);
	while (in_flight) {
		long n = syscall(SYS_io_getevents, device->aio, 1L, (long)DEPTH_MAX, events, NULL);

		if (n < 1)
			err(1, "%s: io_getevents", load->name);
		end = now();
		for (long i = 0; i < n; i++) {
			if (events[i].res != (int64_t)load->size)
				errx(1, "%s: %s", load->name, strerror((int)-events[i].res));
			done++;
			if (end - begin < seconds)
				submit(device, load, (unsigned)events[i].data);
			else
				in_flight--;
		}
	}
	return (double)done / (end - begin);
}

int main(int argc, char **argv)
{
	struct device device = { .random = 1 };

	if (argc != 3)
		errx(1, "usage: blkload DEVICE SECONDS");
	device.fd = open(argv[1], O_RDWR | O_DIRECT);
	if (device.fd < 0 || ioctl(device.fd, BLKGETSIZE64, &device.size))
		err(1, "%s", argv[1]);
	for (int i = 0; i < DEPTH_MAX; i++) {
		device.buffers[i] = aligned_alloc(4096, BUFFER_SIZE);
		memset(device.buffers[i], 'x', BUFFER_SIZE);
	}
	if (syscall(SYS_io_setup, (long)DEPTH_MAX, &device.aio))
		err(1, "io_setup");
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		/* Once in vain, for everything that only the first time takes. */
		run(&device, &loads[i], 0.1);
		printf("ferry-bench: %s %.3f\n", loads[i].name,
		       run(&device, &loads[i], atof(argv[2])));
	}
	puts("ferry-bench: done");
}
