/* SPDX-License-Identifier: Apache-2.0 */
/* CPUID leaves: KVM's offer, made to fit each vCPU, kept as registers. */
#include "ident.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <abi/cpuid.h>
#include <ferry/error.h>

#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "vm/vm.h"

#define LEAVES_MAX 256

/* Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E; Documentation/virt/kvm/x86/cpuid.rst */
#define LEAF_FEATURES      0x00000001
#define LEAF_CACHES        0x00000004
#define LEAF_TOPOLOGY      0x0000000b
#define LEAF_TOPOLOGY_V2   0x0000001f
#define LEAF_KVM_FEATURES  0x40000001
#define LEAF_AMD_SIZES     0x80000008
#define LEAF_AMD_TOPOLOGY  0x8000001e

#define FEATURES_ECX_TSC_DEADLINE (1U << 24)
#define FEATURES_ECX_HYPERVISOR   (1U << 31)
#define FEATURES_EDX_HTT          (1U << 28)
#define TOPOLOGY_SMT              1
#define TOPOLOGY_CORE             2

static struct kvm_cpuid2 *table_create(uint32_t capacity)
{
	struct kvm_cpuid2 *table;

	table = calloc(1, sizeof(*table) + capacity * sizeof(table->entries[0]));
	if (table)
		table->nent = capacity;
	return table;
}

int x86_ident_init(struct vm *vm)
{
	struct kvm_cpuid2 *table = table_create(LEAVES_MAX);
	int r;

	if (!table)
		return -ENOMEM;
	vm->arch.supported_cpuid = table;
	r = kvm_get_supported_cpuid(vm->kvm_fd, table);
	return r < 0 ? because(r, "KVM_GET_SUPPORTED_CPUID: %s", strerror(-r)) : 0;
}

/* What CPUs without that leaf have: Intel SDM volume 3A, 4.1.4. */
#define ADDRESS_BITS 36

unsigned arch_address_bits(const struct vm *vm)
{
	const struct kvm_cpuid2 *table = vm->arch.supported_cpuid;

	for (uint32_t i = 0; i < table->nent; i++)
		if (table->entries[i].function == LEAF_AMD_SIZES)
			return table->entries[i].eax & 0xff;
	return ADDRESS_BITS;
}

void x86_ident_finish(struct vm *vm)
{
	free(vm->arch.supported_cpuid);
	vm->arch.supported_cpuid = NULL;
}

/* Bits that hold n different numbers. */
static uint32_t width(uint32_t n)
{
	return n > 1 ? 32 - (uint32_t)__builtin_clz(n - 1) : 0;
}

static uint32_t at_most(uint32_t value, uint32_t limit)
{
	return value < limit ? value : limit;
}

/* One package of as many cores as there are vCPUs, one thread each. */
static void fit_topology(struct kvm_cpuid_entry2 *leaf, uint32_t vcpus, uint32_t apic_id)
{
	bool core = leaf->index == 1;

	leaf->eax = core ? width(vcpus) : 0;
	leaf->ebx = core ? at_most(vcpus, 0xffff) : leaf->index == 0;
	leaf->ecx = leaf->index;
	if (leaf->index < 2)
		leaf->ecx |= (core ? TOPOLOGY_CORE : TOPOLOGY_SMT) << 8;
	leaf->edx = apic_id;
}

static void fit(struct kvm_cpuid_entry2 *leaf, const struct vcpu *vcpu)
{
	const struct vm *vm = vcpu->vm;
	uint32_t vcpus = vm->regs.vcpus; /* vcpu_count grows while they are made */
	uint32_t apic_id = vcpu->index;

	switch (leaf->function) {
	case LEAF_FEATURES:
		leaf->ebx = (leaf->ebx & 0xffff) | at_most(vcpus, 255) << 16 | apic_id << 24;
		leaf->ecx |= FEATURES_ECX_HYPERVISOR;
		if (vm->caps.tsc_deadline_timer)
			leaf->ecx |= FEATURES_ECX_TSC_DEADLINE;
		leaf->edx &= ~FEATURES_EDX_HTT;
		leaf->edx |= vcpus > 1 ? FEATURES_EDX_HTT : 0;
		break;
	case LEAF_CACHES: /* 31..26: cores in the package - 1; 25..14: threads that share it - 1 */
		if (leaf->eax & 0x1f)
			leaf->eax = (leaf->eax & 0x3fff) | at_most(vcpus - 1, 63) << 26;
		break;
	case LEAF_TOPOLOGY:
	case LEAF_TOPOLOGY_V2:
		fit_topology(leaf, vcpus, apic_id);
		break;
	case LEAF_KVM_FEATURES:
		if (vm->arch.extended_destination)
			leaf->eax |= 1U << KVM_FEATURE_MSI_EXT_DEST_ID;
		break;
	case LEAF_AMD_SIZES:
		leaf->ecx = width(vcpus) << 12 | at_most(vcpus - 1, 255);
		break;
	case LEAF_AMD_TOPOLOGY:
		leaf->eax = apic_id;
		leaf->ebx = apic_id & 0xff;
		leaf->ecx = 0;
		break;
	default:
		break;
	}
}

