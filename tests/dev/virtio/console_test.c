/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-console: output, input, back-pressure, size. */
#include "check_main.h"
#include "dev/virtio/fake_core.h"

#include <abi/virtio_console.h>

#include "base/util.h"
#include "dev/virtio/console.h"

#define RX 0
#define TX 1

static struct vm vm;
static struct console *console;
static struct virtio_device *device;
static char out[4096];
static size_t out_len, room;
static unsigned rooms;

static size_t output(void *self, const void *buf, size_t len)
{
	size_t taken = len < room ? len : room;

	(void)self;
	ck_assert_uint_le(out_len + taken, sizeof(out));
	memcpy(out + out_len, buf, taken);
	out_len += taken;
	room -= taken;
	return taken;
}

static void input_room(void *self)
{
	(void)self;
	rooms++;
}

static void setup(void)
{
	const struct console_options options = {
		.id = "console0",
		.columns = 80,
		.rows = 25,
		.output = output,
		.input_room = input_room,
	};

	fake_vm_init(&vm);
	out_len = 0;
	room = SIZE_MAX;
	ck_assert_int_eq(console_create(&vm, NULL, &options, &console), 0);
	device = fake_device;
}

static void teardown(void)
{
	console_destroy(console);
	fake_vm_finish(&vm);
}

static unsigned guest_writes(const char *a, const char *b)
{
	struct iovec iov[] = { { (void *)(uintptr_t)a, strlen(a) },
			       { (void *)(uintptr_t)b, strlen(b) } };
	unsigned head = fake_add(&device->queues[TX], iov, 2, NULL, 0);

	fake_notify(device, TX);
	return head;
}

START_TEST(test_output_reaches_the_terminal)
{
	setup();
	guest_writes("hello, ", "world");
	guest_writes("!", "");
	ck_assert_uint_eq(out_len, 13);
	ck_assert_mem_eq(out, "hello, world!", 13);
	ck_assert_uint_eq(device->queues[TX].pushed, 2);
	fake_wait(&vm, device->queues[TX].interrupts == 1);
	teardown();
}
END_TEST

START_TEST(test_output_that_is_not_taken_waits_and_comes_once)
{
	setup();
	room = 9;
	guest_writes("hello, ", "world");
	guest_writes("!", "");
	ck_assert_uint_eq(out_len, 9);
	ck_assert_uint_eq(device->queues[TX].pushed, 0);
	ck_assert_uint_eq(device->queues[TX].popped, 0);
	room = 2;
	console_output_ready(console);
	ck_assert_uint_eq(out_len, 11);
	room = SIZE_MAX;
	fake_notify(device, TX); /* refused: not asked again before it is ready */
	ck_assert_uint_eq(out_len, 11);
	console_output_ready(console);
	ck_assert_mem_eq(out, "hello, world!", 13);
	ck_assert_uint_eq(out_len, 13);
	ck_assert_uint_eq(device->queues[TX].pushed, 2);
	teardown();
}
END_TEST

START_TEST(test_reset_forgets_a_half_written_chain)
{
	setup();
	room = 3;
	guest_writes("abcdef", "");
	device->ops->reset(device->self);
	ck_assert_uint_eq(device->resets_done, 1);
	device->queues[TX].popped = device->queues[TX].added;
	room = SIZE_MAX;
	console_output_ready(console);
	guest_writes("xyz", "");
	ck_assert_uint_eq(out_len, 6);
	ck_assert_mem_eq(out, "abcxyz", 6);
	teardown();
}
END_TEST

START_TEST(test_input_fills_the_drivers_buffers_and_waits_for_more)
{
	char a[4], b[8];
	struct iovec two[] = { { a, 1 }, { a + 1, 3 } };

	setup();
	ck_assert_uint_eq(console_input(console, "0123456789", 10), 0);
	fake_add(&device->queues[RX], NULL, 0, two, 2);
	ck_assert_uint_eq(rooms, 0);
	fake_notify(device, RX);
	ck_assert_uint_eq(rooms, 1);
	ck_assert_uint_eq(console_input(console, "0123456789", 10), 4);
	ck_assert_mem_eq(a, "0123", 4);
	ck_assert_uint_eq(device->queues[RX].chains[0].written, 4);
	fake_add(&device->queues[RX], NULL, 0, &(struct iovec){ b, 8 }, 1);
	ck_assert_uint_eq(console_input(console, "456789", 6), 6);
	ck_assert_mem_eq(b, "456789", 6);
	ck_assert_uint_eq(device->queues[RX].chains[1].written, 6);
	fake_notify(device, RX);
	ck_assert_uint_eq(rooms, 1);
	fake_wait(&vm, device->queues[RX].interrupts == 1);
	teardown();
}
END_TEST

