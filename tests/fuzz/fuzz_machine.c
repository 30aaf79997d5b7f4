/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest may do to the devices of a machine: ports, PCI's configuration space, the registers
 * behind every BAR, the ACPI event device, requests in queues anywhere in memory; and what the host's side
 * does meanwhile. No vCPU runs: its accesses are made here. The machine has what every kind of guest has,
 * those of arm64 included. It lives on from input to input, for making one takes milliseconds; it is made
 * anew when a guest has ended it, and every MACHINE_LIFE inputs.
 */
#include "fuzz/fuzz.h"
#include "fuzz/ops.h"
#include "fuzz/passt.h"

#include <abi/virtio.h>
#include <ferry/error.h>
#include <ferry/machine.h>
#include <ferry/reg.h>
#include <ferry/vm.h>

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "boot/images.h"
#include "dev/pl031.h"
#include "dev/pl061.h"
#include "dev/pvpanic.h"
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
#define QUEUES	     8
#define FRAME_MAX    2048
#define COMMAND_MEMORY_MASTER 0x6
#define TURNS	     2

/* Of arm64's devices; nothing else of the machine is there. */
#define CHIPS	  0xd0000000UL
#define CHIP_GSI  20
#define CHIP_PIN  3

/* A queue's memory: descriptors, rings, and from here on what they point to. */
#define QUEUE_SIZE 8
#define AVAILABLE  0x400
#define USED	   0x800
#define INDIRECT   0xc00
#define OUT	   0x1000
#define IN	   0x2800

static struct machine *machine;
static struct pl031 *clock_chip;
static struct pl061 *gpio_chip;
static struct pvpanic *panic_chip;
static unsigned life;
static uint64_t bases[SLOTS][QUEUES]; /* of queues; 0: not started */
static size_t room;

static size_t take_output(void *self, enum machine_console console, const void *buf, size_t len)
{
	(void)self;
	(void)console;
	(void)buf;
	return len < room ? len : room;
}

static void check(int r)
{
	if (r < 0) {
		fprintf(stderr, "%s\n", error_text(r));
		abort();
	}
}

static void add_chips(struct vm *vm)
{
	const struct pl031_options clock_options = { .address = CHIPS, .gsi = CHIP_GSI };
	const struct pl061_options gpio_options = { .address = CHIPS + 0x1000,
						    .gsi = CHIP_GSI + 1,
						    .button_pin = CHIP_PIN };
	const struct pvpanic_options panic_options = { .address = CHIPS + 0x2000 };

	check(pl031_create(vm, &clock_options, &clock_chip));
	check(pl061_create(vm, &gpio_options, &gpio_chip));
	check(pvpanic_create(vm, &panic_options, &panic_chip));
	check(pl031_add_bank(clock_chip, vm_regs(vm)));
	check(pl061_add_bank(gpio_chip, vm_regs(vm)));
}

static void make_machine(void)
{
	static char kernel[32], disk_path[32], shared[32];
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
		.shmem = shared,
		.shmem_size = DISK_SIZE,
		.output = take_output,
	};

	if (!kernel[0]) {
		struct bytes image = make_vmlinux(true), bytes = bytes_make(DISK_SIZE);

		path_of(image.data, image.size, kernel);
		path_of(bytes.data, bytes.size, disk_path);
		path_of(bytes.data, bytes.size, shared);
		free(image.data);
		free(bytes.data);
	}
	check(machine_create(&options, &machine));
	add_chips(machine_vm(machine));
	memset(bases, 0, sizeof(bases));
	life = 0;
	room = SIZE_MAX;
}

static void end_machine(void)
{
	pl031_destroy(clock_chip);
	pl061_destroy(gpio_chip);
	pvpanic_destroy(panic_chip);
	machine_destroy(machine);
	machine = NULL;
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

static void stop_loop(void *loop)
{
	loop_stop(loop);
}

/* What is ready now, and what came of that: the call that stops the loop comes before eventfds. */
static void turn(void)
{
	struct loop *loop = vm_loop(machine_vm(machine));

	for (unsigned i = 0; i < 2; i++)
		if (loop_call(loop, stop_loop, loop) || loop_run(loop))
			abort();
}

static void put(uint64_t where, const void *data, size_t len)
{
	mem_write(vm_mem(machine_vm(machine)), where, data, len);
}

/* As a driver begins, with all queues, so that a few bytes get as far as one that is served. */
static void start(unsigned slot, unsigned queue, uint64_t base, uint64_t features)
{
	const uint32_t empty = 0; /* flags and index of a ring */

	touch(vm_mmio(machine_vm(machine)), true, ECAM + (slot << 15) + 4, 2, COMMAND_MEMORY_MASTER);
	COMMON(slot, device_status, 0);
	turn();
	COMMON(slot, device_status, 3);
	for (unsigned half = 0; half < 2; half++) {
		uint32_t offered = 0;

		COMMON(slot, device_feature_select, half);
		bus_read(vm_mmio(machine_vm(machine)),
			 bar_of(slot) + offsetof(struct virtio_pci_common_cfg, device_feature), &offered,
			 sizeof(offered));
		COMMON(slot, driver_feature_select, half);
		COMMON(slot, driver_feature, half ? 1 : features & offered);
	}
	COMMON(slot, device_status, 11);
	for (unsigned q = 0; q < QUEUES; q++) {
		bases[slot][q] = (base + (q + QUEUES - queue) % QUEUES * 0x4000) % MEMORY;
		put(bases[slot][q] + AVAILABLE, &empty, sizeof(empty));
		put(bases[slot][q] + USED, &empty, sizeof(empty));
		COMMON(slot, queue_select, q);
		COMMON(slot, queue_size, QUEUE_SIZE);
		COMMON(slot, queue_msix_vector, q & 1);
		COMMON(slot, queue_desc, bases[slot][q]);
		COMMON(slot, queue_driver, bases[slot][q] + AVAILABLE);
		COMMON(slot, queue_device, bases[slot][q] + USED);
		COMMON(slot, queue_enable, 1);
	}
	COMMON(slot, device_status, 15);
	turn();
}

static void kick(unsigned slot, unsigned queue)
{
	common(slot, VIRTIO_BAR_NOTIFY + queue * VIRTIO_NOTIFY_MULTIPLIER, 2, queue);
	turn();
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

	put(table->at + table->count++ * sizeof(desc), &desc, sizeof(desc));
}

static void end_table(const struct table *table)
{
	const uint64_t last = table->at + (table->count - 1) * sizeof(struct virtq_desc);
	uint16_t flags = 0;

	mem_read(vm_mem(machine_vm(machine)), last + offsetof(struct virtq_desc, flags), &flags,
		 sizeof(flags));
	flags &= (uint16_t)~VIRTQ_DESC_F_NEXT;
	put(last + offsetof(struct virtq_desc, flags), &flags, sizeof(flags));
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

	if (config_read(slot, 2, 2) == 0x1040 + VIRTIO_ID_MEM)
		request.place = 4 * GIB + request.place * MACHINE_MEMORY_BLOCK;
	for (unsigned i = 0; i < 8; i++) {
		request.ranges[i].number = op->where & 0xffff;
		request.ranges[i].count = op->where >> 16 & 0xff;
		request.ranges[i].flags = op->where >> 24;
	}
	put(at, &request, len < sizeof(request) ? len : sizeof(request));
}

static void make_request(const struct fuzz_op *op)
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

		put(base, &desc, sizeof(desc));
	}
	mem_read(vm_mem(machine_vm(machine)), base + AVAILABLE + 2, &index, sizeof(index));
	put(base + AVAILABLE + 4 + index % QUEUE_SIZE * sizeof(index), &zero, sizeof(zero));
	index++;
	put(base + AVAILABLE + 2, &index, sizeof(index));
	kick(slot, queue);
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

