/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GICv3 and ITS as registers: three banks, of the distributor, of each vCPU's redistributor and CPU
 * interface, and of the ITS; or a GICv2: what of its distributor each CPU has for itself is in the second.
 * field is the group of device attributes (asm/kvm.h: KVM_DEV_ARM_VGIC_GRP_*), the number its offset, or
 * encoding, or first interrupt.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "kvm/kvm_arm64.h"
#include "regs.h"
#include "vm/vm.h"

enum {
	DIST = KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
	GICC = KVM_DEV_ARM_VGIC_GRP_CPU_REGS,
	REDIST = KVM_DEV_ARM_VGIC_GRP_REDIST_REGS,
	ICC = KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
	LEVEL = KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO,
	ITS = KVM_DEV_ARM_VGIC_GRP_ITS_REGS,
};

/* The redistributor's second frame (GICv3 12.10) has what the distributor has for SPIs. */
#define SGI_BASE 0x10000U

/* GICv3 12.9 to 12.11, 12.19: offsets that need another way than to be written. */
#define GICD_IIDR      0x008U
#define GICD_ISENABLER 0x100U
#define GICD_ICENABLER 0x180U
#define GICD_ISPENDR0  0x200U
#define GICD_ISACTIVER 0x300U
#define GICD_ICACTIVER 0x380U
#define GICR_CTLR      0U
#define GITS_CTLR      0U

#define SGIS_MASK 0xffffU /* interrupts 0 to 15 */

#define GICD_SPENDSGIR 0xf20U

#define CLEAR_SGI_OFFSET 0x10U /* back from there */
#define CLEAR_OFFSET	 0x80U /* from where bits are set to where they are cleared */

#define ICC_AP0R(n) ARM64_SYSREG(3, 0, 12, 8, 4 + (n))
#define ICC_AP1R(n) ARM64_SYSREG(3, 0, 12, 9, (n))

/* count registers from number on, step apart. optional: there are as many as KVM lets us read. */
struct row {
	const char *name;
	unsigned group, number, count, step, size_log2;
	bool optional;
};

/*
 * In the order of restoring: IIDR before any other register (arm-vgic-v3.rst); the configuration and
 * the lines' levels before what is pending, which depends on them.
 */
static const struct row dist_rows[] = {
	{ "IIDR", DIST, GICD_IIDR, 1, 4, 2, false },
	{ "IGROUPR", DIST, 0x084, ARM64_SPIS / 32, 4, 2, false },
	{ "ICFGR", DIST, 0xc08, ARM64_SPIS / 16, 4, 2, false },
	{ "ISENABLER", DIST, 0x104, ARM64_SPIS / 32, 4, 2, false },
	{ "IPRIORITYR", DIST, 0x420, ARM64_SPIS / 4, 4, 2, false },
	{ "IROUTER", DIST, 0x6100, ARM64_SPIS, 8, 2, false }, /* Aff3 is zero: KVM has none */
	{ "LEVEL", LEVEL, 32, ARM64_SPIS / 32, 32, 2, false },
	{ "ISPENDR", DIST, 0x204, ARM64_SPIS / 32, 4, 2, false },
	{ "ISACTIVER", DIST, 0x304, ARM64_SPIS / 32, 4, 2, false },
	{ "CTLR", DIST, 0x000, 1, 4, 2, false },
};

static const struct row cpu_rows[] = {
	{ "GICR_PROPBASER", REDIST, 0x070, 2, 4, 2, false }, /* two halves: KVM takes no more */
	{ "GICR_PENDBASER", REDIST, 0x078, 2, 4, 2, false },
	{ "GICR_IGROUPR", REDIST, SGI_BASE + 0x080, 1, 4, 2, false },
	{ "GICR_ICFGR", REDIST, SGI_BASE + 0xc04, 1, 4, 2, false },
	{ "GICR_ISENABLER", REDIST, SGI_BASE + 0x100, 1, 4, 2, false },
	{ "GICR_IPRIORITYR", REDIST, SGI_BASE + 0x400, 8, 4, 2, false },
	{ "GICR_LEVEL", LEVEL, 0, 1, 32, 2, false },
	{ "GICR_ISPENDR", REDIST, SGI_BASE + 0x200, 1, 4, 2, false },
	{ "GICR_ISACTIVER", REDIST, SGI_BASE + 0x300, 1, 4, 2, false },
	{ "GICR_CTLR", REDIST, GICR_CTLR, 1, 4, 2, false },
	{ "ICC_SRE_EL1", ICC, ARM64_SYSREG(3, 0, 12, 12, 5), 1, 1, 3, false },
	{ "ICC_CTLR_EL1", ICC, ARM64_SYSREG(3, 0, 12, 12, 4), 1, 1, 3, false },
	{ "ICC_PMR_EL1", ICC, ARM64_SYSREG(3, 0, 4, 6, 0), 1, 1, 3, false },
	{ "ICC_BPR0_EL1", ICC, ARM64_SYSREG(3, 0, 12, 8, 3), 1, 1, 3, false },
	{ "ICC_BPR1_EL1", ICC, ARM64_SYSREG(3, 0, 12, 12, 3), 1, 1, 3, false },
	{ "ICC_AP0R", ICC, ICC_AP0R(0), 4, 1, 3, true },
	{ "ICC_AP1R", ICC, ICC_AP1R(0), 4, 1, 3, true },
	{ "ICC_IGRPEN0_EL1", ICC, ARM64_SYSREG(3, 0, 12, 12, 6), 1, 1, 3, false },
	{ "ICC_IGRPEN1_EL1", ICC, ARM64_SYSREG(3, 0, 12, 12, 7), 1, 1, 3, false },
};

