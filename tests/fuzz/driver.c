/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest's drivers do, for a machine whose vCPUs do not run. */
#include "fuzz/driver.h"

#include <abi/virtio.h>
#include <ferry/machine.h>
#include <ferry/vm.h>

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "dev/virtio/core.h"
#include "io/loop.h"
#include "mem/mem.h"
#include "vm/bus.h"

#define COMMAND_MEMORY_MASTER 0x6

/* A queue's memory: descriptors, rings, and from here on what they point to. */
#define QUEUE_SIZE 8
#define AVAILABLE  0x400
#define USED	   0x800
#define INDIRECT   0xc00
#define OUT	   0x1000
#define IN	   0x2800

static struct vm *vm;
static uint64_t bases[SLOTS][QUEUES]; /* of queues; 0: not started */

void driver_attach(struct vm *of)
{
	vm = of;
	memset(bases, 0, sizeof(bases));
}

void driver_stop_loop(void *loop)
{
	loop_stop(loop);
}

/* What is ready now, and what came of that: the call that stops the loop comes before eventfds. */
void driver_turn(void)
{
	struct loop *loop = vm_loop(vm);

	for (unsigned i = 0; i < 2; i++)
		if (loop_call(loop, driver_stop_loop, loop) || loop_run(loop))
			abort();
}

void driver_touch(struct bus *bus, bool write, uint64_t address, unsigned len, uint64_t value)
{
	if (write)
		bus_write(bus, address, &value, len);
	else
		bus_read(bus, address, &value, len);
}

uint64_t driver_config(unsigned slot, unsigned offset, unsigned len)
{
	uint64_t value = 0;

	bus_read(vm_mmio(vm), ECAM + (slot << 15) + offset, &value, len);
	return value;
}

uint64_t driver_bar(unsigned slot)
{
	uint64_t low = driver_config(slot, 0x10, 4);

	return (low & ~0xfULL) | ((low & 4) ? driver_config(slot, 0x14, 4) << 32 : 0);
}

static void common(unsigned slot, size_t offset, unsigned len, uint64_t value)
{
	driver_touch(vm_mmio(vm), true, driver_bar(slot) + offset, len, value);
}

#define COMMON(slot, field, value)                                                                 \
	common(slot, offsetof(struct virtio_pci_common_cfg, field),                                \
	       sizeof(((struct virtio_pci_common_cfg *)0)->field), value)

void driver_put(uint64_t where, const void *data, size_t len)
{
	mem_write(vm_mem(vm), where, data, len);
}

/* As a driver begins, with all queues, so that a few bytes get as far as one that is served. */
void driver_start(unsigned slot, unsigned queue, uint64_t base, uint64_t features)
{
	const uint32_t empty = 0; /* flags and index of a ring */
	bool obeys = (features >> 32 & 0xff) != FUZZ_NOT_OFFERED;

	driver_touch(vm_mmio(vm), true, ECAM + (slot << 15) + 4, 2, COMMAND_MEMORY_MASTER);
	COMMON(slot, device_status, 0);
	driver_turn();
	COMMON(slot, device_status, 3);
	for (unsigned half = 0; half < 2; half++) {
		uint32_t offered = 0;

		COMMON(slot, device_feature_select, half);
		bus_read(vm_mmio(vm),
			 driver_bar(slot) + offsetof(struct virtio_pci_common_cfg, device_feature), &offered,
			 sizeof(offered));
		COMMON(slot, driver_feature_select, half);
		COMMON(slot, driver_feature, half ? 1 : obeys ? features & offered : features);
	}
	COMMON(slot, device_status, 11);
	for (unsigned q = 0; q < QUEUES; q++) {
		bases[slot][q] = (base + (q + QUEUES - queue) % QUEUES * 0x4000) % MEMORY;
		driver_put(bases[slot][q] + AVAILABLE, &empty, sizeof(empty));
		driver_put(bases[slot][q] + USED, &empty, sizeof(empty));
		COMMON(slot, queue_select, q);
		COMMON(slot, queue_size, QUEUE_SIZE);
		COMMON(slot, queue_msix_vector, q & 1);
		COMMON(slot, queue_desc, bases[slot][q]);
		COMMON(slot, queue_driver, bases[slot][q] + AVAILABLE);
		COMMON(slot, queue_device, bases[slot][q] + USED);
		COMMON(slot, queue_enable, 1);
	}
	COMMON(slot, device_status, 15);
	driver_turn();
}