/* A register that was read may be written back, and nothing is changed by it. */
static void copy_registers(void)
{
	struct reg_file *file = vm_regs(machine_vm(machine));
	struct reg_list list = { 0 };
	static uint8_t value[REG_SIZE_MAX];

	check(reg_file_list(file, &list));
	for (size_t i = 0; i < list.count; i++) {
		const struct reg_key key = list.entries[i].key;

		if (key.id >> 56 != REG_OWNER_FERRY || REG_ID_BANK(key.id) < REG_BANK_SERIAL)
			continue;
		check(reg_file_get(file, key, value));
		reg_file_set(file, key, value);
	}
	reg_list_finish(&list);
}

static void do_host(const struct fuzz_op *op)
{
	enum machine_console console =
		op->b & 1 ? MACHINE_CONSOLE_VIRTIO : MACHINE_CONSOLE_SERIAL;

	switch (op->a % 8) {
	case FUZZ_HOST_INPUT:
		machine_input(machine, console, &op->value, sizeof(op->value));
		break;
	case FUZZ_HOST_ROOM:
		room = op->b;
		if (room) {
			machine_output_ready(machine, MACHINE_CONSOLE_SERIAL);
			machine_output_ready(machine, MACHINE_CONSOLE_VIRTIO);
		}
		break;
	case FUZZ_HOST_BUTTON:
		machine_power_button(machine);
		pl061_press(gpio_chip);
		break;
	case FUZZ_HOST_BALLOON:
		machine_balloon(machine, (uint64_t)op->b << 20);
		break;
	case FUZZ_HOST_MEMORY:
		machine_memory_request(machine, MEMORY + op->b * (uint64_t)MACHINE_MEMORY_BLOCK);
		break;
	case FUZZ_HOST_TERMINAL:
		machine_console_size(machine, (uint16_t)op->value, (uint16_t)(op->value >> 16));
		break;
	case FUZZ_HOST_REGISTERS:
		copy_registers();
		break;
	}
	turn();
}

/* Where a PC of ours has something: COM1, the RTC, pvpanic, ACPI, the exit port. */
static uint16_t port_of(const struct fuzz_op *op)
{
	static const uint16_t ports[] = { 0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff,
					  0x70,	 0x71,	0x505, 0x600, 0x601, 0x602, 0x603, 0xf4 };

	return op->a & 8 ? ports[op->b % 16] : op->b;
}

static void do_op(const struct fuzz_op *op)
{
	struct vm *vm = machine_vm(machine);
	unsigned slot = op->a % SLOTS, len = 1U << (op->a >> 4 & 3);
	bool is_write = !(op->kind & 0x80);

	switch ((op->kind & 0x7f) % FUZZ_OPS) {
	case FUZZ_PORT:
		touch(vm_pio(vm), is_write, port_of(op), len > 4 ? 4 : len, op->value);
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
		put(op->where & (MEMORY - 1), &op->value, sizeof(op->value));
		break;
	case FUZZ_START:
		start(slot, op->b % QUEUES, op->where & (MEMORY - 1) & ~0xfffULL, op->value);
		break;
	case FUZZ_KICK:
		kick(slot, op->b % QUEUES);
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
	case FUZZ_REQUEST:
		make_request(op);
		break;
	case FUZZ_HOST:
		do_host(op);
		break;
	case FUZZ_CHIP:
		touch(vm_mmio(vm), is_write, CHIPS + op->a % 3 * 0x1000 + op->b % 0x1000, len,
		      op->value);
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
	if (++life == MACHINE_LIFE || vm_ended(machine_vm(machine)) != VM_END_NONE)
		end_machine();
	return 0;
}