/* arm-vgic-its.rst, "ITS Restore Sequence": CBASER resets CREADR. */
static const struct row its_rows[] = {
	{ "IIDR", ITS, 0x004, 1, 4, 3, false },
	{ "CBASER", ITS, 0x080, 1, 8, 3, false },
	{ "CREADR", ITS, 0x090, 1, 8, 3, false },
	{ "CWRITER", ITS, 0x088, 1, 8, 3, false },
	{ "BASER", ITS, 0x100, 8, 8, 3, false },
	{ "CTLR", ITS, GITS_CTLR, 1, 4, 3, false },
};

#define SPIS2 (ARM64_SPIS + ARM64_MSI_SPIS)

/* GICv2 (IHI 0048B 4.3, 4.4; arm-vgic.rst). Nobody tells lines' levels: KVM's own are derived from what causes them. */
static const struct row dist2_rows[] = {
	{ "IIDR", DIST, GICD_IIDR, 1, 4, 2, false },
	{ "IGROUPR", DIST, 0x084, SPIS2 / 32, 4, 2, false },
	{ "ICFGR", DIST, 0xc08, SPIS2 / 16, 4, 2, false },
	{ "ISENABLER", DIST, 0x104, SPIS2 / 32, 4, 2, false },
	{ "IPRIORITYR", DIST, 0x420, SPIS2 / 4, 4, 2, false },
	{ "ITARGETSR", DIST, 0x820, SPIS2 / 4, 4, 2, false },
	{ "ISPENDR", DIST, 0x204, SPIS2 / 32, 4, 2, false },
	{ "ISACTIVER", DIST, 0x304, SPIS2 / 32, 4, 2, false },
	{ "CTLR", DIST, 0x000, 1, 4, 2, false },
};

static const struct row cpu2_rows[] = {
	{ "GICD_IGROUPR", DIST, 0x080, 1, 4, 2, false },
	{ "GICD_ICFGR", DIST, 0xc04, 1, 4, 2, false },
	{ "GICD_ISENABLER", DIST, GICD_ISENABLER, 1, 4, 2, false },
	{ "GICD_IPRIORITYR", DIST, 0x400, 8, 4, 2, false },
	{ "GICD_SPENDSGIR", DIST, GICD_SPENDSGIR, 4, 4, 2, false },
	{ "GICD_ISPENDR", DIST, GICD_ISPENDR0, 1, 4, 2, false },
	{ "GICD_ISACTIVER", DIST, GICD_ISACTIVER, 1, 4, 2, false },
	{ "GICC_PMR", GICC, 0x004, 1, 4, 2, false },
	{ "GICC_BPR", GICC, 0x008, 1, 4, 2, false },
	{ "GICC_ABPR", GICC, 0x01c, 1, 4, 2, false },
	{ "GICC_APR", GICC, 0x0d0, 4, 4, 2, false },
	{ "GICC_CTLR", GICC, 0x000, 1, 4, 2, false },
};

#define BANKS 3

/* By the GIC's version, from 2. */
static const struct bank_rows {
	enum reg_bank_number bank;
	const struct row *rows;
	size_t count;
} banks_of[][BANKS] = {
	{
		{ REG_BANK_GIC_DIST, dist2_rows, ARRAY_SIZE(dist2_rows) },
		{ REG_BANK_GIC_CPU, cpu2_rows, ARRAY_SIZE(cpu2_rows) },
		{ REG_BANK_GIC_ITS, NULL, 0 },
	},
	{
		{ REG_BANK_GIC_DIST, dist_rows, ARRAY_SIZE(dist_rows) },
		{ REG_BANK_GIC_CPU, cpu_rows, ARRAY_SIZE(cpu_rows) },
		{ REG_BANK_GIC_ITS, its_rows, ARRAY_SIZE(its_rows) },
	},
};

