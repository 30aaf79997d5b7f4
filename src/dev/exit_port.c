/* SPDX-License-Identifier: Apache-2.0 */
/* The port by which a test program ends its machine. */
#include "dev/exit_port.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/bus.h>
#include <ferry/vm.h>

struct exit_port {
	struct vm *vm;
	uint16_t port;
	bool claimed;
};

static void port_read(void *self, uint64_t offset, void *data, unsigned len)
{
	(void)self, (void)offset;
	memset(data, 0, len);
}

static void port_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct exit_port *exit_port = self;
	uint32_t status = 0;
	char text[64];

	if (offset != 0)
		return;
	memcpy(&status, data, len < sizeof(status) ? len : sizeof(status));
	if (status == 0) {
		vm_end(exit_port->vm, VM_END_POWEROFF, NULL);
		return;
	}
	snprintf(text, sizeof(text), "status %u", status);
	vm_end(exit_port->vm, VM_END_TEST_FAILED, text);
}

static const struct bus_ops port_ops = { .read = port_read, .write = port_write };

int exit_port_create(struct vm *vm, uint16_t port, struct exit_port **ret_exit_port)
{
	struct exit_port *exit_port = calloc(1, sizeof(*exit_port));
	int r;

	if (!exit_port)
		return -ENOMEM;
	exit_port->vm = vm;
	exit_port->port = port;
	r = bus_add(vm_pio(vm), "exit-port", port, 4, &port_ops, exit_port);
	if (r < 0) {
		exit_port_destroy(exit_port);
		return r;
	}
	exit_port->claimed = true;
	*ret_exit_port = exit_port;
	return 0;
}

void exit_port_destroy(struct exit_port *exit_port)
{
	if (!exit_port)
		return;
	if (exit_port->claimed)
		bus_remove(vm_pio(exit_port->vm), exit_port->port);
	free(exit_port);
}
