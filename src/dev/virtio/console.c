/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-console: the device and its two queues. */
#include "dev/virtio/console.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>
#include <ferry/vm.h>

#include <abi/virtio.h>
#include <abi/virtio_console.h>

#include "base/util.h"
#include "dev/virtio/type_bank.h"
#include "dev/virtio/virtio.h"
#include "io/kick.h"
#include "io/loop.h"

#define FEATURE(name) (1ULL << (name))

/* PCI class codes: simple communication controller, other */
#define CLASS_COMMUNICATION_OTHER 0x078000

#define CONSOLE_QUEUE_SIZE 128

/* Emergency output that the loop has not seen yet. */
#define EMERGENCY_MAX 256

enum {
	CONSOLE_RX,
	CONSOLE_TX,
	CONSOLE_QUEUES,
};

struct console {
	struct loop *loop;
	struct virtio_device *device;
	struct virtqueue *rx, *tx;
	struct console_options options;
	struct type_bank bank;
	struct kick kick; /* a vCPU: emergency output */

	/* lock: what vCPUs touch besides the loop; nothing is taken under it. */
	pthread_mutex_t lock;
	uint16_t columns, rows;
	uint8_t emergency[EMERGENCY_MAX];
	unsigned emergency_count;

	/* The loop's, from here on; sent also belongs to registers, while the device is held. */
	uint32_t sent;	 /* bytes of the first chain in the transmit queue that were taken */
	bool refused;	 /* output() took less than all */
	bool wants_room; /* console_input() took less than all */
	bool held;	 /* between console_hold() and console_go_on() */
	struct loop_deferred rx_interrupt, tx_interrupt;
	struct iovec iov[VIRTQ_IOV_MAX];
};

static size_t give(struct console *console, const void *buf, size_t len)
{
	const struct console_options *options = &console->options;
	size_t taken = options->output ? options->output(options->self, buf, len) : len;

	if (taken >= len)
		return len;
	console->refused = true;
	return taken;
}

/* Output of one chain, from where the last attempt ended. True: all of it was taken. */
static bool send_chain(struct console *console, const struct virtq_chain *chain)
{
	uint64_t skip = console->sent;

	for (unsigned i = 0; i < chain->out_count && !console->refused; i++) {
		const struct iovec *iov = &chain->out[i];
		uint64_t part = min_u64(skip, iov->iov_len);

		skip -= part;
		if (part < iov->iov_len)
			console->sent +=
				(uint32_t)give(console, (const uint8_t *)iov->iov_base + part,
					       iov->iov_len - part);
	}
	return !console->refused;
}

static void serve_tx(struct console *console)
{
	struct virtq_chain chain;

	while (!console->refused && virtq_pop(console->tx, console->iov, &chain) == 1) {
		if (!send_chain(console, &chain)) {
			virtq_unpop(console->tx);
			return;
		}
		console->sent = 0;
		virtq_push(console->tx, chain.head, 0);
		loop_defer(console->loop, &console->tx_interrupt);
	}
}

/* What a guest writes before it has a driver, or when it panics. */
static void send_emergency(struct kick *kick)
{
	struct console *console = container_of(kick, struct console, kick);
	uint8_t bytes[EMERGENCY_MAX];
	size_t count, taken;

	if (console->held)
		return;
	pthread_mutex_lock(&console->lock);
	count = console->emergency_count;
	memcpy(bytes, console->emergency, count);
	pthread_mutex_unlock(&console->lock);
	if (!count || console->refused)
		return;
	taken = give(console, bytes, count);
	pthread_mutex_lock(&console->lock);
	/* vCPUs added behind it; a restored register may have replaced it. */
	taken = min_u64(taken, console->emergency_count);
	console->emergency_count -= (unsigned)taken;
	memmove(console->emergency, console->emergency + taken, console->emergency_count);
	pthread_mutex_unlock(&console->lock);
}

void console_output_ready(struct console *console)
{
	console->refused = false;
	send_emergency(&console->kick);
	serve_tx(console);
}

size_t console_input(struct console *console, const void *buf, size_t len)
{
	struct virtq_chain chain;
	size_t taken = 0;

	while (taken < len && virtq_pop(console->rx, console->iov, &chain) == 1) {
		uint64_t n = iov_from_buf(chain.in, chain.in_count, 0, (const uint8_t *)buf + taken,
					  len - taken);

		taken += n;
		virtq_push(console->rx, chain.head, (uint32_t)n);
		loop_defer(console->loop, &console->rx_interrupt);
	}
	console->wants_room = taken < len;
	return taken;
}

static void serve_rx(struct console *console)
{
	if (!console->wants_room || !console->options.input_room)
		return;
	console->wants_room = false;
	console->options.input_room(console->options.self);
}

void console_hold(struct console *console)
{
	console->held = true;
}

void console_go_on(struct console *console)
{
	console->held = false;
	send_emergency(&console->kick);
	serve_rx(console);
}

static void notify(void *self, unsigned q)
{
	struct console *console = self;

	if (q == CONSOLE_RX)
		serve_rx(console);
	else
		serve_tx(console);
}

static void reset(void *self)
{
	struct console *console = self;

	console->sent = 0;
	virtio_device_reset_done(console->device);
}

static void config_read(void *self, uint32_t offset, void *data, unsigned len)
{
	struct console *console = self;
	struct virtio_console_config config = { .max_nr_ports = 1 };

	pthread_mutex_lock(&console->lock);
	config.cols = console->columns;
	config.rows = console->rows;
	pthread_mutex_unlock(&console->lock);
	memcpy(data, (uint8_t *)&config + offset, len);
}

