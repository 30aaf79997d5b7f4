/* SPDX-License-Identifier: Apache-2.0 */
/* System registers, ID registers first; and the cache geometries behind CSSELR_EL1. */
#include <errno.h>
#include <stdbool.h>

#include "base/util.h"
#include "kvm/kvm_arm64.h"
#include "regs.h"
#include "vm/vm.h"

/* ARM64_KIND_DEMUX and ARM64_KIND_SYSREG differ in this bit. */
#define KINDS_MASK (ARM64_KIND_MASK & ~0x20000ULL)

_Static_assert((ARM64_KIND_DEMUX | 2) == ARM64_KIND_SYSREG, "one mask has both kinds");

/* Arm ARM C5.3: op0 3, op1 0, CRn 0 is the space of the ID registers. */
#define IDENT_MASK 0xff80U
#define IDENT	   ARM64_SYSREG(3U, 0U, 0U, 0U, 0U)

/* clock.c has these two. */
#define ID_TIMER_CNT  0x603000000013df1aULL
#define ID_PTIMER_CNT 0x603000000013df01ULL

#define ID_CLIDR_EL1 ARM64_SYSREG_ID(3, 1, 0, 0, 1)

static bool is_ident(uint64_t id)
{
	return ARM64_KIND(id) == ARM64_KIND_SYSREG && (id & IDENT_MASK) == IDENT;
}

/*
 * Newer kernels list the geometry of every cache that could be, and make one up for those that
 * CLIDR_EL1 denies (Arm ARM D24.2.27: three bits a level; D24.2.34: level << 1 | instruction).
 */
static bool is_absent_cache(uint64_t id, uint64_t clidr)
{
	unsigned index = (unsigned)id & 0xff;
	unsigned type = (unsigned)(clidr >> 3 * (index >> 1)) & 7;

	if (ARM64_KIND(id) != ARM64_KIND_DEMUX)
		return false;
	return index & 1 ? !(type & 1) : type < 2;
}

static bool is_counter(uint64_t id)
{
	return id == ID_TIMER_CNT || id == ID_PTIMER_CNT;
}

static bool is_ours(uint64_t id, uint64_t clidr)
{
	return (id & KINDS_MASK) == ARM64_KIND_ID(ARM64_KIND_DEMUX) && !is_counter(id) &&
	       !is_absent_cache(id, clidr);
}

static int sysreg_list(void *self, uint32_t v, struct reg_list *out)
{
	const struct kvm_reg_list *registers;
	struct vm *vm = self;
	uint64_t clidr = 0;
	int r = arm64_registers(vm, &registers);

	if (r == 0)
		r = arm64_reg_get(&vm->vcpus[v], ID_CLIDR_EL1, &clidr);
	for (int ident = 1; ident >= 0; ident--)
		for (uint64_t i = 0; r == 0 && i < registers->n; i++) {
			uint64_t id = registers->reg[i];

			if (is_ours(id, clidr) && is_ident(id) == ident)
				r = reg_list_add(out, v, id, 0);
		}
	return r;
}

static int sysreg_get(void *self, struct reg_key key, void *val)
{
	struct vm *vm = self;

	return arm64_reg_get(&vm->vcpus[key.vcpu], key.id, val);
}

static int sysreg_set(void *self, struct reg_key key, const void *val)
{
	struct vm *vm = self;

	return arm64_reg_set(&vm->vcpus[key.vcpu], key.id, val);
}

static int sysreg_name(void *self, struct reg_key key, char *name, size_t size)
{
	(void)self;
	arm64_reg_name(key.id, name, size);
	return 0;
}

int arm64_sysreg_bank_add(struct vm *vm)
{
	static const struct reg_bank bank = {
		.name = "sysreg",
		.mask = KINDS_MASK,
		.match = ARM64_KIND_ID(ARM64_KIND_DEMUX),
		.per_vcpu = 1,
		.list = sysreg_list,
		.get = sysreg_get,
		.set = sysreg_set,
		.name_of = sysreg_name,
	};

	return reg_file_add(&vm->regs, &bank, 0, 0, vm);
}