void driver_kick(unsigned slot, unsigned queue)
{
	common(slot, VIRTIO_BAR_NOTIFY + queue * VIRTIO_NOTIFY_MULTIPLIER, 2, queue);
	driver_turn();
}

/* Descriptors from the beginning of a table on; more of them follow. */
struct table {
	uint64_t at;
	unsigned count;
};

static void add_descriptor(struct table *table, uint64_t addr, uint32_t len, unsigned flags)
{
	const struct virtq_desc desc = {
		.addr = addr,
		.len = len,
		.flags = (uint16_t)(flags | VIRTQ_DESC_F_NEXT),
		.next = (uint16_t)(table->count + 1),
	};

	driver_put(table->at + table->count++ * sizeof(desc), &desc, sizeof(desc));
}

static void end_table(const struct table *table)
{
	const uint64_t last = table->at + (table->count - 1) * sizeof(struct virtq_desc);
	uint16_t flags = 0;

	mem_read(vm_mem(vm), last + offsetof(struct virtq_desc, flags), &flags,
		 sizeof(flags));
	flags &= (uint16_t)~VIRTQ_DESC_F_NEXT;
	driver_put(last + offsetof(struct virtq_desc, flags), &flags, sizeof(flags));
}

/*
 * What the device reads: value's low half, 0, its high half, then by turns a 64-bit number and two of 32 bits
 * from where. So it is a block request with its ranges, a request of virtio-mem (whose addresses are meant in
 * blocks of the region's), page numbers, statistics or a header of the network's.
 */
static void put_request(unsigned slot, uint64_t at, const struct fuzz_op *op, size_t len)
{
	struct {
		uint32_t type, zero;
		uint64_t place;
		struct {
			uint64_t number;
			uint32_t count, flags;
		} ranges[8];
	} request = { .type = (uint32_t)op->value, .place = op->value >> 32 };

	if (driver_config(slot, 2, 2) == 0x1040 + VIRTIO_ID_MEM)
		request.place = 4 * GIB + request.place * MACHINE_MEMORY_BLOCK;
	for (unsigned i = 0; i < 8; i++) {
		request.ranges[i].number = op->where & 0xffff;
		request.ranges[i].count = op->where >> 16 & 0xff;
		request.ranges[i].flags = op->where >> 24;
	}
	driver_put(at, &request, len < sizeof(request) ? len : sizeof(request));
}

void driver_request(const struct fuzz_op *op)
{
	unsigned slot = op->a % SLOTS, queue = op->b % QUEUES;
	unsigned out = op->b >> 3 & 0x3f, in = op->b >> 9;
	uint64_t base = bases[slot][queue];
	struct table table = { .at = op->a & 0x80 ? base + INDIRECT : base };
	uint16_t index = 0, zero = 0;

	out = out < 32 ? out * 4 : 16 + (out - 31) * 128;
	in = in < 64 ? in : (in - 63) * 64 + 1;
	if (!base || (!out && !in))
		return;
	put_request(slot, base + OUT, op, out);
	if (op->a & 0x40 && out > 7) {
		add_descriptor(&table, base + OUT, 7, 0);
		add_descriptor(&table, base + OUT + 7, out - 7, 0);
	} else if (out) {
		add_descriptor(&table, base + OUT, out, 0);
	}
	if (op->a & 0x40 && in > 1) {
		add_descriptor(&table, base + IN, in - 1, VIRTQ_DESC_F_WRITE);
		add_descriptor(&table, base + IN + in - 1, 1, VIRTQ_DESC_F_WRITE);
	} else if (in) {
		add_descriptor(&table, base + IN, in, VIRTQ_DESC_F_WRITE);
	}
	end_table(&table);
	if (op->a & 0x80) {
		struct virtq_desc desc = {
			.addr = table.at,
			.len = (uint32_t)(table.count * sizeof(desc)),
			.flags = VIRTQ_DESC_F_INDIRECT,
		};

		driver_put(base, &desc, sizeof(desc));
	}
	mem_read(vm_mem(vm), base + AVAILABLE + 2, &index, sizeof(index));
	driver_put(base + AVAILABLE + 4 + index % QUEUE_SIZE * sizeof(index), &zero, sizeof(zero));
	index++;
	driver_put(base + AVAILABLE + 2, &index, sizeof(index));
	driver_kick(slot, queue);
}

void driver_reset(unsigned slot)
{
	if (driver_config(slot, 0, 2) == 0x1af4)
		COMMON(slot, device_status, 0);
}
