/* SPDX-License-Identifier: Apache-2.0 */
/* System registers, ID registers first; and the cache geometries behind CSSELR_EL1. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

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
#define ID_AA64MMFR3_EL1 ARM64_SYSREG_ID(3, 0, 0, 7, 3)
#define ID_AIDR_EL1  ARM64_SYSREG_ID(3, 1, 0, 0, 7)
#define ID_CTR_EL0   ARM64_SYSREG_ID(3, 3, 0, 0, 1)

#define ID_TIMER_CTL  0x603000000013df19ULL
#define ID_PTIMER_CTL 0x603000000013df11ULL

/* Arm ARM D24.10.17: read only, and told by the counter: a timer of 0, never used, has fired. */
#define TIMER_CTL_ISTATUS 4ULL

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

/*
 * Registers that the guest has not got, by a field of ID_AA64MMFR3_EL1, and that Linux before 6.13 lists
 * all the same, with anything in them.
 */
static bool is_denied(uint64_t id, uint64_t mmfr3)
{
	static const struct {
		uint64_t id;
		unsigned shift; /* of the field that is not 0 where there is such a register */
	} registers[] = {
		{ ARM64_SYSREG_ID(3, 0, 2, 0, 3), 0 },	 /* TCR2_EL1: TCRX */
		{ ARM64_SYSREG_ID(3, 0, 10, 2, 2), 8 },	 /* PIRE0_EL1: S1PIE */
		{ ARM64_SYSREG_ID(3, 0, 10, 2, 3), 8 },	 /* PIR_EL1: S1PIE */
		{ ARM64_SYSREG_ID(3, 0, 10, 2, 4), 16 }, /* POR_EL1: S1POE */
	};

	for (size_t i = 0; i < ARRAY_SIZE(registers); i++)
		if (registers[i].id == id)
			return !(mmfr3 >> registers[i].shift & 0xf);
	return false;
}

/*
 * What the guest is told of its CPU; of MPIDR_EL1, which is each CPU's own place, and of the rest
 * of the registers it is not so.
 */
static unsigned flags_of(uint64_t id)
{
	if (id == ARM64_ID_MPIDR_EL1)
		return 0;
	return is_ident(id) || ARM64_KIND(id) == ARM64_KIND_DEMUX || id == ID_CLIDR_EL1 ||
			       id == ID_AIDR_EL1 || id == ID_CTR_EL0 ?
		       REG_PROMISE :
		       0;
}

static bool is_counter(uint64_t id)
{
	return id == ID_TIMER_CNT || id == ID_PTIMER_CNT;
}

static bool is_ours(uint64_t id, uint64_t clidr, uint64_t mmfr3)
{
	return (id & KINDS_MASK) == ARM64_KIND_ID(ARM64_KIND_DEMUX) && !is_counter(id) &&
	       !is_absent_cache(id, clidr) && !is_denied(id, mmfr3);
}

static int sysreg_list(void *self, uint32_t v, struct reg_list *out)
{
	const struct kvm_reg_list *registers;
	struct vm *vm = self;
	uint64_t clidr = 0, mmfr3 = 0;
	int r = arm64_registers(vm, &registers);

	if (r == 0)
		r = arm64_reg_get(&vm->vcpus[v], ID_CLIDR_EL1, &clidr);
	/* A kernel that does not know it has none of what it tells of. */
	if (r == 0 && kvm_get_one_reg(vm->vcpus[v].fd, ID_AA64MMFR3_EL1, &mmfr3) < 0)
		mmfr3 = 0;
	for (int ident = 1; ident >= 0; ident--)
		for (uint64_t i = 0; r == 0 && i < registers->n; i++) {
			uint64_t id = registers->reg[i];

			if (is_ours(id, clidr, mmfr3) && is_ident(id) == ident)
				r = reg_list_add(out, v, id, flags_of(id));
		}
	return r;
}

static int sysreg_get(void *self, struct reg_key key, void *val)
{
	struct vm *vm = self;
	int r = arm64_reg_get(&vm->vcpus[key.vcpu], key.id, val);

	if (r == 0 && (key.id == ID_TIMER_CTL || key.id == ID_PTIMER_CTL))
		*(uint64_t *)val &= ~TIMER_CTL_ISTATUS;
	return r;
}

/*
 * Fields of ID_AA64MMFR1_EL1 that tell of EL2, which guests have not got: they can do nothing with
 * what these say, which kernels show or hide as they like and do not let us choose (Linux 6.12:
 * HCX, which 6.1 hides). They stay as they are here. HCX, TWED, XNX, VH: bits 43..40, 35..28,
 * 11..8.
 */
#define ID_AA64MMFR1_EL1 ARM64_SYSREG_ID(3, 0, 0, 7, 1)
#define MMFR1_OF_EL2	 0xf0ff0000f00ULL

static int sysreg_set(void *self, struct reg_key key, const void *val)
{
	struct vm *vm = self;
	struct vcpu *vcpu = &vm->vcpus[key.vcpu];
	uint64_t value, now;

	if (key.id != ID_AA64MMFR1_EL1)
		return arm64_reg_set(vcpu, key.id, val);
	memcpy(&value, val, sizeof(value));
	if (arm64_reg_get(vcpu, key.id, &now) < 0)
		return -EIO;
	value = (value & ~MMFR1_OF_EL2) | (now & MMFR1_OF_EL2);
	return arm64_reg_set(vcpu, key.id, &value);
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
