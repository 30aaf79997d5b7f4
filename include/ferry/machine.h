/* SPDX-License-Identifier: Apache-2.0 */
/* A machine: a VM with memory, devices and a kernel, assembled from one description. */
#ifndef FERRY_MACHINE_H
#define FERRY_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ferry/vm.h>

struct machine_disk {
	const char *path;
	bool readonly;
	bool direct;         /* O_DIRECT */
	unsigned queues;     /* 0: one per vCPU, at most 16 */
	const char *serial;  /* at most 20 bytes; NULL: none */
};

enum machine_net_kind {
	MACHINE_NET_USER, /* passt: no privilege needed */
	MACHINE_NET_TAP,
};

struct machine_net {
	enum machine_net_kind kind;
	const char *tap; /* interface name */
	uint8_t mac[6];  /* all zero: made from the VM's name and the device's number */
};

enum machine_console {
	MACHINE_CONSOLE_SERIAL, /* the 16550, ttyS0 */
	MACHINE_CONSOLE_VIRTIO, /* virtio-console, hvc0 */
	MACHINE_CONSOLES,
};

/* Everything is copied by machine_create(); nothing need outlive it. */
struct machine_options {
	struct vm_options vm;
	uint64_t memory; /* bytes; a multiple of the page size of the backing */
	const char *kernel;
	const char *const *initrds;
	size_t initrd_count;
	const char *cmdline;
	bool kaslr;
	const struct machine_disk *disks;
	size_t disk_count;
	const struct machine_net *nets;
	size_t net_count;
	const char *rng_source; /* NULL: getrandom(2); "": no virtio-rng */
	bool balloon;
	bool virtio_console;
	/*
	 * Output of a console, on the loop's thread: returns how many bytes it took. After a short
	 * count it is not called for that console again until machine_output_ready(). NULL: dropped.
	 */
	size_t (*output)(void *self, enum machine_console console, const void *buf, size_t len);
	/* There is room for machine_input() again. May be NULL. */
	void (*input_ready)(void *self, enum machine_console console);
	void *self;
};

struct machine;

/*
 * Assembles the machine and loads the kernel; nothing runs yet. Whatever is wrong (a file, a size, a
 * host without KVM) is in the error text, and nothing is left behind.
 */
int machine_create(const struct machine_options *options, struct machine **ret_machine);
void machine_destroy(struct machine *machine);

/* vm_start(), vm_pause(), vm_wait() … of this do the running. Destroyed with the machine. */
struct vm *machine_vm(struct machine *machine);

/* The rest belongs to the loop's thread. */

/* Keyboard input; returns how many bytes were taken. input_ready tells when to go on. */
size_t machine_input(struct machine *machine, enum machine_console console, const void *buf,
		     size_t len);
/* The console can take output again. */
void machine_output_ready(struct machine *machine, enum machine_console console);
/* Hands out what the consoles still hold, as far as output() takes it. After the VM has ended. */
void machine_flush(struct machine *machine);
/* The size of the terminal behind virtio-console. */
void machine_console_size(struct machine *machine, uint16_t columns, uint16_t rows);
/* Presses the ACPI power button. */
void machine_power_button(struct machine *machine);
/* Asks the balloon to leave the guest that many bytes. -ENODEV without a balloon; -ERANGE. */
int machine_balloon(struct machine *machine, uint64_t bytes);

#endif
