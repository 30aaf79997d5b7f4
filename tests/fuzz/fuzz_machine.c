/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest may do to the devices of a machine: ports, PCI's configuration space, the registers
 * behind every BAR, the ACPI event device, requests in queues anywhere in memory; and what the host's side
 * does meanwhile. No vCPU runs: its accesses are made here. The machine has what every kind of guest has,
 * those of arm64 included. It lives on from input to input, for making one takes milliseconds; it is made
 * anew when a guest has ended it, and every MACHINE_LIFE inputs.
 */
#include "fuzz/driver.h"
#include "fuzz/fuzz.h"
#include "fuzz/ops.h"
#include "fuzz/passt.h"

#include <ferry/error.h>
#include <ferry/machine.h>
#include <ferry/reg.h>
#include <ferry/vm.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "boot/images.h"
#include "dev/pl031.h"
#include "dev/pl061.h"
#include "dev/pvpanic.h"
#include "io/loop.h"
#include "mem/mem.h"
#include "vm/bus.h"

#define MACHINE_LIFE 500
#define DISK_SIZE    (1 << 20)
#define ECAM_SIZE    0x100000UL
#define FRAME_MAX    2048
#define TURNS	     2

/* Of arm64's devices; nothing else of the machine is there. */
#define CHIPS	  0xd0000000UL
#define CHIP_GSI  20
#define CHIP_PIN  3

static struct machine *machine;
static struct pl031 *clock_chip;
static struct pl061 *gpio_chip;
static struct pvpanic *panic_chip;
static unsigned life;
static size_t room;
static bool was_held; /* by this input: once is enough, for it takes milliseconds */

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
	driver_attach(machine_vm(machine));
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

static bool is_of_device(struct reg_key key)
{
	return key.id >> 56 == REG_OWNER_FERRY && REG_ID_BANK(key.id) >= REG_BANK_SERIAL;
}

/*
 * A register that was read may be written back, and nothing is changed by it. change: one may be set to what
 * a peer says, too.
 */
static void copy_registers(const struct fuzz_op *change)
{
	struct reg_file *file = vm_regs(machine_vm(machine));
	struct reg_list list = { 0 };
	static uint8_t value[REG_SIZE_MAX];
	char name[64];

	check(reg_file_list(file, &list));
	for (size_t i = 0; i < list.count; i++) {
		const struct reg_key key = list.entries[i].key;

		if (!is_of_device(key))
			continue;
		check(reg_file_get(file, key, value));
		reg_file_set(file, key, value);
		reg_file_name(file, key, name, sizeof(name));
		if (!change || change->b != i)
			continue;
		for (size_t k = 0; k < reg_size(key.id) && k < sizeof(change->value); k++)
			value[k] ^= (uint8_t)(change->value >> 8 * k);
		reg_file_set(file, key, value);
	}
	reg_list_finish(&list);
}

static void *run_loop(void *loop)
{
	if (loop_run(loop))
		abort();
	return NULL;
}

/* As for a move, while the loop runs; whatever the guest has done, every device comes to rest. */
static void hold(const struct fuzz_op *op)
{
	struct loop *loop = vm_loop(machine_vm(machine));
	pthread_t thread;
	int r;

	if (was_held)
		return;
	was_held = true;
	if (pthread_create(&thread, NULL, run_loop, loop))
		abort();
	r = machine_hold(machine);
	if (r == 0) {
		copy_registers(op);
		check(machine_release(machine, MACHINE_GO_ON));
	} else if (r != -ECANCELED) {
		check(r);
	}
	if (loop_call(loop, driver_stop_loop, loop))
		abort();
	pthread_join(thread, NULL);
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
		copy_registers(NULL);
		break;
	case FUZZ_HOST_HOLD:
		hold(op);
		break;
	}
	driver_turn();
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
		driver_touch(vm_pio(vm), is_write, port_of(op), len > 4 ? 4 : len, op->value);
		break;
	case FUZZ_CONFIG:
		driver_touch(vm_mmio(vm), is_write, ECAM + op->where % ECAM_SIZE, len, op->value);
		break;
	case FUZZ_CONFIG_OF:
		driver_touch(vm_mmio(vm), is_write, ECAM + (slot << 15) + op->b % 0x1000, len, op->value);
		break;
	case FUZZ_BAR:
		driver_touch(vm_mmio(vm), is_write, driver_bar(slot) + op->b % 0x8000, len, op->value);
		break;
	case FUZZ_MEMORY:
		driver_put(op->where & (MEMORY - 1), &op->value, sizeof(op->value));
		break;
	case FUZZ_START:
		driver_start(slot, op->b % QUEUES, op->where & (MEMORY - 1) & ~0xfffULL, op->value);
		break;
	case FUZZ_KICK:
		driver_kick(slot, op->b % QUEUES);
		break;
	case FUZZ_TURN:
		driver_turn();
		break;
	case FUZZ_FRAME:
		send_frame(op);
		break;
	case FUZZ_WIRE:
		do_wire(op);
		break;
	case FUZZ_REQUEST:
		driver_request(op);
		break;
	case FUZZ_HOST:
		do_host(op);
		break;
	case FUZZ_CHIP:
		driver_touch(vm_mmio(vm), is_write, CHIPS + op->a % 3 * 0x1000 + op->b % 0x1000, len,
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
	was_held = false;
	for (size_t at = 0; at + sizeof(struct fuzz_op) <= size; at += sizeof(struct fuzz_op)) {
		struct fuzz_op op;

		memcpy(&op, data + at, sizeof(op));
		do_op(&op);
	}
	for (unsigned slot = 0; slot < SLOTS; slot++)
		driver_reset(slot);
	for (unsigned i = 0; i < TURNS; i++)
		driver_turn();
	if (++life == MACHINE_LIFE || vm_ended(machine_vm(machine)) != VM_END_NONE)
		end_machine();
	return 0;
}
