/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a machine together from its list, and takes it apart again. */
#include "machine/machine.h"

#include <errno.h>
#include <stdlib.h>

#include <ferry/error.h>

#include "base/util.h"
#include "dev/serial.h"
#include "dev/virtio/balloon.h"
#include "dev/virtio/console.h"
#include "dev/virtio/mem.h"
#include "dev/virtio/mem_blocks.h"

static int map_memory(void *self, struct mem *mem)
{
	struct machine *machine = self;
	const struct machine_options *options = machine->options;
	int r = machine_map_memory(machine, mem);

	if (r == 0 && options->fill_memory)
		r = options->fill_memory(options->fill_self, mem);
	return r;
}

int machine_create(const struct machine_options *options, struct machine **ret_machine)
{
	struct machine *machine = calloc(1, sizeof(*machine));
	struct vm_options vm = options->vm;
	int r;

	if (!machine)
		return -ENOMEM;
	machine->options = options;
	machine->output = options->output;
	machine->input_ready = options->input_ready;
	machine->self = options->self;
	machine->memory = options->memory;
	machine->memory_max = options->memory_max;
	machine_hold_init(machine);
	vm.map_memory = map_memory;
	vm.map_self = machine;
	r = vm_create(&vm, &machine->vm);
	while (r == 0 && machine->parts_added < machine_parts_count)
		r = machine_parts[machine->parts_added++].add(machine);
	if (r == 0 && options->blank)
		r = machine_hold_blank(machine);
	machine->options = NULL;
	if (r < 0)
		goto fail;
	*ret_machine = machine;
	return 0;
fail:
	machine_destroy(machine);
	return r;
}

void machine_destroy(struct machine *machine)
{
	if (!machine)
		return;
	vm_stop(machine->vm);
	while (machine->parts_added > 0) {
		const struct machine_part *part = &machine_parts[--machine->parts_added];

		if (part->remove)
			part->remove(machine);
	}
	vm_destroy(machine->vm);
	machine_hold_finish(machine);
	free(machine);
}

struct vm *machine_vm(struct machine *machine)
{
	return machine->vm;
}

size_t machine_input(struct machine *machine, enum machine_console console, const void *buf,
		     size_t len)
{
	if (machine->hold.at_rest) {
		machine->hold.input_refused[console] = true;
		return 0;
	}
	if (console == MACHINE_CONSOLE_SERIAL)
		return serial_input(machine->serial, buf, len);
	if (console == MACHINE_CONSOLE_XEN)
		return machine_xen_input(machine, buf, len);
	return machine->console ? console_input(machine->console, buf, len) : len;
}

void machine_output_ready(struct machine *machine, enum machine_console console)
{
	if (machine->hold.at_rest)
		machine->hold.output_ready[console] = true;
	else if (console == MACHINE_CONSOLE_SERIAL)
		serial_output_ready(machine->serial);
	else if (console == MACHINE_CONSOLE_XEN)
		machine_xen_output_ready(machine);
	else if (machine->console)
		console_output_ready(machine->console);
}

/* What a machine at rest still holds goes with it. */
void machine_flush(struct machine *machine)
{
	if (machine->hold.at_rest)
		return;
	serial_flush(machine->serial);
	machine_xen_output_ready(machine);
	if (machine->console)
		console_output_ready(machine->console);
}

void machine_throttle(struct machine *machine, unsigned percent)
{
	vm_throttle(machine->vm, percent);
}

void machine_console_size(struct machine *machine, uint16_t columns, uint16_t rows)
{
	if (machine->hold.at_rest) {
		machine->hold.resized = true;
		machine->hold.columns = columns;
		machine->hold.rows = rows;
	} else if (machine->console) {
		console_resize(machine->console, columns, rows);
	}
}

void machine_power_button(struct machine *machine)
{
	if (machine->hold.at_rest)
		machine->hold.power_button = true;
	else
		machine_own_power_button(machine);
}

int machine_balloon(struct machine *machine, uint64_t bytes)
{
	if (!machine->balloon)
		return because(-ENODEV, "the machine has no balloon: start it with --balloon");
	if (machine->hold.at_rest)
		return because(-EBUSY, "the machine is being saved or moved: try again later");
	return balloon_set_target(machine->balloon, bytes);
}

static int check_vmem(const struct machine *machine)
{
	return machine->vmem ? 0 : because(-ENODEV, "the machine's memory cannot grow: start it "
						    "with --memory SIZE,max=SIZE");
}

int machine_memory_request(struct machine *machine, uint64_t bytes)
{
	int r = check_vmem(machine);

	if (r < 0)
		return r;
	if (bytes < machine->memory || bytes > machine->memory_max)
		return because(-ERANGE, "the machine can have %llu to %llu MiB of memory",
			       (unsigned long long)(machine->memory / MIB),
			       (unsigned long long)(machine->memory_max / MIB));
	if (machine->hold.at_rest)
		return because(-EBUSY, "the machine is being saved or moved: try again later");
	return vmem_request(machine->vmem, bytes - machine->memory);
}

int machine_memory(struct machine *machine, struct machine_memory *ret_memory)
{
	int r = check_vmem(machine);

	if (r < 0)
		return r;
	*ret_memory = (struct machine_memory){
		.requested = machine->memory + vmem_requested(machine->vmem),
		.plugged = machine->memory + vmem_blocks_plugged(machine->blocks),
		.min = machine->memory,
		.max = machine->memory_max,
	};
	return 0;
}
