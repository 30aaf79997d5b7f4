/* SPDX-License-Identifier: Apache-2.0 */
/* The serial port as Linux's 8250 driver uses it, and as a hostile guest may. */
#include "check_main.h"
#include "dev/fake_vm.h"

#include "dev/serial.h"

#define PORT 0x3f8
#define THR  (PORT + 0)
#define IER  (PORT + 1)
#define IIR  (PORT + 2)
#define FCR  (PORT + 2)
#define LCR  (PORT + 3)
#define MCR  (PORT + 4)
#define LSR  (PORT + 5)
#define MSR  (PORT + 6)
#define SCR  (PORT + 7)

struct host {
	struct vm vm;
	struct serial *serial;
	char sent[65536];
	size_t sent_len;
	size_t room; /* how much more the console takes */
	unsigned calls, rooms;
};

static size_t host_output(void *self, const void *buf, size_t len)
{
	struct host *host = self;
	size_t taken = len < host->room ? len : host->room;

	host->calls++;
	ck_assert_uint_le(host->sent_len + taken, sizeof(host->sent));
	memcpy(host->sent + host->sent_len, buf, taken);
	host->sent_len += taken;
	host->room -= taken;
	return taken;
}

static void host_input_room(void *self)
{
	((struct host *)self)->rooms++;
}

static void host_init_port(struct host *host, uint16_t port)
{
	struct serial_options options = {
		.port = port,
		.gsi = 4,
		.output = host_output,
		.input_room = host_input_room,
		.self = host,
	};

	memset(host, 0, sizeof(*host));
	host->room = SIZE_MAX;
	fake_vm_init(&host->vm);
	ck_assert_int_eq(serial_create(&host->vm, &options, &host->serial), 0);
	ck_assert_int_eq(serial_add_bank(host->serial, &host->vm.regs), 0);
}

static void host_init(struct host *host)
{
	host_init_port(host, PORT);
}

static void host_finish(struct host *host)
{
	serial_destroy(host->serial);
	fake_vm_finish(&host->vm);
}

static struct host host;

START_TEST(test_sent_bytes_reach_the_console_in_order)
{
	host_init(&host);
	for (const char *p = "hello\n"; *p; p++)
		outb(&host.vm, THR, *p);
	ck_assert_uint_eq(host.calls, 0); /* never on the vCPU's thread */
	fake_run_ms(&host.vm, 20);
	ck_assert_uint_eq(host.sent_len, 6);
	ck_assert_mem_eq(host.sent, "hello\n", 6);
	ck_assert_uint_eq(host.calls, 1);
	host_finish(&host);
}
END_TEST

START_TEST(test_output_goes_on_after_an_idle_time)
{
	host_init(&host);
	outb(&host.vm, THR, 'a');
	fake_run_ms(&host.vm, 30);
	outb(&host.vm, THR, 'b');
	fake_run_ms(&host.vm, 30);
	ck_assert_uint_eq(host.sent_len, 2);
	host_finish(&host);
}
END_TEST

START_TEST(test_output_that_is_not_consumed_holds_thre_back_and_loses_nothing)
{
	size_t written = 0;

	host_init(&host);
	host.room = 0;
	while (inb(&host.vm, LSR) & 0x20) {
		for (int i = 0; i < 16; i++)
			outb(&host.vm, THR, 'a' + (written++ % 26));
		ck_assert_uint_lt(written, 100000);
	}
	fake_run_ms(&host.vm, 10);
	ck_assert_uint_eq(inb(&host.vm, LSR) & 0x60, 0);
	outb(&host.vm, IER, 0x02);
	ck_assert_uint_eq(fake_pulses(&host.vm), 0);
	host.room = SIZE_MAX;
	serial_output_ready(host.serial);
	ck_assert_uint_eq(host.sent_len, written);
	ck_assert_uint_eq(inb(&host.vm, LSR) & 0x60, 0x60);
	ck_assert_uint_eq(fake_pulses(&host.vm), 1);
	for (size_t i = 0; i < written; i++)
		ck_assert_int_eq(host.sent[i], 'a' + (int)(i % 26));
	host_finish(&host);
}
END_TEST

START_TEST(test_a_guest_that_ignores_thre_loses_bytes_and_hurts_nobody)
{
	host_init(&host);
	host.room = 0;
	for (int i = 0; i < 100000; i++)
		outb(&host.vm, THR, 'x');
	fake_run_ms(&host.vm, 10);
	host.room = SIZE_MAX;
	serial_output_ready(host.serial);
	ck_assert_uint_gt(host.sent_len, 4096);
	ck_assert_uint_lt(host.sent_len, 10000);
	host_finish(&host);
}
END_TEST

