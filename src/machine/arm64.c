/* SPDX-License-Identifier: Apache-2.0 */
/* What an arm64 machine consists of. The architecture refuses a VM until it is ported. */
#include "machine/machine.h"

#include "arch/arm64/ident.h"
#include "arch/arm64/regs.h"
#include "base/util.h"

/* RAM begins where arm64 machines have it by convention, above devices; it is in one piece. */
#define RAM_BASE GIB

int machine_map_memory(struct machine *machine, struct mem *mem)
{
	return machine_map_ram(machine, mem, RAM_BASE, UINT64_MAX - RAM_BASE, RAM_BASE);
}

static int add_ident(struct machine *machine)
{
	return arm64_ident_bank_add(machine->vm);
}

static int add_core(struct machine *machine)
{
	return arm64_core_bank_add(machine->vm);
}

static int add_sysreg(struct machine *machine)
{
	return arm64_sysreg_bank_add(machine->vm);
}

static int add_gic(struct machine *machine)
{
	return arm64_gic_bank_add(machine->vm);
}

static int add_clock(struct machine *machine)
{
	return arm64_clock_bank_add(machine->vm);
}

/* In the order in which registers are restored. */
const struct machine_part machine_parts[] = {
	{ add_ident, NULL }, { add_core, NULL },  { add_sysreg, NULL },
	{ add_gic, NULL },   { add_clock, NULL },
};

const size_t machine_parts_count = ARRAY_SIZE(machine_parts);
