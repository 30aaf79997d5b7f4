/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of the serial port share: the chip and its registers' bank. */
#ifndef DEV_SERIAL_CHIP_H
#define DEV_SERIAL_CHIP_H

#include <pthread.h>
#include <stdbool.h>

#include "dev/serial.h"
#include "io/kick.h"
#include "io/loop.h"
#include "vm/irq.h"

/* PC16550D table II: offsets. RBR/THR, IER and DLL, DLM share theirs, as do IIR and FCR. */
enum {
	SERIAL_RBR = 0,
	SERIAL_THR = 0,
	SERIAL_DLL = 0,
	SERIAL_IER = 1,
	SERIAL_DLM = 1,
	SERIAL_IIR = 2,
	SERIAL_FCR = 2,
	SERIAL_LCR = 3,
	SERIAL_MCR = 4,
	SERIAL_LSR = 5,
	SERIAL_MSR = 6,
	SERIAL_SCR = 7,
	SERIAL_PORTS = 8,
};

enum {
	IER_ERBFI = 0x01, /* data received */
	IER_ETBEI = 0x02, /* transmitter holding register empty */
	IER_ELSI = 0x04,  /* line status */
	IER_EDSSI = 0x08, /* modem status */
	IER_MASK = 0x0f,

	IIR_NONE = 0x01,
	IIR_MODEM = 0x00,
	IIR_THRE = 0x02,
	IIR_DATA = 0x04,
	IIR_LINE = 0x06,
	IIR_TIMEOUT = 0x0c,
	IIR_FIFO = 0xc0,

	FCR_ENABLE = 0x01,
	FCR_CLEAR_RX = 0x02,
	FCR_CLEAR_TX = 0x04,
	FCR_TRIGGER_SHIFT = 6,
	FCR_KEPT = 0xc9, /* the clear bits reset themselves */

	LCR_DLAB = 0x80,

	MCR_DTR = 0x01,
	MCR_RTS = 0x02,
	MCR_OUT1 = 0x04,
	MCR_OUT2 = 0x08,
	MCR_LOOP = 0x10,
	MCR_MASK = 0x1f,

	LSR_DR = 0x01,
	LSR_OE = 0x02,
	LSR_ERRORS = 0x1e,
	LSR_THRE = 0x20,
	LSR_TEMT = 0x40,

	MSR_DELTAS = 0x0f,
	MSR_TERI = 0x04,
	MSR_CTS = 0x10,
	MSR_DSR = 0x20,
	MSR_RI = 0x40,
	MSR_DCD = 0x80,
	MSR_CONNECTED = MSR_CTS | MSR_DSR | MSR_DCD,
};

#define SERIAL_COM1 0x3f8
#define SERIAL_FIFO 16U

/* The transmit buffer with its length fits into one register of 8 KiB. */
#define SERIAL_TX_MAX 8188U

struct serial {
	struct vm *vm;
	struct loop *loop;
	struct serial_options options;
	bool claimed; /* the ports, or the address */
	struct irq_pulse irq;
	struct kick kick;	 /* vCPU threads: output began, or input has room */
	struct loop_timer timer; /* loop thread: the next look at the transmit buffer */
	bool held;		 /* loop thread: between serial_hold() and serial_go_on() */

	pthread_mutex_t lock; /* all below */
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	uint8_t line_errors;  /* LSR bits that stay until LSR is read */
	uint8_t modem_deltas; /* MSR bits that stay until MSR is read */
	bool thre_pending;    /* the THRE interrupt, before IER */
	bool asserted;	      /* the interrupt output, after IER */
	uint8_t rx[SERIAL_FIFO];
	unsigned rx_count;
	bool rx_refused; /* input waits for room */
	uint8_t tx[SERIAL_TX_MAX];
	unsigned tx_first, tx_count;
	bool tx_watched; /* the loop looks at the buffer by itself: no kick is needed */
	bool tx_refused; /* the console takes nothing until serial_output_ready() */
};

/* What its registers are numbered from: 64 Ki numbers are its own. */
static inline uint32_t serial_number(const struct serial *serial)
{
	return serial->options.port ? (uint32_t)serial->options.port << 16 :
				      serial->options.address;
}

/* With the lock held. The first raises the interrupt where its output rose, the second does not. */
void serial_update_irq(struct serial *serial);
void serial_settle_irq(struct serial *serial);
void serial_watch_tx(struct serial *serial);

#endif
