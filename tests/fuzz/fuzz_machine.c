/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest may do to the devices of an x86 machine: ports, PCI's configuration space, the registers
 * behind every BAR, the ACPI event device, and queues anywhere in memory. No vCPU runs: its accesses are
 * made here. The machine lives on from input to input, for making one takes milliseconds; it is made
 * anew when a guest has ended it, and every MACHINE_LIFE inputs.
 */
#include "fuzz/fuzz.h"
#include "fuzz/ops.h"
#include "fuzz/passt.h"

#include <abi/virtio.h>
#include <ferry/error.h>
#include <ferry/machine.h>
#include <ferry/vm.h>

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "boot/images.h"
#include "dev/virtio/core.h"
#include "io/loop.h"
#include "mem/mem.h"
#include "vm/bus.h"

#define MACHINE_LIFE 500
#define MEMORY	     (32U << 20)
#define DISK_SIZE    (1 << 20)
#define ECAM	     0xe0000000UL
#define ECAM_SIZE    0x100000UL
#define SLOTS	     8
#define FRAME_MAX    2048
#define COMMAND_MEMORY_MASTER 0x6
#define TURNS	     4

static struct machine *machine;
static unsigned life;

static void make_machine(void)
{
	static char kernel[32], disk_path[32];
	struct machine_disk disk = { .path = disk_path, .queues = 2 };
	struct machine_net net = { .kind = MACHINE_NET_USER };
	struct machine_options options = {
		.vm = { .name = "fuzz", .vcpus = 1 },
		.memory = MEMORY,
		.memory_max = 4 * MEMORY,
		.kernel = kernel,
		.cmdline = "",
		.disks = &disk,
		.disk_count = 1,
		.nets = &net,
		.net_count = 1,
		.balloon = true,
		.console = MACHINE_CONSOLE_VIRTIO,
		.exit_port = true,
	};

	if (!kernel[0]) {
		struct bytes image = make_vmlinux(true), bytes = bytes_make(DISK_SIZE);

		path_of(image.data, image.size, kernel);
		path_of(bytes.data, bytes.size, disk_path);
		free(image.data);
		free(bytes.data);
	}
	if (machine_create(&options, &machine)) {
		fprintf(stderr, "%s\n", error_text(-1));
		abort();
	}
	life = 0;
}

static void touch(struct bus *bus, bool write, uint64_t address, unsigned len, uint64_t value)
{
	if (write)
		bus_write(bus, address, &value, len);
	else
		bus_read(bus, address, &value, len);
}

static uint64_t config_read(unsigned slot, unsigned offset, unsigned len)
{
	uint64_t value = 0;

	bus_read(vm_mmio(machine_vm(machine)), ECAM + (slot << 15) + offset, &value, len);
	return value;
}

/* Where the device's registers are now: the guest moves them. */
static uint64_t bar_of(unsigned slot)
{
	uint64_t low = config_read(slot, 0x10, 4);

	return (low & ~0xfULL) | ((low & 4) ? config_read(slot, 0x14, 4) << 32 : 0);
}

static void common(unsigned slot, size_t offset, unsigned len, uint64_t value)
{
	touch(vm_mmio(machine_vm(machine)), true, bar_of(slot) + offset, len, value);
}

#define COMMON(slot, field, value)                                                                 \
	common(slot, offsetof(struct virtio_pci_common_cfg, field),                                \
	       sizeof(((struct virtio_pci_common_cfg *)0)->field), value)

