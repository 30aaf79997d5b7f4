/* SPDX-License-Identifier: Apache-2.0 */
/* The memory and the registers of the guest that the fuzz targets and their seeds are about. */
#ifndef TESTS_FUZZ_GUEST_H
#define TESTS_FUZZ_GUEST_H

#include <stdlib.h>

#include "base/util.h"
#include "mem/mem.h"
#include "migrate/fake_regs.h"
#include "migrate/guest.h"

#define FUZZ_STORE_SIZE (2 * MIGRATE_STORE_BLOCK + 512)

static inline void fuzz_map(struct mem *mem)
{
	const struct mem_options options = { .name = "fuzz" };

	if (mem_init(mem, -1, 4, &options) || mem_map_ram(mem, "low", 0, 80 * GUEST_PAGE_SIZE, 0) ||
	    mem_map_ram(mem, "far", 4 * GIB, 8 * GUEST_PAGE_SIZE, MEM_READONLY))
		abort();
}

/* The large registers would make every input large. */
static inline void fuzz_regs(struct fake_regs *regs)
{
	if (fake_regs_init(regs))
		abort();
	for (unsigned i = 0; i < regs->count; i++)
		regs->regs[i].is_gone = reg_size(regs->regs[i].key.id) > 512;
}

#endif
