/* SPDX-License-Identifier: Apache-2.0 */
/* A driver for the tests: it finds the device's structures and drives its queues in guest memory.
 */
#ifndef TESTS_DEV_VIRTIO_FAKE_DRIVER_H
#define TESTS_DEV_VIRTIO_FAKE_DRIVER_H

#include <stddef.h>
#include <time.h>

#include <abi/virtio.h>

#include "dev/pci/pci_fixture.h"
#include "dev/virtio/core.h"

#define RING_SIZE 16

/* Where the driver keeps its things: a ring's parts, an indirect table, buffers. */
#define QUEUE_AT(q) (0x10000ULL + 0x10000ULL * (q))
#define DESC_AT(q)  QUEUE_AT(q)
#define AVAIL_AT(q) (QUEUE_AT(q) + 0x4000)
#define USED_AT(q)  (QUEUE_AT(q) + 0x8000)
#define INDIRECT_AT 0x100000ULL
#define BUFFER_AT   0x200000ULL

#define COMMON(member) offsetof(struct virtio_pci_common_cfg, member)

#define ALL_OK                                                                          \
	(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK | \
	 VIRTIO_STATUS_DRIVER_OK)

struct fake_driver {
	struct vm *vm;
	unsigned slot;
	uint64_t common, notify, isr, device;
	uint32_t multiplier;
	uint16_t avail[8]; /* the driver's own indices */
};

static inline uint64_t structure(struct fake_driver *d, uint8_t type, unsigned *ret_cap)
{
	unsigned cap = 0;

	while ((cap = find_capability(d->vm, d->slot, PCI_CAP_ID_VENDOR, cap)))
		if (config_read(d->vm, d->slot, cap + 3, 1) == type)
			break;
	if (ret_cap)
		*ret_cap = cap;
	if (!cap)
		return 0;
	return (config_read(d->vm, d->slot, PCI_BAR0, 4) & ~0xfU) +
	       config_read(d->vm, d->slot, cap + 8, 4);
}

static inline void driver_init(struct fake_driver *d, struct vm *vm, unsigned slot)
{
	unsigned cap;

	*d = (struct fake_driver){ .vm = vm, .slot = slot };
	d->common = structure(d, VIRTIO_PCI_CAP_COMMON_CFG, NULL);
	d->isr = structure(d, VIRTIO_PCI_CAP_ISR_CFG, NULL);
	d->device = structure(d, VIRTIO_PCI_CAP_DEVICE_CFG, NULL);
	d->notify = structure(d, VIRTIO_PCI_CAP_NOTIFY_CFG, &cap);
	d->multiplier = config_read(vm, slot, cap + 16, 4);
}

static inline uint64_t common_read(struct fake_driver *d, unsigned offset, unsigned len)
{
	return mmio_read(d->vm, d->common + offset, len);
}

static inline void common_write(struct fake_driver *d, unsigned offset, uint64_t value,
				unsigned len)
{
	mmio_write(d->vm, d->common + offset, value, len);
}

static inline uint8_t status(struct fake_driver *d)
{
	return (uint8_t)common_read(d, COMMON(device_status), 1);
}

static inline void set_status(struct fake_driver *d, uint8_t value)
{
	common_write(d, COMMON(device_status), value, 1);
}

static inline uint64_t offered(struct fake_driver *d)
{
	uint64_t low;

	common_write(d, COMMON(device_feature_select), 0, 4);
	low = common_read(d, COMMON(device_feature), 4);
	common_write(d, COMMON(device_feature_select), 1, 4);
	return low | common_read(d, COMMON(device_feature), 4) << 32;
}

static inline void accept_features(struct fake_driver *d, uint64_t features)
{
	set_status(d, VIRTIO_STATUS_ACKNOWLEDGE);
	set_status(d, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	for (uint32_t i = 0; i < 2; i++) {
		common_write(d, COMMON(driver_feature_select), i, 4);
		common_write(d, COMMON(driver_feature), features >> 32 * i & 0xffffffff, 4);
	}
	set_status(d, ALL_OK & ~VIRTIO_STATUS_DRIVER_OK);
}

static inline void setup_queue(struct fake_driver *d, uint16_t q, uint16_t size)
{
	common_write(d, COMMON(queue_select), q, 2);
	common_write(d, COMMON(queue_size), size, 2);
	common_write(d, COMMON(queue_msix_vector), 1 + q, 2);
	common_write(d, COMMON(queue_desc), DESC_AT(q), 4);
	common_write(d, COMMON(queue_desc) + 4, 0, 4);
	common_write(d, COMMON(queue_driver), AVAIL_AT(q), 8);
	common_write(d, COMMON(queue_device), USED_AT(q), 8);
	common_write(d, COMMON(queue_enable), 1, 2);
}

/* Runs the loop once over what is there. */
static inline void stop_loop(void *vm)
{
	loop_stop(vm_loop(vm));
}

static inline void turn(struct vm *vm)
{
	ck_assert_int_eq(loop_call(vm_loop(vm), stop_loop, vm), 0);
	ck_assert_int_eq(loop_run(vm_loop(vm)), 0);
}

/* Turns the loop until the condition holds; a bound, not a wait. */
#define TURN_UNTIL(vm, condition)                                               \
	do {                                                                    \
		time_t end_ = time(NULL) + 20;                                  \
		while (!(condition)) {                                          \
			ck_assert_msg(time(NULL) < end_, "never: " #condition); \
			turn(vm);                                               \
		}                                                               \
	} while (0)

static inline void put(struct vm *vm, gpa_t gpa, const void *data, size_t len)
{
	ck_assert_int_eq(mem_write(vm_mem(vm), gpa, data, len), 0);
}

static inline void put16(struct vm *vm, gpa_t gpa, uint16_t value)
{
	put(vm, gpa, &value, sizeof(value));
}

static inline uint16_t get16(struct vm *vm, gpa_t gpa)
{
	uint16_t value;

	ck_assert_int_eq(mem_read(vm_mem(vm), gpa, &value, sizeof(value)), 0);
	return value;
}

static inline void put_desc(struct vm *vm, gpa_t table, unsigned i, struct virtq_desc desc)
{
	put(vm, table + i * sizeof(desc), &desc, sizeof(desc));
}

/* Makes a head available, without notifying. */
static inline void offer(struct fake_driver *d, uint16_t q, uint16_t head)
{
	put16(d->vm, AVAIL_AT(q) + 4 + 2 * (d->avail[q] % RING_SIZE), head);
	put16(d->vm, AVAIL_AT(q) + 2, ++d->avail[q]);
}

static inline void notify(struct fake_driver *d, uint16_t q)
{
	mmio_write(d->vm, d->notify + q * d->multiplier, q, 2);
}

static inline uint16_t used_index(struct fake_driver *d, uint16_t q)
{
	return get16(d->vm, USED_AT(q) + 2);
}

static inline struct virtq_used_elem used_element(struct fake_driver *d, uint16_t q, uint16_t i)
{
	struct virtq_used_elem elem;

	ck_assert_int_eq(
		mem_read(vm_mem(d->vm), USED_AT(q) + 4 + 8 * (i % RING_SIZE), &elem, sizeof(elem)),
		0);
	return elem;
}

static inline uint16_t avail_event_of(struct fake_driver *d, uint16_t q)
{
	return get16(d->vm, USED_AT(q) + 4 + 8 * RING_SIZE);
}

static inline void set_used_event(struct fake_driver *d, uint16_t q, uint16_t event)
{
	put16(d->vm, AVAIL_AT(q) + 4 + 2 * RING_SIZE, event);
}

#endif