/* As a driver begins, so that a few bytes get as far as a queue that is served. */
static void start(unsigned slot, const struct fuzz_op *op)
{
	uint64_t base = op->where & (MEMORY - 1) & ~0xfffULL;

	touch(vm_mmio(machine_vm(machine)), true, ECAM + (slot << 15) + 4, 2, COMMAND_MEMORY_MASTER);
	COMMON(slot, device_status, 0);
	COMMON(slot, device_status, 3);
	for (unsigned half = 0; half < 2; half++) {
		COMMON(slot, driver_feature_select, half);
		COMMON(slot, driver_feature, half ? 1 : op->value);
	}
	COMMON(slot, device_status, 11);
	COMMON(slot, queue_select, op->b & 7);
	COMMON(slot, queue_size, 8);
	COMMON(slot, queue_desc, base);
	COMMON(slot, queue_driver, base + 0x400);
	COMMON(slot, queue_device, base + 0x800);
	COMMON(slot, queue_enable, 1);
	COMMON(slot, device_status, 15);
}

static void stop_loop(void *loop)
{
	loop_stop(loop);
}

/* What is ready now. */
static void turn(void)
{
	struct loop *loop = vm_loop(machine_vm(machine));

	if (loop_call(loop, stop_loop, loop) || loop_run(loop))
		abort();
}

/* As passt sends it. */
static void send_frame(const struct fuzz_op *op)
{
	uint8_t frame[4 + FRAME_MAX];
	uint32_t len = op->b % FRAME_MAX, length = htonl(len);

	memcpy(frame, &length, sizeof(length));
	memset(frame + sizeof(length), (int)op->value, len);
	fuzz_wire_send(frame, sizeof(length) + len);
}

static void do_wire(const struct fuzz_op *op)
{
	switch (op->a % 4) {
	case 1:
		while (fuzz_wire_drain())
			;
		break;
	case 2:
		fuzz_wire_cut();
		life = MACHINE_LIFE - 1; /* the next one has a network again */
		break;
	default:
		fuzz_wire_send(&op->value, sizeof(op->value));
		break;
	}
}

static void do_op(const struct fuzz_op *op)
{
	struct vm *vm = machine_vm(machine);
	unsigned slot = op->a % SLOTS, len = 1U << (op->a >> 4 & 3);
	bool is_write = !(op->kind & 0x80);

	switch (op->kind % FUZZ_OPS) {
	case FUZZ_PORT:
		touch(vm_pio(vm), is_write, op->b, len > 4 ? 4 : len, op->value);
		break;
	case FUZZ_CONFIG:
		touch(vm_mmio(vm), is_write, ECAM + op->where % ECAM_SIZE, len, op->value);
		break;
	case FUZZ_CONFIG_OF:
		touch(vm_mmio(vm), is_write, ECAM + (slot << 15) + op->b % 0x1000, len, op->value);
		break;
	case FUZZ_BAR:
		touch(vm_mmio(vm), is_write, bar_of(slot) + op->b % 0x8000, len, op->value);
		break;
	case FUZZ_MEMORY:
		mem_write(vm_mem(vm), op->where & (MEMORY - 1), &op->value, sizeof(op->value));
		break;
	case FUZZ_START:
		start(slot, op);
		break;
	case FUZZ_KICK:
		common(slot, VIRTIO_BAR_NOTIFY + (op->b & 7) * VIRTIO_NOTIFY_MULTIPLIER, 2, op->b & 7);
		turn();
		break;
	case FUZZ_TURN:
		turn();
		break;
	case FUZZ_FRAME:
		send_frame(op);
		break;
	case FUZZ_WIRE:
		do_wire(op);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > FUZZ_SIZE_MAX)
		return 0;
	if (!machine)
		make_machine();
	for (size_t at = 0; at + sizeof(struct fuzz_op) <= size; at += sizeof(struct fuzz_op)) {
		struct fuzz_op op;

		memcpy(&op, data + at, sizeof(op));
		do_op(&op);
	}
	for (unsigned slot = 0; slot < SLOTS; slot++)
		if (config_read(slot, 0, 2) == 0x1af4)
			COMMON(slot, device_status, 0);
	for (unsigned i = 0; i < TURNS; i++)
		turn();
	if (++life == MACHINE_LIFE || vm_ended(machine_vm(machine)) != VM_END_NONE) {
		machine_destroy(machine);
		machine = NULL;
	}
	return 0;
}