int x86_ident_apply(struct vcpu *vcpu)
{
	const struct kvm_cpuid2 *offer = vcpu->vm->arch.supported_cpuid;
	struct kvm_cpuid2 *table = table_create(LEAVES_MAX);
	int r;

	if (!table)
		return -ENOMEM;
	vcpu->arch.cpuid = table;
	vcpu->arch.cpuid_capacity = LEAVES_MAX;
	table->nent = offer->nent;
	for (uint32_t i = 0; i < offer->nent; i++) {
		table->entries[i] = offer->entries[i];
		fit(&table->entries[i], vcpu);
	}
	r = kvm_set_cpuid2(vcpu->fd, table);
	return r < 0 ? because(r, "KVM_SET_CPUID2: %s", strerror(-r)) : 0;
}

int x86_cpuid_replace(struct vcpu *vcpu, uint32_t first, uint32_t last,
		      const struct kvm_cpuid_entry2 *leaves, uint32_t count)
{
	struct kvm_cpuid2 *table = vcpu->arch.cpuid;
	uint32_t kept = 0;
	int r;

	for (uint32_t i = 0; i < table->nent; i++)
		if (table->entries[i].function < first || table->entries[i].function > last)
			table->entries[kept++] = table->entries[i];
	if (count > vcpu->arch.cpuid_capacity - kept)
		return because(-EINVAL, "more than %u CPUID leaves", vcpu->arch.cpuid_capacity);
	if (count)
		memcpy(&table->entries[kept], leaves, count * sizeof(*leaves));
	table->nent = kept + count;
	r = kvm_set_cpuid2(vcpu->fd, table);
	return r < 0 ? because(r, "KVM_SET_CPUID2: %s", strerror(-r)) : 0;
}

/* A leaf as a register. The flags say whether the index counts; the CPU's manual fixes them. */
struct leaf {
	uint32_t eax, ebx, ecx, edx;
	uint32_t flags;
	uint32_t zero[3];
};

static uint64_t leaf_id(const struct kvm_cpuid_entry2 *entry)
{
	return REG_ID(REG_BANK_CPUID, entry->index, 5, entry->function);
}

static struct kvm_cpuid_entry2 *find_leaf(struct vcpu *vcpu, uint64_t id)
{
	struct kvm_cpuid2 *table = vcpu->arch.cpuid;

	for (uint32_t i = 0; i < table->nent; i++)
		if (leaf_id(&table->entries[i]) == id)
			return &table->entries[i];
	return NULL;
}

static int bank_list(void *self, uint32_t v, struct reg_list *out)
{
	struct vm *vm = self;
	const struct kvm_cpuid2 *table = vm->vcpus[v].arch.cpuid;
	int r = 0;

	for (uint32_t i = 0; i < table->nent && r == 0; i++)
		r = reg_list_add(out, v, leaf_id(&table->entries[i]), 0);
	return r;
}

static int bank_get(void *self, struct reg_key key, void *val)
{
	struct vm *vm = self;
	const struct kvm_cpuid_entry2 *entry = find_leaf(&vm->vcpus[key.vcpu], key.id);
	struct leaf leaf;

	if (!entry)
		return because(-ENOENT, "no CPUID leaf %#x.%u", REG_ID_NUMBER(key.id),
			       REG_ID_FIELD(key.id));
	leaf = (struct leaf){ .eax = entry->eax, .ebx = entry->ebx, .ecx = entry->ecx,
			      .edx = entry->edx, .flags = entry->flags };
	memcpy(val, &leaf, sizeof(leaf));
	return 0;
}

static struct kvm_cpuid_entry2 *append_leaf(struct vcpu *vcpu, uint64_t id)
{
	struct kvm_cpuid2 *table = vcpu->arch.cpuid;
	struct kvm_cpuid_entry2 *entry;

