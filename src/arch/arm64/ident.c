/* SPDX-License-Identifier: Apache-2.0 */
/* Firmware pseudo-registers: what the guest is offered besides its CPU. */
#include "ident.h"

#include <errno.h>

#include "base/util.h"
#include "kvm/kvm_arm64.h"
#include "regs.h"
#include "vm/arch.h"
#include "vm/vm.h"

/* ARM64_KIND_FW and ARM64_KIND_FW_BMAP differ in this bit. */
#define KINDS_MASK (ARM64_KIND_MASK & ~0x20000ULL)

_Static_assert((ARM64_KIND_FW | 2) == ARM64_KIND_FW_BMAP, "one mask has both kinds");

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
			r = reg_list_add(out, v, registers->reg[i], 0);
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
