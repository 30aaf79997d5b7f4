/* SPDX-License-Identifier: Apache-2.0 */
/* The serial port: the chip as a driver sees it, and the buffers behind it. */
#include "dev/serial_chip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/bus.h>
#include <ferry/vm.h>

#include "base/util.h"

/* Output is collected this long, so that a busy guest costs a wake-up a batch and not a byte. */
#define TX_BATCH_NS 2000000UL

/*
 * The holding register counts as empty while a whole FIFO fits: drivers send that many bytes after
 * one look. What is in the buffer counts as sent, so TEMT goes with it.
 */
static bool tx_has_room(const struct serial *serial)
{
	return SERIAL_TX_MAX - serial->tx_count >= SERIAL_FIFO;
}

static unsigned rx_capacity(const struct serial *serial)
{
	return serial->fcr & FCR_ENABLE ? SERIAL_FIFO : 1;
}

static bool rx_reached_trigger(const struct serial *serial)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return !(serial->fcr & FCR_ENABLE) ||
	       serial->rx_count >= levels[serial->fcr >> FCR_TRIGGER_SHIFT];
}

/* PC16550D table IV: interrupt priorities. Bytes below the trigger level count as timed out. */
static uint8_t interrupt_source(const struct serial *serial)
{
	if ((serial->ier & IER_ELSI) && serial->line_errors)
		return IIR_LINE;
	if ((serial->ier & IER_ERBFI) && serial->rx_count)
		return rx_reached_trigger(serial) ? IIR_DATA : IIR_TIMEOUT;
	if ((serial->ier & IER_ETBEI) && serial->thre_pending)
		return IIR_THRE;
	if ((serial->ier & IER_EDSSI) && serial->modem_deltas)
		return IIR_MODEM;
	return IIR_NONE;
}

/*
 * The line is edge-triggered: one pulse when the output rises. It falls when the driver has looked
 * at the cause, so a driver that writes 16 bytes after one look is interrupted once.
 */
void serial_update_irq(struct serial *serial)
{
	bool asserted = interrupt_source(serial) != IIR_NONE;

	if (asserted && !serial->asserted)
		irq_pulse_raise(&serial->irq);
	serial->asserted = asserted;
}

void serial_settle_irq(struct serial *serial)
{
	serial->asserted = interrupt_source(serial) != IIR_NONE;
}