static const struct bank_rows *banks(const struct vm *vm)
{
	return banks_of[vm->arch.is_gicv2 ? 0 : 1];
}

uint64_t arm64_gic_attr(const struct vcpu *vcpu, uint32_t number)
{
	uint64_t mpidr = vcpu->arch.mpidr & ARM64_MPIDR_AFFINITY;

	/* Aff3 stands in bits 39..32 of MPIDR_EL1, and side by side with the others here. */
	return (mpidr >> 32 << 24 | (mpidr & 0xffffff)) << KVM_DEV_ARM_VGIC_V3_MPIDR_SHIFT | number;
}

/* The attribute that is the register; the caller owns *value. */
static struct kvm_device_attr attr_of(const struct vcpu *vcpu, unsigned group, uint32_t number,
				      void *value)
{
	struct kvm_device_attr attr = { .group = group, .addr = (uintptr_t)value };

	if (vcpu->vm->arch.is_gicv2)
		attr.attr = (uint64_t)vcpu->index << KVM_DEV_ARM_VGIC_CPUID_SHIFT | number;
	else
		attr.attr = group == ITS || group == DIST ? number : arm64_gic_attr(vcpu, number);
	return attr;
}

/* KVM_VGIC's LEVEL_INFO has what it tells in bits 31..10: 0 is the line's level. */
static int transfer(struct vm *vm, uint32_t v, unsigned group, uint32_t number, void *value,
		  int (*command)(int fd, struct kvm_device_attr *attr))
{
	const struct vcpu *vcpu = &vm->vcpus[v == REG_VM ? 0 : v];
	struct kvm_device_attr attr = attr_of(vcpu, group, number, value);

	return command(group == ITS ? vm->arch.its : vm->arch.gic, &attr);
}

static uint64_t id_of(enum reg_bank_number bank, const struct row *row, unsigned i)
{
	return REG_ID(bank, row->group, row->size_log2, row->number + i * row->step);
}

static const struct row *find(const struct vm *vm, uint64_t id, unsigned *ret_i)
{
	for (const struct bank_rows *bank = banks(vm); bank < banks(vm) + BANKS; bank++)
		for (size_t r = 0; r < bank->count; r++)
			for (unsigned i = 0; i < bank->rows[r].count; i++)
				if (id_of(bank->bank, &bank->rows[r], i) == id) {
					*ret_i = i;
					return &bank->rows[r];
				}
	return NULL;
}

static int list_row(struct vm *vm, uint32_t v, enum reg_bank_number bank, const struct row *row,
		    struct reg_list *out)
{
	uint64_t value;
	int r = 0;

	for (unsigned i = 0; i < row->count && r == 0; i++) {
		uint64_t id = id_of(bank, row, i);

		if (row->optional && transfer(vm, v, row->group, REG_ID_NUMBER(id), &value,
					    kvm_get_device_attr) < 0)
			break;
		r = reg_list_add(out, v, id, 0);
	}
	return r;
}

static int list(void *self, uint32_t v, const struct bank_rows *bank, struct reg_list *out)
{
	int r = 0;

	for (size_t i = 0; i < bank->count && r == 0; i++)
		r = list_row(self, v, bank->bank, &bank->rows[i], out);
	return r;
}

static int dist_list(void *self, uint32_t v, struct reg_list *out)
{
	return list(self, v, &banks(self)[0], out);
}

static int cpu_list(void *self, uint32_t v, struct reg_list *out)
{
	return list(self, v, &banks(self)[1], out);
}

static int its_list(void *self, uint32_t v, struct reg_list *out)
{
	return list(self, v, &banks(self)[2], out);
}

static int unknown(struct reg_key key)
{
	return because(-ENOENT, "no GIC register %#llx", (unsigned long long)key.id);
}

static int failure(const struct row *row, int r)
{
	return r < 0 ? because(r, "GIC register %s: %s", row->name, strerror(-r)) : 0;
}

/* What waits for the guest's memory (arm64_gic_go_on()); NULL: this register does not. */
static bool *deferred(struct vm *vm, struct reg_key key, void **ret_value)
{
	uint32_t number = REG_ID_NUMBER(key.id);

	if (REG_ID_FIELD(key.id) == ITS && number == GITS_CTLR) {
		*ret_value = &vm->arch.gits_ctlr;
		return &vm->arch.gits_ctlr_waits;
	}
	if (REG_ID_FIELD(key.id) == REDIST && number == GICR_CTLR) {
		*ret_value = &vm->vcpus[key.vcpu].arch.gicr_ctlr;
		return &vm->vcpus[key.vcpu].arch.gicr_ctlr_waits;
	}
	return NULL;
}