START_TEST(test_flush_hands_out_what_the_loop_did_not_yet)
{
	host_init(&host);
	outb(&host.vm, THR, 'z');
	serial_flush(host.serial);
	ck_assert_uint_eq(host.sent_len, 1);
	outb(&host.vm, THR, 'y');
	fake_run_ms(&host.vm, 20);
	ck_assert_uint_eq(host.sent_len, 2);
	host_finish(&host);
}
END_TEST

START_TEST(test_without_a_console_output_is_dropped_and_thre_stays)
{
	struct serial_options options = { .port = PORT, .gsi = 4 };

	memset(&host, 0, sizeof(host));
	fake_vm_init(&host.vm);
	ck_assert_int_eq(serial_create(&host.vm, &options, &host.serial), 0);
	for (int i = 0; i < 20000; i++)
		outb(&host.vm, THR, 'x');
	ck_assert_uint_eq(inb(&host.vm, LSR), 0x60);
	host_finish(&host);
}
END_TEST

START_TEST(test_enabling_the_thre_interrupt_raises_it)
{
	host_init(&host);
	outb(&host.vm, IER, 0x02);
	ck_assert_uint_eq(fake_pulses(&host.vm), 1);
	ck_assert_uint_eq(inb(&host.vm, IIR), 0x02);
	ck_assert_uint_eq(inb(&host.vm, IIR), 0x01); /* reading took it back */
	outb(&host.vm, IER, 0x00);
	outb(&host.vm, IER, 0x02);
	ck_assert_uint_eq(fake_pulses(&host.vm), 1);
	host_finish(&host);
}
END_TEST

START_TEST(test_a_burst_after_one_look_is_one_interrupt)
{
	host_init(&host);
	outb(&host.vm, IER, 0x02);
	inb(&host.vm, IIR);
	fake_pulses(&host.vm);
	for (int i = 0; i < 16; i++)
		outb(&host.vm, THR, 'x');
	ck_assert_uint_eq(fake_pulses(&host.vm), 1);
	ck_assert_uint_eq(inb(&host.vm, IIR), 0x02);
	host_finish(&host);
}
END_TEST

START_TEST(test_input_fills_the_fifo_and_tells_when_there_is_room)
{
	host_init(&host);
	outb(&host.vm, FCR, 0x81); /* FIFO on, trigger at 8 */
	outb(&host.vm, IER, 0x01);
	ck_assert_uint_eq(serial_input(host.serial, "0123456789abcdefXYZ", 19), 16);
	ck_assert_uint_eq(fake_pulses(&host.vm), 1);
	ck_assert_uint_eq(inb(&host.vm, IIR), 0xc4);
	for (int i = 0; i < 16; i++) {
		ck_assert_uint_eq(inb(&host.vm, LSR) & 0x01, 1);
		ck_assert_int_eq(inb(&host.vm, THR), "0123456789abcdef"[i]);
		if (i < 15) /* below the trigger from 7 bytes on */
			ck_assert_uint_eq(inb(&host.vm, IIR), i < 8 ? 0xc4 : 0xcc);
	}
	ck_assert_uint_eq(inb(&host.vm, IIR), 0xc1);
	ck_assert_uint_eq(inb(&host.vm, THR), 0);
	ck_assert_uint_eq(host.rooms, 0);
	fake_run_ms(&host.vm, 10);
	ck_assert_uint_eq(host.rooms, 1);
	ck_assert_uint_eq(serial_input(host.serial, "XYZ", 3), 3);
	host_finish(&host);
}
END_TEST

START_TEST(test_without_fifo_one_byte_is_taken)
{
	host_init(&host);
	ck_assert_uint_eq(serial_input(host.serial, "ab", 2), 1);
	ck_assert_uint_eq(inb(&host.vm, THR), 'a');
	host_finish(&host);
}
END_TEST

START_TEST(test_loopback_returns_bytes_and_modem_lines)
{
	host_init(&host);
	outb(&host.vm, MCR, 0x1a); /* Linux's autoconfig: LOOP, OUT2, RTS */
	ck_assert_uint_eq(inb(&host.vm, MSR) & 0xf0, 0x90);
	outb(&host.vm, FCR, 0x01);
	for (int i = 0; i < 20; i++)
		outb(&host.vm, THR, i);
	ck_assert_uint_eq(inb(&host.vm, LSR) & 0x03, 0x03); /* overrun */
	for (int i = 0; i < 16; i++)
		ck_assert_uint_eq(inb(&host.vm, THR), i);
	ck_assert_uint_eq(inb(&host.vm, LSR) & 0x03, 0);
	ck_assert_uint_eq(serial_input(host.serial, "x", 1), 0);
	outb(&host.vm, MCR, 0x0b);
	fake_run_ms(&host.vm, 10);
	ck_assert_uint_eq(host.rooms, 1);
	ck_assert_uint_eq(host.sent_len, 0);
	ck_assert_uint_eq(inb(&host.vm, MSR) & 0xf0, 0xb0);
	host_finish(&host);
}
END_TEST

