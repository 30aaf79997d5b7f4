/* SPDX-License-Identifier: Apache-2.0 */
/* ID registers and feature bitmaps. Not ported yet. */
#include "ident.h"

#include "regs.h"
#include "vm/arch.h"

int arm64_ident_bank_add(struct vm *vm)
{
	(void)vm;
	return arm64_not_ported("ID registers");
}

/* A VM of type 0: Documentation/virt/kvm/api.rst, KVM_CREATE_VM. */
unsigned arch_address_bits(const struct vm *vm)
{
	(void)vm;
	return 40;
}
