/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 16550A serial port (National Semiconductor PC16550D data sheet, table II) on eight I/O ports, or on
 * eight bytes of memory where the machine has no ports.
 */
#ifndef DEV_SERIAL_H
#define DEV_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;
struct serial;
struct reg_file;

struct serial_options {
	uint16_t port; /* the first of eight; 0: none */
	uint32_t address; /* without ports: a multiple of 64 KiB */
	uint32_t gsi;  /* edge-triggered */
	/*
	 * Takes what the guest sent; returns how many bytes it took. After a short count it is not
	 * called again until serial_output_ready(). Loop thread, no lock held. NULL: bytes are
	 * dropped.
	 */
	size_t (*output)(void *self, const void *buf, size_t len);
	/* There is room again after serial_input() took less than it was given. May be NULL. */
	void (*input_room)(void *self);
	void *self;
};

/* Claims the ports, or the address. -EEXIST: they are taken; -errno of the interrupt. */
int serial_create(struct vm *vm, const struct serial_options *options, struct serial **ret_serial);
/* On the loop's thread (or when it does not run), the vCPUs stopped. What was not sent is lost: see
 * serial_flush(). NULL is fine. */
void serial_destroy(struct serial *serial);

/*
 * The bank of this port: bank REG_BANK_SERIAL, number = first port << 16, or address, | register offset
 * of the data sheet. Field: enum serial_field. Restoring may be done in any order. -errno of
 * reg_file_add().
 */
int serial_add_bank(struct serial *serial, struct reg_file *file);

enum serial_field {
	SERIAL_FIELD_READ = 0,	/* what is read at the offset with DLAB 0; RBR: the receive FIFO */
	SERIAL_FIELD_WRITE = 1, /* what is written there: FCR; THR: bytes that were not sent yet */
	SERIAL_FIELD_DLAB = 2,	/* the divisor latch: DLL, DLM */
};

/* The line sends to the guest: returns how much was taken, at most the FIFO's room. Loop thread. */
size_t serial_input(struct serial *serial, const void *buf, size_t len);

/* The console can take output again. Loop thread. */
void serial_output_ready(struct serial *serial);

/* Hands out everything that the console takes now, not waiting for more. Loop thread. */
void serial_flush(struct serial *serial);
/*
 * Between the two its registers stay as they are: nothing is handed out, and there must be no input.
 * go_on, for a guest that arrived from elsewhere, interrupts it once more when there is a cause. Loop
 * thread; hold also before the loop runs.
 */
void serial_hold(struct serial *serial);
void serial_go_on(struct serial *serial, bool arrived);

#endif
