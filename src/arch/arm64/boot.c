/* SPDX-License-Identifier: Apache-2.0 */
/* The first vCPU's state at the kernel's entry. Not ported yet. */
#include "regs.h"
#include "vm/vm.h"

int arch_vcpu_set_entry(struct vcpu *vcpu, const struct boot_entry *entry)
{
	(void)vcpu;
	(void)entry;
	return arm64_not_ported("entering a kernel");
}