/* In loopback the modem's outputs are its inputs (PC16550D 8.5). */
static uint8_t modem_status(const struct serial *serial)
{
	uint8_t mcr = serial->mcr, lines = MSR_CONNECTED;

	if (mcr & MCR_LOOP)
		lines = (mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
			(mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0);
	return lines | serial->modem_deltas;
}

void serial_watch_tx(struct serial *serial)
{
	if (serial->tx_watched || !serial->tx_count)
		return;
	serial->tx_watched = kick_give(&serial->kick) == 0;
}

static void wake_refused_input(struct serial *serial)
{
	if (serial->rx_refused && serial->rx_count < rx_capacity(serial) &&
	    !(serial->mcr & MCR_LOOP))
		kick_give(&serial->kick);
}

static void rx_put(struct serial *serial, uint8_t byte)
{
	if (serial->rx_count >= rx_capacity(serial))
		serial->line_errors |= LSR_OE;
	else
		serial->rx[serial->rx_count++] = byte;
}

static uint8_t rx_get(struct serial *serial)
{
	uint8_t byte = serial->rx[0];

	if (!serial->rx_count)
		return 0;
	serial->rx_count--;
	memmove(serial->rx, serial->rx + 1, serial->rx_count);
	if (!serial->rx_count)
		wake_refused_input(serial);
	return byte;
}

/* What a driver sends without having seen THRE, while there is no room, is lost, as in the chip. */
static void tx_put(struct serial *serial, uint8_t byte)
{
	if (serial->options.output && serial->tx_count < SERIAL_TX_MAX) {
		serial->tx[(serial->tx_first + serial->tx_count++) % SERIAL_TX_MAX] = byte;
		serial_watch_tx(serial);
	}
	serial->thre_pending = tx_has_room(serial);
}

static void write_thr(struct serial *serial, uint8_t byte)
{
	if (serial->mcr & MCR_LOOP) {
		rx_put(serial, byte);
		serial->thre_pending = true;
	} else {
		tx_put(serial, byte);
	}
}

static void write_ier(struct serial *serial, uint8_t value)
{
	/* Enabling the THRE interrupt while the register is empty raises it: drivers start so. */
	if ((value & ~serial->ier & IER_ETBEI) && tx_has_room(serial))
		serial->thre_pending = true;
	serial->ier = value & IER_MASK;
}

/* What was sent is on its way: clearing the transmit FIFO does not take it back. */
static void write_fcr(struct serial *serial, uint8_t value)
{
	bool toggled = (value ^ serial->fcr) & FCR_ENABLE;

	/* The other bits count only while bit 0 is written as 1 (PC16550D 8.4). */
	serial->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
	if (toggled || ((value & FCR_ENABLE) && (value & FCR_CLEAR_RX))) {
		serial->rx_count = 0;
		wake_refused_input(serial);
	}
}

static void write_mcr(struct serial *serial, uint8_t value)
{
	uint8_t before = modem_status(serial), changed;

	serial->mcr = value & MCR_MASK;
	changed = (before ^ modem_status(serial)) >> 4;
	/* Of RI only the end of the ring counts. */
	if ((changed & MSR_TERI) && (modem_status(serial) & MSR_RI))
		changed &= ~MSR_TERI;
	serial->modem_deltas |= changed;
	wake_refused_input(serial);
}

static uint8_t read_iir(struct serial *serial)
{
	uint8_t source = interrupt_source(serial);

	if (source == IIR_THRE)
		serial->thre_pending = false;
	return source | (serial->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

static uint8_t read_lsr(struct serial *serial)
{
	uint8_t value = serial->line_errors;

	serial->line_errors = 0;
	if (serial->rx_count)
		value |= LSR_DR;
	if (tx_has_room(serial))
		value |= LSR_THRE | LSR_TEMT;
	return value;
}

static uint8_t read_msr(struct serial *serial)
{
	uint8_t value = modem_status(serial);

	serial->modem_deltas = 0;
	return value;
}

static uint8_t read_register(struct serial *serial, uint64_t offset)
{
	bool dlab = serial->lcr & LCR_DLAB;

	switch (offset) {
	case SERIAL_RBR:
		return dlab ? serial->dll : rx_get(serial);
	case SERIAL_IER:
		return dlab ? serial->dlm : serial->ier;
	case SERIAL_IIR:
		return read_iir(serial);
	case SERIAL_LCR:
		return serial->lcr;
	case SERIAL_MCR:
		return serial->mcr;
	case SERIAL_LSR:
		return read_lsr(serial);
	case SERIAL_MSR:
		return read_msr(serial);
	case SERIAL_SCR:
		return serial->scr;
	default:
		return 0xff;
	}
}

static void write_register(struct serial *serial, uint64_t offset, uint8_t value)
{
	bool dlab = serial->lcr & LCR_DLAB;

	if (offset == SERIAL_DLL && dlab)
		serial->dll = value;
	else if (offset == SERIAL_DLM && dlab)
		serial->dlm = value;
	else if (offset == SERIAL_THR)
		write_thr(serial, value);
	else if (offset == SERIAL_IER)
		write_ier(serial, value);
	else if (offset == SERIAL_FCR)
		write_fcr(serial, value);
	else if (offset == SERIAL_LCR)
		serial->lcr = value;
	else if (offset == SERIAL_MCR)
		write_mcr(serial, value);
	else if (offset == SERIAL_SCR)
		serial->scr = value;
}

/* A wide access is one to each of the ports in turn, as an 8-bit device on ISA sees it. */
static void port_read(void *self, uint64_t offset, void *data, unsigned len)
{
	struct serial *serial = self;
	uint8_t *bytes = data;

	pthread_mutex_lock(&serial->lock);
	for (unsigned i = 0; i < len; i++)
		bytes[i] = read_register(serial, offset + i);
	serial_update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
}

static void port_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct serial *serial = self;
	const uint8_t *bytes = data;

	pthread_mutex_lock(&serial->lock);
	for (unsigned i = 0; i < len; i++)
		write_register(serial, offset + i, bytes[i]);
	serial_update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
}

static const struct bus_ops port_ops = { .read = port_read, .write = port_write };

static size_t give(struct serial *serial, const void *buf, size_t len)
{
	const struct serial_options *options = &serial->options;

	return options->output ? min_u64(options->output(options->self, buf, len), len) : len;
}

/* Gives one piece to the console, unlocked: it may call back. False: there was none, or no taker.
 */
static bool send_piece(struct serial *serial)
{
	uint8_t piece[1024];
	unsigned count, first;
	size_t taken;

	pthread_mutex_lock(&serial->lock);
	count = min_u64(serial->tx_count, sizeof(piece));
	first = min_u64(count, SERIAL_TX_MAX - serial->tx_first);
	memcpy(piece, serial->tx + serial->tx_first, first);
	memcpy(piece + first, serial->tx, count - first);
	pthread_mutex_unlock(&serial->lock);
	if (!count)
		return false;

	taken = give(serial, piece, count);
	pthread_mutex_lock(&serial->lock);
	/* A restored register may have replaced the buffer in the meantime. */
	taken = min_u64(taken, serial->tx_count);
	serial->tx_first = (serial->tx_first + taken) % SERIAL_TX_MAX;
	if (!tx_has_room(serial) && SERIAL_TX_MAX - serial->tx_count + taken >= SERIAL_FIFO)
		serial->thre_pending = true;
	serial->tx_count -= taken;
	serial->tx_refused = taken < count;
	serial_update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
	return taken == count;
}

static void send_batch(struct loop_timer *timer);

/* Sends what there is and looks again a little later, until a look finds nothing. */
static void send(struct serial *serial)
{
	bool found = false;

	if (serial->held)
		return;
	while (send_piece(serial))
		found = true;
	if (found)
		found = loop_timer_arm(serial->loop, &serial->timer, TX_BATCH_NS, send_batch) == 0;
	pthread_mutex_lock(&serial->lock);
	serial->tx_watched = found || serial->tx_refused;
	serial_watch_tx(serial);
	pthread_mutex_unlock(&serial->lock);
}

static void send_batch(struct loop_timer *timer)
{
	send(container_of(timer, struct serial, timer));
}

static void kicked(struct kick *kick)
{
	struct serial *serial = container_of(kick, struct serial, kick);
	bool room, refused;

	if (serial->held)
		return;
	pthread_mutex_lock(&serial->lock);
	room = serial->rx_refused && serial->rx_count < rx_capacity(serial);
	if (room)
		serial->rx_refused = false;
	refused = serial->tx_refused;
	pthread_mutex_unlock(&serial->lock);
	if (room && serial->options.input_room)
		serial->options.input_room(serial->options.self);
	if (!refused)
		send(serial);
}

size_t serial_input(struct serial *serial, const void *buf, size_t len)
{
	const uint8_t *bytes = buf;
	size_t taken = 0;

	pthread_mutex_lock(&serial->lock);
	if (!(serial->mcr & MCR_LOOP))
		while (taken < len && serial->rx_count < rx_capacity(serial))
			rx_put(serial, bytes[taken++]);
	serial->rx_refused = taken < len;
	serial_update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
	return taken;
}

void serial_output_ready(struct serial *serial)
{
	pthread_mutex_lock(&serial->lock);
	serial->tx_refused = false;
	pthread_mutex_unlock(&serial->lock);
	send(serial);
}

void serial_flush(struct serial *serial)
{
	while (send_piece(serial))
		;
}

void serial_hold(struct serial *serial)
{
	bool refused;

	pthread_mutex_lock(&serial->lock);
	refused = serial->tx_refused;
	pthread_mutex_unlock(&serial->lock);
	if (!refused)
		serial_flush(serial);
	serial->held = true;
}

void serial_go_on(struct serial *serial, bool arrived)
{
	serial->held = false;
	pthread_mutex_lock(&serial->lock);
	if (arrived && serial->asserted)
		irq_pulse_raise(&serial->irq);
	pthread_mutex_unlock(&serial->lock);
	kicked(&serial->kick);
}

/* Where it is: the bus, and the place on it. */
static struct bus *bus_of(const struct serial *serial, uint64_t *ret_base)
{
	*ret_base = serial->options.port ? serial->options.port : serial->options.address;
	return serial->options.port ? vm_pio(serial->vm) : vm_mmio(serial->vm);
}

int serial_create(struct vm *vm, const struct serial_options *options, struct serial **ret_serial)
{
	struct serial *serial = calloc(1, sizeof(*serial));
	struct bus *bus;
	uint64_t base;
	int r;

	if (!serial)
		return -ENOMEM;
	serial->vm = vm;
	serial->loop = vm_loop(vm);
	serial->options = *options;
	serial->irq.fd = -1;
	serial->dll = 1; /* 115200 baud, as firmware leaves it */
	pthread_mutex_init(&serial->lock, NULL);
	kick_init(&serial->kick, serial->loop, kicked);
	r = irq_pulse_init(&serial->irq, vm, options->gsi);
	if (r < 0)
		goto fail;
	bus = bus_of(serial, &base);
	r = bus_add(bus, "serial", base, SERIAL_PORTS, &port_ops, serial);
	if (r < 0)
		goto fail;
	serial->claimed = true;
	*ret_serial = serial;
	return 0;
fail:
	serial_destroy(serial);
	return r;
}

void serial_destroy(struct serial *serial)
{
	struct bus *bus;
	uint64_t base;

	if (!serial)
		return;
	if (serial->claimed) {
		bus = bus_of(serial, &base);
		bus_remove(bus, base);
	}
	kick_finish(&serial->kick);
	loop_timer_disarm(serial->loop, &serial->timer);
	irq_pulse_finish(&serial->irq);
	pthread_mutex_destroy(&serial->lock);
	free(serial);
}