/*
 * GICv2: who has sent an SGI is in SPENDSGIR. What is written here of one would be sent by the CPU itself
 * (vgic-mmio.c), once more.
 */
static uint32_t not_here(const struct vm *vm, struct reg_key key)
{
	bool has_sgis = vm->arch.is_gicv2 && REG_ID_FIELD(key.id) == DIST &&
			REG_ID_NUMBER(key.id) == GICD_ISPENDR0;

	return has_sgis ? SGIS_MASK : 0;
}

static int read_now(struct vm *vm, struct reg_key key, const struct row *row, void *val)
{
	uint32_t number = REG_ID_NUMBER(key.id), hidden = not_here(vm, key);
	int r;

	memset(val, 0, reg_size(key.id));
	r = transfer(vm, key.vcpu, row->group, number, val, kvm_get_device_attr);
	if (r == 0 && hidden)
		*(uint32_t *)val &= ~hidden;
	return r;
}

static int get(void *self, struct reg_key key, void *val)
{
	struct vm *vm = self;
	unsigned i;
	const struct row *row = find(vm, key.id, &i);
	void *value;
	bool *waits;

	if (!row)
		return unknown(key);
	waits = deferred(vm, key, &value);
	if (waits && *waits) {
		memcpy(val, value, reg_size(key.id));
		return 0;
	}
	return failure(row, read_now(vm, key, row, val));
}

/* Some registers only set bits. Which clears those of this one; 0: it is written as it is. */
static uint32_t clears(const struct vm *vm, const struct row *row, uint32_t number)
{
	uint32_t frame = number & ~0xfffU, offset = (number & 0xfff) & ~0x7fU;

	if ((row->group != DIST && row->group != REDIST) ||
	    (row->group == DIST ? frame != 0 : frame != SGI_BASE))
		return 0;
	if (offset == GICD_ISENABLER || offset == GICD_ISACTIVER)
		return number + CLEAR_OFFSET;
	/* A GICv3's are written as they are (arm-vgic-v3.rst). */
	if (!vm->arch.is_gicv2)
		return 0;
	if (offset == GICD_ISPENDR0)
		return number + CLEAR_OFFSET;
	return row->number == GICD_SPENDSGIR ? number - CLEAR_SGI_OFFSET : 0;
}

static int clear_others(struct vm *vm, struct reg_key key, const struct row *row, uint32_t value)
{
	uint32_t number = clears(vm, row, REG_ID_NUMBER(key.id));
	uint32_t others = ~value & ~not_here(vm, key);

	if (!number)
		return 0;
	return transfer(vm, key.vcpu, row->group, number, &others, kvm_set_device_attr);
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct vm *vm = self;
	unsigned i;
	const struct row *row = find(vm, key.id, &i);
	uint64_t value = 0, now = 0;
	void *later;
	bool *waits;
	int r;

	if (!row)
		return unknown(key);
	waits = deferred(vm, key, &later);
	if (waits) {
		memcpy(later, val, reg_size(key.id));
		*waits = true;
		return 0;
	}
	memcpy(&value, val, reg_size(key.id));
	value &= ~(uint64_t)not_here(vm, key);
	/*
	 * By any write some bits appear that were not written: what is there already is not. But a GICv2's
	 * groups can be written only when the IIDR has been (arm-vgic.rst).
	 */
	r = read_now(vm, key, row, &now);
	if (r == 0 && now == value && !(row->group == DIST && row->number == GICD_IIDR))
		return 0;
	r = clear_others(vm, key, row, (uint32_t)value);
	if (r == 0)
		r = transfer(vm, key.vcpu, row->group, REG_ID_NUMBER(key.id), &value,
			   kvm_set_device_attr);
	return failure(row, r);
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	unsigned i;
	const struct row *row = find(self, key.id, &i);

	if (!row)
		return -ENOENT;
	if (row->count > 1)
		snprintf(name, size, "%s%u", row->name, i);
	else
		snprintf(name, size, "%s", row->name);
	return 0;
}

int arm64_gic_bank_add(struct vm *vm)
{
	static const struct reg_bank gic_banks[] = {
		{ .name = "gicd", .match = REG_BANK(REG_BANK_GIC_DIST), .list = dist_list },
		{ .name = "gic", .match = REG_BANK(REG_BANK_GIC_CPU), .list = cpu_list,
		  .per_vcpu = 1 },
		{ .name = "its", .match = REG_BANK(REG_BANK_GIC_ITS), .list = its_list },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(gic_banks) && r == 0; i++) {
		struct reg_bank bank = gic_banks[i];

		bank.mask = REG_BANK_MASK;
		bank.get = get;
		bank.set = set;
		bank.name_of = name_of;
		r = reg_file_add(&vm->regs, &bank, 0, 0, vm);
	}
	return r;
}