/* 5.3.4: a byte in the low bits, whatever was negotiated; the driver may use any width. */
static void config_write(void *self, uint32_t offset, const void *data, unsigned len)
{
	struct console *console = self;

	(void)len;
	if (offset != offsetof(struct virtio_console_config, emerg_wr))
		return;
	pthread_mutex_lock(&console->lock);
	if (console->emergency_count < EMERGENCY_MAX)
		console->emergency[console->emergency_count++] = *(const uint8_t *)data;
	pthread_mutex_unlock(&console->lock);
	kick_give(&console->kick);
}

static const struct virtio_ops console_ops = {
	.name = "virtio-console",
	.type = VIRTIO_ID_CONSOLE,
	.pci_class = CLASS_COMMUNICATION_OTHER,
	.notify = notify,
	.reset = reset,
	.config_read = config_read,
	.config_write = config_write,
};

/* The device's lock makes the two words change as one for the driver; ours, for registers. */
void console_resize(struct console *console, uint16_t columns, uint16_t rows)
{
	virtio_device_config_begin(console->device);
	pthread_mutex_lock(&console->lock);
	console->columns = columns;
	console->rows = rows;
	pthread_mutex_unlock(&console->lock);
	virtio_device_config_end(console->device);
}

static void rx_burst_ended(struct loop_deferred *deferred)
{
	virtq_interrupt(container_of(deferred, struct console, rx_interrupt)->rx);
}

static void tx_burst_ended(struct loop_deferred *deferred)
{
	virtq_interrupt(container_of(deferred, struct console, tx_interrupt)->tx);
}

static void get_sent(void *self, void *val)
{
	memcpy(val, &((struct console *)self)->sent, sizeof(uint32_t));
}

static int set_sent(void *self, const void *val)
{
	memcpy(&((struct console *)self)->sent, val, sizeof(uint32_t));
	return 0;
}

static void get_emergency(void *self, void *val)
{
	struct console *console = self;
	uint8_t image[512] = { 0 };

	pthread_mutex_lock(&console->lock);
	memcpy(image, &console->emergency_count, sizeof(uint32_t));
	memcpy(image + sizeof(uint32_t), console->emergency, console->emergency_count);
	pthread_mutex_unlock(&console->lock);
	memcpy(val, image, sizeof(image));
}

static int set_emergency(void *self, const void *val)
{
	struct console *console = self;
	uint32_t count;

	memcpy(&count, val, sizeof(count));
	if (count > EMERGENCY_MAX)
		return because(-EINVAL, "%u bytes of emergency output", count);
	pthread_mutex_lock(&console->lock);
	console->emergency_count = count;
	memcpy(console->emergency, (const uint8_t *)val + sizeof(count), count);
	pthread_mutex_unlock(&console->lock);
	return count ? kick_give(&console->kick) : 0;
}

/* The size is the terminal's, here as there: it is told anew, not restored. */
static const struct type_reg console_regs[] = {
	{ "emerg_wr", offsetof(struct virtio_console_config, emerg_wr), 9, get_emergency,
	  set_emergency },
	{ "sent", TYPE_REG_KEPT, 2, get_sent, set_sent },
};

static int make_device(struct console *console, struct vm *vm, struct pci_host *host)
{
	const struct virtio_options device_options = {
		.ops = &console_ops,
		.self = console,
		.id = console->options.id,
		.features = FEATURE(VIRTIO_CONSOLE_F_SIZE) | FEATURE(VIRTIO_CONSOLE_F_EMERG_WRITE),
		.queues = CONSOLE_QUEUES,
		.queue_size = CONSOLE_QUEUE_SIZE,
		.config_size = sizeof(struct virtio_console_config),
	};
	int r = virtio_device_create(vm, host, &device_options, &console->device);

	if (r < 0)
		return r;
	console->rx = virtio_device_queue(console->device, CONSOLE_RX);
	console->tx = virtio_device_queue(console->device, CONSOLE_TX);
	return type_bank_add(&console->bank, console->device, console_regs,
			     ARRAY_SIZE(console_regs), console);
}

int console_create(struct vm *vm, struct pci_host *host, const struct console_options *options,
		   struct console **ret_console)
{
	struct console *console = calloc(1, sizeof(*console));
	int r;

	if (!console)
		return -ENOMEM;
	console->loop = vm_loop(vm);
	console->options = *options;
	console->columns = options->columns;
	console->rows = options->rows;
	console->rx_interrupt.fn = rx_burst_ended;
	console->tx_interrupt.fn = tx_burst_ended;
	pthread_mutex_init(&console->lock, NULL);
	kick_init(&console->kick, console->loop, send_emergency);
	r = make_device(console, vm, host);
	if (r < 0)
		goto fail;
	*ret_console = console;
	return 0;
fail:
	console_destroy(console);
	return r;
}

void console_destroy(struct console *console)
{
	if (!console)
		return;
	kick_finish(&console->kick);
	virtio_device_destroy(console->device);
	loop_defer_cancel(console->loop, &console->rx_interrupt);
	loop_defer_cancel(console->loop, &console->tx_interrupt);
	pthread_mutex_destroy(&console->lock);
	free(console);
}

struct virtio_device *console_device(struct console *console)
{
	return console->device;
}
