/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hypercalls of a Xen guest on the portable engine, one behind the other, as a guest may make them. The
 * vCPUs have no threads: this one is in their place. Its address space has paging off, so an address of
 * the guest's is one of memory. Needs /dev/kvm.
 *
 * An input: 256 bytes that the guest's pages repeat, then calls. A call: its number; a byte of which bit 0
 * says 64 bits and bit 1 which vCPU; six arguments. An argument: below 0xc0 itself; up to 0xdf a page's
 * address and the offset in the next byte, times 16; from 0xe0 on the eight bytes behind it. Two numbers are no
 * hypercalls: POKE writes its second argument where its first one points to, REGISTERS reads and writes all that
 * ferry keeps of the guest, as for a move, and the one numbered by its first argument as a peer's with its second.
 */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>
#include <ferry/machine.h>

#include "base/util.h"
#include "io/loop.h"
#include "kvm/kvm_x86.h"
#include "machine/machine.h"
#include "pv/xen/hypercall.h"
#include "reg/reg_file.h"

#define MEMORY	  (4 * MIB)
#define PAGES_AT  0x100000UL
#define PAGES	  32
#define FILL	  256
#define CALLS_MAX 64

#define POKE	  0xfe
#define REGISTERS 0xff

struct input {
	const uint8_t *data;
	size_t size;
};

static const struct machine_options options = {
	.memory = MEMORY,
	.vm = { .name = "fuzz", .vcpus = 2 },
	.blank = true,
	.xen_version = MACHINE_XEN_VERSION,
	.xen_engine = MACHINE_XEN_PORTABLE,
	.xen_entry = MACHINE_XEN_ENTRY_HVM,
	.xen_pirqs = true,
};

static size_t drop(void *self, enum machine_console console, const void *buf, size_t len)
{
	(void)self, (void)console, (void)buf;
	return len;
}

/* Protected mode without paging, flat. */
static void set_mode(struct vcpu *vcpu)
{
	struct kvm_sregs sregs;

	if (kvm_get_sregs(vcpu->fd, &sregs) < 0)
		abort();
	sregs.cr0 = 0x11;
	if (kvm_set_sregs(vcpu->fd, &sregs) < 0)
		abort();
}

static struct machine *make(void)
{
	struct machine_options with_output = options;
	struct machine *machine;

	with_output.output = drop;
	if (machine_create(&with_output, &machine) < 0) {
		fprintf(stderr, "no machine: %s\n", error_text(0));
		abort();
	}
	for (uint32_t i = 0; i < machine->vm->vcpu_count; i++)
		set_mode(&machine->vm->vcpus[i]);
	return machine;
}

static uint8_t next(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

static uint64_t argument(struct input *in)
{
	uint8_t kind = next(in);
	uint64_t value = 0;

	if (kind < 0xc0)
		return kind;
	if (kind < 0xe0)
		return PAGES_AT + (kind - 0xc0ULL) * XEN_PAGE_SIZE + 16ULL * next(in);
	for (unsigned i = 0; i < 8; i++)
		value |= (uint64_t)next(in) << 8 * i;
	return value;
}

static void copy_registers(struct machine *machine, uint64_t number, uint64_t change)
{
	struct reg_file *file = vm_regs(machine->vm);
	static uint8_t value[REG_SIZE_MAX];
	struct reg_list list = { 0 };

	if (reg_file_list(file, &list) < 0)
		abort();
	for (size_t i = 0; i < list.count; i++) {
		const struct reg_key key = list.entries[i].key;

		if (key.id >> 56 != REG_OWNER_FERRY || REG_ID_BANK(key.id) < REG_BANK_XEN)
			continue;
		if (reg_file_get(file, key, value) < 0)
			abort();
		reg_file_set(file, key, value);
		if (i != number)
			continue;
		for (size_t k = 0; k < reg_size(key.id) && k < sizeof(change); k++)
			value[k] ^= (uint8_t)(change >> 8 * k);
		reg_file_set(file, key, value);
	}
	reg_list_finish(&list);
}

static void call(struct machine *machine, struct input *in)
{
	struct xen *xen = machine->xen;
	struct xen_call call = { .xen = xen, .op = next(in) };
	uint8_t how = next(in);

	call.longmode = how & 1;
	call.v = &xen->vcpus[how >> 1 & 1];
	for (size_t i = 0; i < ARRAY_SIZE(call.args); i++) {
		call.args[i] = argument(in);
		if (!call.longmode)
			call.args[i] = (uint32_t)call.args[i];
	}
	if (call.op == POKE)
		mem_write(&machine->vm->mem, call.args[0], &call.args[1], sizeof(call.args[1]));
	else if (call.op == REGISTERS)
		copy_registers(machine, call.args[0], call.args[1]);
	else
		xen_hypercall(&call, 0);
}

static void fill(struct mem *mem, const uint8_t *data)
{
	for (uint64_t at = 0; at < PAGES * XEN_PAGE_SIZE; at += FILL)
		mem_write(mem, PAGES_AT + at, data, FILL);
}

static void stop(void *arg)
{
	loop_stop(arg);
}

/* What the calls have left to the loop; then as if the guest had begun anew. */
static void settle(struct machine *machine)
{
	struct loop *loop = machine->vm->loop;

	xen_soft_reset(machine->xen);
	if (loop_call(loop, stop, loop) < 0 || loop_run(loop) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine *machine;
	struct input in = { data, size };

	if (!machine)
		machine = make();
	if (size < FILL)
		return 0;
	fill(&machine->vm->mem, data);
	in.data += FILL;
	in.size -= FILL;
	for (unsigned i = 0; i < CALLS_MAX && in.size; i++)
		call(machine, &in);
	settle(machine);
	return 0;
}
