/* SPDX-License-Identifier: Apache-2.0 */
/* A device type for the tests: takes chains from queue 0, copies readable to writable, returns. */
#ifndef TESTS_DEV_VIRTIO_ECHO_H
#define TESTS_DEV_VIRTIO_ECHO_H

#include "dev/virtio/fake_driver.h"

#define ECHO_FEATURE 3
#define V1           (1ULL << VIRTIO_F_VERSION_1)
#define EVENT_IDX    (1ULL << VIRTIO_F_EVENT_IDX)
#define INDIRECT     (1ULL << VIRTIO_F_INDIRECT_DESC)

struct echo {
	struct pci_fixture pci;
	struct virtio_device *device;
	struct fake_driver driver;
	struct virtqueue *queue;
	bool lazy;	 /* takes nothing by itself */
	bool slow_reset; /* says that the reset is done when the test does */
	bool endless;	 /* gives itself more work for each chain taken, as a hostile guest can */
	unsigned starts, notifies, resets, quiesces, taken;
	uint64_t config;
	char log[512];
	unsigned logged;
};

static inline void echo_start(void *self)
{
	struct echo *e = self;

	e->starts++;
}

static inline void echo_notify(void *self, unsigned q)
{
	static struct iovec iov[VIRTQ_IOV_MAX];
	struct echo *e = self;
	struct virtq_chain chain;
	uint8_t data[256];
	uint64_t len;

	e->notifies++;
	if (e->lazy || q != 0)
		return;
	while (virtq_pop(e->queue, iov, &chain) > 0) {
		e->taken++;
		len = iov_to_buf(chain.out, chain.out_count, 0, data, sizeof(data));
		len = iov_from_buf(chain.in, chain.in_count, 0, data, len);
		virtq_push(e->queue, chain.head, (uint32_t)len);
		if (e->endless)
			offer(&e->driver, 0, chain.head);
	}
	virtq_interrupt(e->queue);
}

static inline void echo_reset(void *self)
{
	struct echo *e = self;

	e->resets++;
	if (!e->slow_reset)
		virtio_device_reset_done(e->device);
}

static inline void echo_quiesce(void *self)
{
	struct echo *e = self;

	e->quiesces++;
	virtio_device_quiesced(e->device);
}

static inline void echo_config_read(void *self, uint32_t offset, void *data, unsigned len)
{
	struct echo *e = self;

	memcpy(data, (uint8_t *)&e->config + offset, len);
}

static inline void echo_config_write(void *self, uint32_t offset, const void *data, unsigned len)
{
	struct echo *e = self;

	memcpy((uint8_t *)&e->config + offset, data, len);
}

static inline void echo_log(void *self, enum log_level level, const char *line)
{
	struct echo *e = self;

	(void)level;
	e->logged++;
	snprintf(e->log, sizeof(e->log), "%s", line);
}

static inline void echo_init(struct echo *e)
{
	static const struct virtio_ops ops = {
		.name = "echo",
		.type = 42,
		.pci_class = 0xff0000,
		.start = echo_start,
		.notify = echo_notify,
		.reset = echo_reset,
		.quiesce = echo_quiesce,
		.config_read = echo_config_read,
		.config_write = echo_config_write,
	};
	const struct virtio_options options = {
		.ops = &ops,
		.self = e,
		.id = "echo0",
		.features = 1ULL << ECHO_FEATURE,
		.queues = 2,
		.queue_size = 2 * RING_SIZE,
		.config_size = sizeof(e->config),
	};

	*e = (struct echo){ .config = 0x1122334455667788 };
	pci_fixture_init(&e->pci);
	e->pci.vm->log = (struct log){ .emit = echo_log, .self = e };
	ck_assert_int_eq(virtio_device_create(e->pci.vm, e->pci.host, &options, &e->device), 0);
	e->queue = virtio_device_queue(e->device, 0);
	driver_init(&e->driver, e->pci.vm, 1);
}

static inline void echo_finish(struct echo *e)
{
	virtio_device_destroy(e->device);
	pci_fixture_finish(&e->pci);
}

/* As far as DRIVER_OK, with queue 0. */
static inline void echo_run(struct echo *e, uint64_t features)
{
	unsigned starts = e->starts;

	accept_features(&e->driver, features);
	setup_queue(&e->driver, 0, RING_SIZE);
	set_status(&e->driver, ALL_OK);
	TURN_UNTIL(e->pci.vm, e->starts > starts);
}

#endif