START_TEST(test_buffers_of_the_wrong_direction_do_no_harm)
{
	char a[4] = "abcd";

	setup();
	fake_add(&device->queues[RX], &(struct iovec){ a, 4 }, 1, NULL, 0);
	fake_add(&device->queues[RX], NULL, 0, NULL, 0);
	ck_assert_uint_eq(console_input(console, "x", 1), 0);
	ck_assert_mem_eq(a, "abcd", 4);
	fake_add(&device->queues[TX], NULL, 0, &(struct iovec){ a, 4 }, 1);
	fake_notify(device, TX);
	ck_assert_uint_eq(out_len, 0);
	ck_assert_uint_eq(device->queues[TX].pushed, 1);
	teardown();
}
END_TEST

static struct virtio_console_config config(void)
{
	struct virtio_console_config c;

	device->ops->config_read(device->self, 0, &c, sizeof(c));
	return c;
}

START_TEST(test_resize_is_told_to_the_guest)
{
	setup();
	ck_assert_uint_eq(config().cols, 80);
	ck_assert_uint_eq(config().rows, 25);
	console_resize(console, 132, 50);
	ck_assert_uint_eq(device->config_changes, 1);
	ck_assert_uint_eq(config().cols, 132);
	ck_assert_uint_eq(config().rows, 50);
	ck_assert_uint_eq(config().max_nr_ports, 1);
	teardown();
}
END_TEST

START_TEST(test_emergency_output_needs_no_queue)
{
	setup();
	for (const char *p = "panic!"; *p; p++)
		device->ops->config_write(device->self, 8, &(uint32_t){ (uint8_t)*p }, 4);
	ck_assert_uint_eq(out_len, 0); /* not on the vCPU's thread */
	fake_wait(&vm, out_len == 6);
	ck_assert_mem_eq(out, "panic!", 6);
	device->ops->config_write(device->self, 0, "\1\1\1\1", 4);
	ck_assert_uint_eq(config().cols, 80);
	room = 5;
	for (int i = 0; i < 1000; i++)
		device->ops->config_write(device->self, 8, "x", 1);
	fake_run_ms(&vm, 10);
	ck_assert_uint_eq(out_len, 11);
	room = SIZE_MAX;
	console_output_ready(console);
	ck_assert_uint_eq(out_len, 6 + 256);
	teardown();
}
END_TEST

START_TEST(test_registers_carry_a_half_written_chain)
{
	struct reg_key sent = { REG_VM, REG_ID(REG_BANK_VIRTIO, 0, 2, FAKE_BDF << 16 | 0x9000) };
	struct reg_key emergency = { REG_VM,
				     REG_ID(REG_BANK_VIRTIO, 0, 9, FAKE_BDF << 16 | 0x8008) };
	uint8_t image[512] = { 0xff, 0xff };
	uint32_t value = 2;

	setup();
	ck_assert_int_eq(reg_file_set(&vm.regs, sent, &value), 0);
	fake_check_bank(&vm.regs, &vm.regs);
	guest_writes("abc", "def");
	ck_assert_uint_eq(out_len, 4);
	ck_assert_mem_eq(out, "cdef", 4);
	ck_assert_int_eq(reg_file_set(&vm.regs, emergency, image), -EINVAL);
	memcpy(image, "\2\0\0\0yz", 6);
	ck_assert_int_eq(reg_file_set(&vm.regs, emergency, image), 0);
	fake_check_bank(&vm.regs, &vm.regs);
	fake_wait(&vm, out_len == 6);
	ck_assert_mem_eq(out + 4, "yz", 2);
	value = UINT32_MAX;
	ck_assert_int_eq(reg_file_set(&vm.regs, sent, &value), 0);
	guest_writes("abc", "def");
	ck_assert_uint_eq(out_len, 6);
	teardown();
}
END_TEST

START_TEST(test_held_console_says_nothing_of_what_registers_hold)
{
	struct reg_key emergency = { REG_VM,
				     REG_ID(REG_BANK_VIRTIO, 0, 9, FAKE_BDF << 16 | 0x8008) };
	uint8_t image[512] = { 2, 0, 0, 0, 'y', 'z' };

	setup();
	console_hold(console);
	ck_assert_int_eq(reg_file_set(&vm.regs, emergency, image), 0);
	fake_run_ms(&vm, 10);
	ck_assert_uint_eq(out_len, 0);
	console_go_on(console);
	ck_assert_uint_eq(out_len, 2);
	teardown();
}
END_TEST

CHECK_MAIN("virtio-console", test_output_reaches_the_terminal,
	   test_output_that_is_not_taken_waits_and_comes_once,
	   test_reset_forgets_a_half_written_chain,
	   test_input_fills_the_drivers_buffers_and_waits_for_more,
	   test_buffers_of_the_wrong_direction_do_no_harm, test_resize_is_told_to_the_guest,
	   test_emergency_output_needs_no_queue, test_registers_carry_a_half_written_chain,
	   test_held_console_says_nothing_of_what_registers_hold)
