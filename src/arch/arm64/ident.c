/* SPDX-License-Identifier: Apache-2.0 */
/* Firmware pseudo-registers: what the guest is offered besides its CPU. */
#include "ident.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "kvm/kvm_arm64.h"
#include "regs.h"
#include "vm/arch.h"
#include "vm/vm.h"

/* ARM64_KIND_FW and ARM64_KIND_FW_BMAP differ in this bit. */
#define KINDS_MASK (ARM64_KIND_MASK & ~0x20000ULL)

_Static_assert((ARM64_KIND_FW | 2) == ARM64_KIND_FW_BMAP, "one mask has both kinds");

#define ID_VENDOR_HYP_BMAP_2 KVM_REG_ARM_FW_FEAT_BMAP_REG(3) /* Linux 6.15 */

/* A VM of type 0 has 40 bits (api.rst, KVM_CREATE_VM); a CPU may have less. */
#define ADDRESS_BITS 40

long arch_vm_type(int kvm)
{
	int bits = kvm_check_extension(kvm, KVM_CAP_ARM_VM_IPA_SIZE);

	return bits > 0 && bits < ADDRESS_BITS ? KVM_VM_TYPE_ARM_IPA_SIZE(bits) : 0;
}

unsigned arch_address_bits(const struct vm *vm)
{
	int bits = vm->caps.arm_vm_ipa_size;

	return bits > 0 ? (unsigned)min_u64((uint64_t)bits, ADDRESS_BITS) : ADDRESS_BITS;
}

/* They are the VM's, most of them, but KVM has them in every vCPU. */
static int fw_list(void *self, uint32_t v, struct reg_list *out)
{
	const struct kvm_reg_list *registers;
	int r = arm64_registers(self, &registers);

	for (uint64_t i = 0; r == 0 && i < registers->n; i++)
		if ((registers->reg[i] & KINDS_MASK) == ARM64_KIND_ID(ARM64_KIND_FW))
			r = reg_list_add(out, v, registers->reg[i], REG_PROMISE);
	return r;
}

static int fw_get(void *self, struct reg_key key, void *val)
{
	struct vm *vm = self;

	return arm64_reg_get(&vm->vcpus[key.vcpu], key.id, val);
}

static int fw_set(void *self, struct reg_key key, const void *val)
{
	struct vm *vm = self;

	return arm64_reg_set(&vm->vcpus[key.vcpu], key.id, val);
}

static int fw_name(void *self, struct reg_key key, char *name, size_t size)
{
	(void)self;
	arm64_reg_name(key.id, name, size);
	return 0;
}

static const struct pin {
	const char *name;
	uint64_t id;
} pins[] = {
	{ "psci", KVM_REG_ARM_PSCI_VERSION },
	{ "std", KVM_REG_ARM_STD_BMAP },
	{ "std-hyp", KVM_REG_ARM_STD_HYP_BMAP },
	{ "vendor-hyp", KVM_REG_ARM_VENDOR_HYP_BMAP },
	{ "vendor-hyp-2", ID_VENDOR_HYP_BMAP_2 },
};

/* A number, or a version MAJOR.MINOR as PSCI encodes it (DEN0022 5.1.1). */
static bool read_value(uint64_t id, const char *text, uint64_t *ret_value)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (id == KVM_REG_ARM_PSCI_VERSION && end != text && *end == '.') {
		text = end + 1;
		value = value << 16 | strtoull(text, &end, 10);
	}
	*ret_value = value;
	return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

static int pin(struct vm *vm, char *word)
{
	char *text = strchr(word, '=');
	uint64_t value;

	if (text)
		*text++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(pins); i++) {
		if (strcmp(word, pins[i].name) != 0)
			continue;
		if (!text || !read_value(pins[i].id, text, &value))
			return because(-EINVAL, "%s=%s: not a %s", word, text ? text : "",
				       i == 0 ? "version such as 1.0" : "number");
		return arm64_reg_set(&vm->vcpus[0], pins[i].id, &value);
	}
	return because(-EINVAL, "'%s' is not one of psci, std, std-hyp, vendor-hyp, vendor-hyp-2",
		       word);
}

int arm64_fw_pin(struct vm *vm, const char *list)
{
	AUTO_FREE char *copy = strdup(list);
	char *at = copy, *word;
	int r = copy ? 0 : -ENOMEM;

	while (r == 0 && (word = strsep(&at, ",")))
		r = pin(vm, word);
	return r;
}

int arm64_fw_bank_add(struct vm *vm)
{
	static const struct reg_bank bank = {
		.name = "fw",
		.mask = KINDS_MASK,
		.match = ARM64_KIND_ID(ARM64_KIND_FW),
		.per_vcpu = 1,
		.list = fw_list,
		.get = fw_get,
		.set = fw_set,
		.name_of = fw_name,
	};

	return reg_file_add(&vm->regs, &bank, 0, 0, vm);
}
