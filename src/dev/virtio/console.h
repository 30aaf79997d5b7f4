/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-console (virtio 1.2, 5.3) with one port. */
#ifndef DEV_VIRTIO_CONSOLE_H
#define DEV_VIRTIO_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

struct vm;
struct pci_host;
struct virtio_device;
struct console;

struct console_options {
	const char *id; /* "console0": for messages */
	uint16_t columns, rows;
	/*
	 * Takes what the guest wrote, which may change under the reader's eyes; returns how many
	 * bytes it took. After a short count it is not called again until console_output_ready().
	 * Loop thread. NULL: bytes are dropped.
	 */
	size_t (*output)(void *self, const void *buf, size_t len);
	/* There may be room again after console_input() took less than it was given. May be NULL.
	 */
	void (*input_room)(void *self);
	void *self;
};

/* -errno of virtio_device_create(). */
int console_create(struct vm *vm, struct pci_host *host, const struct console_options *options,
		   struct console **ret_console);
/* On the loop's thread (or when it does not run), the vCPUs stopped. NULL is fine. */
void console_destroy(struct console *console);

/* For quiesce and resume. */
struct virtio_device *console_device(struct console *console);

/* The rest: loop thread. */

/* Input for the guest: returns how much fits into the buffers that its driver has given. */
size_t console_input(struct console *console, const void *buf, size_t len);
/* The terminal can take output again; at the VM's end: hands out what it takes now. */
void console_output_ready(struct console *console);
/*
 * Between the two nothing is handed out that is in registers; resume() of the device does the rest.
 * hold also before the loop runs.
 */
void console_hold(struct console *console);
void console_go_on(struct console *console);
/* The terminal has another size now: the guest is told. */
void console_resize(struct console *console, uint16_t columns, uint16_t rows);

#endif