START_TEST(test_loopback_changes_raise_the_modem_interrupt)
{
	host_init(&host);
	outb(&host.vm, MCR, 0x10);
	inb(&host.vm, MSR);
	outb(&host.vm, IER, 0x08);
	outb(&host.vm, MCR, 0x14); /* ring begins: no delta */
	ck_assert_uint_eq(fake_pulses(&host.vm), 0);
	outb(&host.vm, MCR, 0x10); /* ring ends */
	ck_assert_uint_eq(fake_pulses(&host.vm), 1);
	ck_assert_uint_eq(inb(&host.vm, IIR), 0x00);
	ck_assert_uint_eq(inb(&host.vm, MSR), 0x04);
	ck_assert_uint_eq(inb(&host.vm, IIR), 0x01);
	host_finish(&host);
}
END_TEST

START_TEST(test_divisor_latch_hides_data_and_interrupt_enable)
{
	host_init(&host);
	outb(&host.vm, LCR, 0x83);
	outb(&host.vm, THR, 0x0c);
	outb(&host.vm, IER, 0x34);
	ck_assert_uint_eq(inb(&host.vm, THR), 0x0c);
	ck_assert_uint_eq(inb(&host.vm, IER), 0x34);
	outb(&host.vm, LCR, 0x03);
	ck_assert_uint_eq(inb(&host.vm, IER), 0x00);
	outb(&host.vm, IER, 0xff);
	ck_assert_uint_eq(inb(&host.vm, IER), 0x0f);
	outb(&host.vm, SCR, 0x5a);
	ck_assert_uint_eq(inb(&host.vm, SCR), 0x5a);
	fake_run_ms(&host.vm, 10);
	ck_assert_uint_eq(host.sent_len, 0);
	host_finish(&host);
}
END_TEST

START_TEST(test_clearing_fifos_drops_input_but_not_what_was_sent)
{
	host_init(&host);
	outb(&host.vm, FCR, 0x01);
	serial_input(host.serial, "in", 2);
	outb(&host.vm, THR, 'o');
	outb(&host.vm, FCR, 0x07);
	ck_assert_uint_eq(inb(&host.vm, LSR) & 0x01, 0);
	fake_run_ms(&host.vm, 20);
	ck_assert_uint_eq(host.sent_len, 1);
	host_finish(&host);
}
END_TEST

START_TEST(test_wide_accesses_touch_the_ports_in_turn)
{
	struct fake_range *range;
	uint32_t value = 0;

	host_init(&host);
	range = fake_port(&host.vm, PORT);
	range->ops->write(range->self, 4, "\x03\xff\xff\x77", 4);
	ck_assert_uint_eq(inb(&host.vm, SCR), 0x77);
	range->ops->read(range->self, 4, &value, 4);
	ck_assert_uint_eq(value, 0x77b06003);
	host_finish(&host);
}
END_TEST

START_TEST(test_registers_carry_the_port_to_another_vm)
{
	static struct host other;

	host_init(&host);
	host_init(&other);
	host.room = 0;
	outb(&host.vm, FCR, 0xc1);
	outb(&host.vm, IER, 0x03);
	outb(&host.vm, MCR, 0x0b);
	outb(&host.vm, SCR, 0x42);
	serial_input(host.serial, "typed", 5);
	for (int i = 0; i < 3000; i++)
		outb(&host.vm, THR, 'u');
	fake_run_ms(&host.vm, 10);
	fake_pulses(&other.vm);
	other.room = 0;
	fake_check_bank(&host.vm.regs, &other.vm.regs);
	ck_assert_uint_eq(fake_pulses(&other.vm), 0);
	ck_assert_uint_eq(inb(&other.vm, THR), 't');
	other.room = SIZE_MAX;
	fake_run_ms(&other.vm, 20);
	ck_assert_uint_eq(other.sent_len, 3000);
	host_finish(&host);
	host_finish(&other);
}
END_TEST

START_TEST(test_a_full_fifo_restored_without_fifo_mode_stays_inside)
{
	struct reg_key rbr = { REG_VM, REG_ID(REG_BANK_SERIAL, 0, 5, PORT << 16) };
	uint8_t image[32] = { 16, 'a', 'b' };

	host_init(&host);
	ck_assert_int_eq(reg_file_set(&host.vm.regs, rbr, image), 0);
	outb(&host.vm, MCR, 0x10);
	outb(&host.vm, THR, 'c');
	ck_assert_uint_eq(inb(&host.vm, LSR) & 0x02, 0x02);
	ck_assert_uint_eq(inb(&host.vm, THR), 'a');
	image[0] = 17;
	ck_assert_int_eq(reg_file_set(&host.vm.regs, rbr, image), -EINVAL);
	host_finish(&host);
}
END_TEST