	if (table->nent == vcpu->arch.cpuid_capacity)
		return NULL;
	entry = &table->entries[table->nent++];
	*entry = (struct kvm_cpuid_entry2){ .function = REG_ID_NUMBER(id),
					    .index = REG_ID_FIELD(id) };
	return entry;
}

static uint32_t reg_of(const struct kvm_cpuid_entry2 *entry, char reg)
{
	switch (reg) {
	case 'a':
		return entry->eax;
	case 'b':
		return entry->ebx;
	case 'c':
		return entry->ecx;
	default:
		return entry->edx;
	}
}

/* Every feature that is missing, in the error's text. */
static int refuse_features(const struct cpuid_features *features, uint32_t missing)
{
	int r = because(-EINVAL, "this host does not offer");
	char text[ERROR_TEXT_MAX];

	for (unsigned bit = 0; bit < CPUID_FEATURE_BITS; bit++) {
		const char *name = features->names[bit];

		if (!(missing >> bit & 1))
			continue;
		snprintf(text, sizeof(text), "%s", error_text(r));
		if (name && name[0])
			r = because(r, "%s %s", text, name);
		else
			r = because(r, "%s e%cx[%u]", text, features->reg, bit);
	}
	return r;
}

/* KVM takes any leaf; the guest would find out by an invalid opcode. */
static int check_features(const struct vcpu *vcpu, const struct kvm_cpuid_entry2 *wanted)
{
	static const struct cpuid_features table[] = CPUID_FEATURES;
	const struct kvm_cpuid2 *offer = vcpu->vm->arch.supported_cpuid;
	struct kvm_cpuid_entry2 here = { 0 };

	for (uint32_t i = 0; i < offer->nent; i++)
		if (offer->entries[i].function == wanted->function &&
		    offer->entries[i].index == wanted->index)
			here = offer->entries[i];
	if (here.function)
		fit(&here, vcpu);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		uint32_t missing = reg_of(wanted, table[i].reg) & ~reg_of(&here, table[i].reg);

		if (table[i].leaf == wanted->function && table[i].index == wanted->index &&
		    missing)
			return refuse_features(&table[i], missing);
	}
	return 0;
}

static int bank_set(void *self, struct reg_key key, const void *val)
{
	struct vm *vm = self;
	struct vcpu *vcpu = &vm->vcpus[key.vcpu];
	struct kvm_cpuid_entry2 *entry = find_leaf(vcpu, key.id);
	struct kvm_cpuid_entry2 old = entry ? *entry : (struct kvm_cpuid_entry2){ 0 };
	struct kvm_cpuid_entry2 wanted;
	struct leaf leaf;
	int r;

	memcpy(&leaf, val, sizeof(leaf));
	wanted = (struct kvm_cpuid_entry2){
		.function = REG_ID_NUMBER(key.id), .index = REG_ID_FIELD(key.id),
		.flags = leaf.flags, .eax = leaf.eax, .ebx = leaf.ebx, .ecx = leaf.ecx,
		.edx = leaf.edx,
	};
	if (leaf.flags & ~KVM_CPUID_FLAG_SIGNIFCANT_INDEX)
		return because(-EINVAL, "CPUID leaf flags %#x", leaf.flags);
	if (entry && memcmp(&old, &wanted, sizeof(old)) == 0)
		return 0;
	if (vm->has_run)
		return because(-EBUSY, "CPUID is fixed once the VM has run");
	r = check_features(vcpu, &wanted);
	if (r < 0)
		return r;
	if (!entry)
		entry = append_leaf(vcpu, key.id);
	if (!entry)
		return because(-EINVAL, "more than %u CPUID leaves", vcpu->arch.cpuid_capacity);
	*entry = wanted;
	r = kvm_set_cpuid2(vcpu->fd, vcpu->arch.cpuid);
	if (r < 0)
		*entry = old;
	return r;
}

static int bank_name(void *self, struct reg_key key, char *name, size_t size)
{
	(void)self;
	snprintf(name, size, "%#x.%u", REG_ID_NUMBER(key.id), REG_ID_FIELD(key.id));
	return 0;
}

int x86_cpuid_bank_add(struct vm *vm)
{
	static const struct reg_bank bank = {
		.name = "cpuid",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_CPUID),
		.per_vcpu = 1,
		.list = bank_list,
		.get = bank_get,
		.set = bank_set,
		.name_of = bank_name,
	};

	return reg_file_add(&vm->regs, &bank, 0, 0, vm);
}
