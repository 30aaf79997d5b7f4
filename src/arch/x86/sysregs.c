/* SPDX-License-Identifier: Apache-2.0 */
/* MSRs as registers, under the ids that newer kernels give them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "regs.h"
#include "traps.h"
#include "vm/vm.h"

/*
 * linux/kvm.h of 6.18: KVM_X86_REG_MSR(index). 0x20: x86, 0x30: 8 bytes, 2: type MSR. Older kernels do
 * not take these ids for KVM_GET_ONE_REG; KVM_GET_MSRS serves them all.
 */
#define MSR_ID(index) (0x2030000200000000ULL | (uint32_t)(index))
#define MSR_MASK      0xffffffff00000000ULL

/* Intel SDM volume 4; Documentation/virt/kvm/x86/msr.rst; TLFS appendix B */
#define MSR_IA32_TSC           0x10
#define MSR_IA32_TSC_DEADLINE  0x6e0
#define MSR_HV_TIME_REF_COUNT  0x40000020
#define MSR_HV_VP_RUNTIME      0x40000010

/* struct kvm_msrs with room for one entry. */
union one_msr {
	struct kvm_msrs msrs;
	unsigned char room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

/* Fewer than KVM's MAX_IO_MSRS, 256 (arch/x86/kvm/x86.c). */
#define MANY_MAX 128

union many_msrs {
	struct kvm_msrs msrs;
	unsigned char room[sizeof(struct kvm_msrs) + MANY_MAX * sizeof(struct kvm_msr_entry)];
};

int x86_msr_read(struct vcpu *vcpu, uint32_t index, uint64_t *ret_value)
{
	union one_msr one = { .msrs.nmsrs = 1 };
	int r;

	one.msrs.entries[0].index = index;
	r = kvm_get_msrs(vcpu->fd, &one.msrs);
	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	*ret_value = one.msrs.entries[0].data;
	return 0;
}

/* KVM_SET_MSRS returns how many it could set. */
int x86_msr_write(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	union one_msr one = { .msrs.nmsrs = 1 };
	int r;

	one.msrs.entries[0].index = index;
	one.msrs.entries[0].data = value;
	r = kvm_set_msrs(vcpu->fd, &one.msrs);
	if (r < 0)
		return r;
	return r == 1 ? 0 : -EINVAL;
}

/* State that KVM keeps but does not list (arch/x86/kvm/x86.c, msrs_to_save): first, last. */
static const struct {
	uint32_t first, last;
} unlisted[] = {
	{ 0x200, 0x20f }, /* IA32_MTRR_PHYSBASE, IA32_MTRR_PHYSMASK */
	{ 0x250, 0x250 }, /* IA32_MTRR_FIX64K */
	{ 0x258, 0x259 }, /* IA32_MTRR_FIX16K */
	{ 0x268, 0x26f }, /* IA32_MTRR_FIX4K */
	{ 0x2ff, 0x2ff }, /* IA32_MTRR_DEF_TYPE */
	{ 0x400, 0x47f }, /* IA32_MCi_CTL, _STATUS, _ADDR, _MISC */
};

#define UNLISTED_MAX 256

static bool is_listed(const struct kvm_msr_list *list, uint32_t index)
{
	for (uint32_t i = 0; i < list->nmsrs; i++)
		if (list->indices[i] == index)
			return true;
	return false;
}

static void add_unlisted(struct kvm_msr_list *list)
{
	for (size_t i = 0; i < ARRAY_SIZE(unlisted); i++)
		for (uint32_t msr = unlisted[i].first; msr <= unlisted[i].last; msr++)
			if (!is_listed(list, msr))
				list->indices[list->nmsrs++] = msr;
}

static unsigned flags_of(uint32_t index)
{
	switch (index) {
	case MSR_IA32_TSC:
	case MSR_IA32_TSC_DEADLINE: /* 0 once it has passed */
	case MSR_HV_TIME_REF_COUNT:
	case MSR_HV_VP_RUNTIME:
		return REG_TIME;
	default:
		return 0;
	}
}

/* MSRs that somebody else than KVM keeps are registers if he says so, behind KVM's. */
static void drop_trapped(const struct vm *vm, struct kvm_msr_list *list)
{
	uint32_t n = 0;
	void *self;

	for (uint32_t i = 0; i < list->nmsrs; i++)
		if (!x86_msr_trap_find(vm, list->indices[i], &self))
			list->indices[n++] = list->indices[i];
	list->nmsrs = n;
}

static int list_trapped(const struct vm *vm, uint32_t v, struct reg_list *out)
{
	int r = 0;

	for (unsigned i = 0; i < vm->arch.msr_trap_count; i++) {
		const struct x86_msr_trap *trap = vm->arch.msr_traps[i].trap;

		for (uint32_t j = 0; j < trap->register_count && r == 0; j++)
			r = reg_list_add(out, v, MSR_ID(trap->registers[j]),
					 flags_of(trap->registers[j]));
	}
	return r;
}

static int read_index_list(struct vm *vm)
{
	struct kvm_msr_list count = { .nmsrs = 0 };
	struct kvm_msr_list *list;
	int r = kvm_get_msr_index_list(vm->kvm_fd, &count);

	if (r < 0 && r != -E2BIG)
		return r;
	list = calloc(1, sizeof(*list) + (count.nmsrs + UNLISTED_MAX) * sizeof(list->indices[0]));
	if (!list)
		return -ENOMEM;
	list->nmsrs = count.nmsrs;
	vm->arch.msrs = list;
	r = kvm_get_msr_index_list(vm->kvm_fd, list);
	if (r == 0)
		add_unlisted(list);
	drop_trapped(vm, list);
	return r;
}

/* From first on, up to one that is not: KVM_GET_MSRS returns how many it could read. */
static uint32_t count_readable(struct vcpu *vcpu, const struct kvm_msr_list *list, uint32_t first)
{
	uint32_t at = first;
	int r = 1;

	while (at < list->nmsrs && r > 0) {
		union many_msrs many = { .msrs.nmsrs =
						 (uint32_t)min_u64(list->nmsrs - at, MANY_MAX) };

		for (uint32_t i = 0; i < many.msrs.nmsrs; i++)
			many.msrs.entries[i].index = list->indices[at + i];
		r = kvm_get_msrs(vcpu->fd, &many.msrs);
		at += r > 0 ? (uint32_t)r : 0;
		if (r != (int)many.msrs.nmsrs)
			break;
	}
	return at - first;
}

/* KVM lists some that this CPU model has not; which, depends on CPUID: read them to find out. */
static int find_readable(struct vm *vm)
{
	struct kvm_msr_list *list;
	uint32_t n = 0;
	int r = 0;

	if (!vm->arch.msrs)
		r = read_index_list(vm);
	if (r < 0)
		return because(r, "KVM_GET_MSR_INDEX_LIST: %s", strerror(-r));
	list = vm->arch.msrs;
	if (vm->arch.msrs_checked)
		return 0;
	for (uint32_t i = 0; i < list->nmsrs; i++) {
		uint32_t readable = count_readable(&vm->vcpus[0], list, i);

		memmove(&list->indices[n], &list->indices[i], readable * sizeof(list->indices[0]));
		n += readable;
		i += readable; /* and past the one that is not */
	}
	list->nmsrs = n;
	vm->arch.msrs_checked = true;
	return 0;
}

static int msr_list(void *self, uint32_t v, struct reg_list *out)
{
	struct vm *vm = self;
	int r = find_readable(vm);

	for (uint32_t i = 0; r == 0 && i < vm->arch.msrs->nmsrs; i++) {
		uint32_t index = vm->arch.msrs->indices[i];

		r = reg_list_add(out, v, MSR_ID(index), flags_of(index));
	}
	return r < 0 ? r : list_trapped(vm, v, out);
}

static int read_one(struct vcpu *vcpu, uint32_t index, uint64_t *ret_value)
{
	void *trap_self;
	const struct x86_msr_trap *trap = x86_msr_trap_find(vcpu->vm, index, &trap_self);

	if (!trap)
		return x86_msr_read(vcpu, index, ret_value);
	return trap->get ? trap->get(trap_self, vcpu, index, ret_value) : -ENOENT;
}

static int msr_get(void *self, struct reg_key key, void *val)
{
	struct vm *vm = self;
	uint64_t value;
	int r = x86_vcpu_settle(&vm->vcpus[key.vcpu]);

	if (r == 0)
		r = read_one(&vm->vcpus[key.vcpu], REG_ID_NUMBER(key.id), &value);
	if (r == -ENOENT)
		return because(r, "no MSR %#x", REG_ID_NUMBER(key.id));
	if (r == 0)
		memcpy(val, &value, sizeof(value));
	return r;
}

/* Some read-only MSRs refuse even the value that they have; writing what was read changes nothing. */
static int msr_set(void *self, struct reg_key key, const void *val)
{
	struct vm *vm = self;
	struct vcpu *vcpu = &vm->vcpus[key.vcpu];
	uint32_t index = REG_ID_NUMBER(key.id);
	void *trap_self;
	const struct x86_msr_trap *trap = x86_msr_trap_find(vm, index, &trap_self);
	uint64_t value, now;
	int r;

	memcpy(&value, val, sizeof(value));
	if (trap)
		return trap->set ? trap->set(trap_self, vcpu, index, value)
				 : because(-ENOENT, "no MSR %#x", index);
	if (index == MSR_IA32_TSC && vcpu->arch.tsc_set)
		return 0; /* what it has gained since then is the clock's affair */
	if (x86_msr_write(vcpu, index, value) == 0)
		return 0;
	r = x86_msr_read(vcpu, index, &now);
	if (r == -ENOENT)
		return because(r, "no MSR %#x", index);
	if (r < 0)
		return r;
	return now == value ? 0 :
			      because(-EINVAL, "MSR %#x cannot be %#llx on this host", index,
				      (unsigned long long)value);
}

/* As many from the first on as KVM keeps, and as go into one ioctl. */
static uint32_t count_kvms(const struct vm *vm, const struct reg_value *values, size_t count)
{
	uint32_t n = 0;
	void *self;

	while (n < count && n < MANY_MAX &&
	       !x86_msr_trap_find(vm, REG_ID_NUMBER(values[n].key.id), &self))
		n++;
	return n;
}

static size_t msr_get_many(void *self, const struct reg_value *values, size_t count)
{
	struct vm *vm = self;
	struct vcpu *vcpu = &vm->vcpus[values[0].key.vcpu];
	union many_msrs many = { .msrs.nmsrs = count_kvms(vm, values, count) };
	int r = x86_vcpu_settle(vcpu);

	for (uint32_t i = 0; i < many.msrs.nmsrs; i++)
		many.msrs.entries[i].index = REG_ID_NUMBER(values[i].key.id);
	if (r == 0 && many.msrs.nmsrs)
		r = kvm_get_msrs(vcpu->fd, &many.msrs);
	for (int i = 0; i < r; i++)
		memcpy(values[i].value, &many.msrs.entries[i].data, sizeof(uint64_t));
	return r > 0 ? (size_t)r : 0;
}

/* What msr_set() looks at before it writes is left to it. */
static size_t msr_set_many(void *self, const struct reg_value *values, size_t count)
{
	struct vm *vm = self;
	uint32_t kvms = count_kvms(vm, values, count);
	union many_msrs many = { .msrs.nmsrs = 0 };
	int r = 0;

	for (uint32_t i = 0; i < kvms; i++) {
		struct kvm_msr_entry *entry = &many.msrs.entries[i];

		entry->index = REG_ID_NUMBER(values[i].key.id);
		if (entry->index == MSR_IA32_TSC)
			break;
		memcpy(&entry->data, values[i].value, sizeof(entry->data));
		many.msrs.nmsrs++;
	}
	if (many.msrs.nmsrs)
		r = kvm_set_msrs(vm->vcpus[values[0].key.vcpu].fd, &many.msrs);
	return r > 0 ? (size_t)r : 0;
}

static int msr_name(void *self, struct reg_key key, char *name, size_t size)
{
	(void)self;
	return x86_msr_name(REG_ID_NUMBER(key.id), name, size);
}

int x86_msr_bank_add(struct vm *vm)
{
	static const struct reg_bank bank = {
		.name = "msr",
		.mask = MSR_MASK,
		.match = MSR_ID(0),
		.per_vcpu = 1,
		.list = msr_list,
		.get = msr_get,
		.set = msr_set,
		.get_many = msr_get_many,
		.set_many = msr_set_many,
		.name_of = msr_name,
	};

	return reg_file_add(&vm->regs, &bank, 0, 0, vm);
}