START_TEST(test_registers_refuse_what_they_cannot_hold)
{
	struct reg_key ier = { REG_VM, REG_ID(REG_BANK_SERIAL, 0, 0, PORT << 16 | 1) };
	struct reg_key thr = { REG_VM, REG_ID(REG_BANK_SERIAL, 1, 13, PORT << 16) };
	struct reg_key none = { REG_VM, REG_ID(REG_BANK_SERIAL, 3, 0, PORT << 16 | 1) };
	static uint8_t big[8192];
	char name[32];

	host_init(&host);
	ck_assert_int_eq(reg_file_set(&host.vm.regs, ier, "\x10"), -EINVAL);
	memset(big, 0xff, 4);
	ck_assert_int_eq(reg_file_set(&host.vm.regs, thr, big), -EINVAL);
	ck_assert_int_eq(reg_file_get(&host.vm.regs, none, big), -ENOENT);
	ck_assert_int_eq(reg_file_name(&host.vm.regs, ier, name, sizeof(name)), 0);
	ck_assert_str_eq(name, "serial.ier");
	host_finish(&host);
}
END_TEST

START_TEST(test_held_port_stays_as_it_is_and_then_goes_on)
{
	struct reg_key thr = { REG_VM, REG_ID(REG_BANK_SERIAL, 1, 13, (uint32_t)PORT << 16) };
	static uint8_t image[8192] = { 3, 0, 0, 0, 'a', 'b', 'c' }, now[8192];

	host_init(&host);
	outb(&host.vm, THR, 'x');
	serial_hold(host.serial);
	ck_assert_uint_eq(host.sent_len, 1); /* not kept: it would only be carried */
	ck_assert_int_eq(reg_file_set(&host.vm.regs, thr, image), 0);
	fake_run_ms(&host.vm, 20);
	ck_assert_uint_eq(host.sent_len, 1);
	ck_assert_int_eq(reg_file_get(&host.vm.regs, thr, now), 0);
	ck_assert_mem_eq(now, image, sizeof(now));
	serial_go_on(host.serial, false);
	ck_assert_uint_eq(host.sent_len, 4);
	ck_assert_mem_eq(host.sent, "xabc", 4);
	host_finish(&host);
}
END_TEST

START_TEST(test_cause_that_was_carried_along_interrupts_again)
{
	host_init(&host);
	outb(&host.vm, IER, 2); /* transmitter empty */
	ck_assert_uint_eq(fake_pulses(&host.vm), 1);
	serial_hold(host.serial);
	serial_go_on(host.serial, false);
	ck_assert_uint_eq(fake_pulses(&host.vm), 0);
	serial_hold(host.serial);
	serial_go_on(host.serial, true);
	ck_assert_uint_eq(fake_pulses(&host.vm), 1);
	inb(&host.vm, IIR);
	serial_hold(host.serial);
	serial_go_on(host.serial, true);
	ck_assert_uint_eq(fake_pulses(&host.vm), 0);
	host_finish(&host);
}
END_TEST

CHECK_MAIN("serial", test_sent_bytes_reach_the_console_in_order,
	   test_output_goes_on_after_an_idle_time,
	   test_output_that_is_not_consumed_holds_thre_back_and_loses_nothing,
	   test_a_guest_that_ignores_thre_loses_bytes_and_hurts_nobody,
	   test_flush_hands_out_what_the_loop_did_not_yet,
	   test_without_a_console_output_is_dropped_and_thre_stays,
	   test_enabling_the_thre_interrupt_raises_it, test_a_burst_after_one_look_is_one_interrupt,
	   test_input_fills_the_fifo_and_tells_when_there_is_room,
	   test_without_fifo_one_byte_is_taken, test_loopback_returns_bytes_and_modem_lines,
	   test_loopback_changes_raise_the_modem_interrupt,
	   test_divisor_latch_hides_data_and_interrupt_enable,
	   test_clearing_fifos_drops_input_but_not_what_was_sent,
	   test_wide_accesses_touch_the_ports_in_turn, test_registers_carry_the_port_to_another_vm,
	   test_a_full_fifo_restored_without_fifo_mode_stays_inside,
	   test_registers_refuse_what_they_cannot_hold,
	   test_held_port_stays_as_it_is_and_then_goes_on,
	   test_cause_that_was_carried_along_interrupts_again)
