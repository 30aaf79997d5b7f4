/* SPDX-License-Identifier: Apache-2.0 */
/* The first vCPU's state at the kernel's entry. */
#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "kvm/kvm_arm64.h"
#include "regs.h"
#include "vm/vm.h"

/* Arm ARM C5.2.18, SPSR_EL1: EL1 with its own stack pointer, all exceptions masked. */
#define PSTATE_EL1H_MASKED 0x3c5UL

int arch_vcpu_set_entry(struct vcpu *vcpu, const struct boot_entry *entry)
{
	/* Linux Documentation/arch/arm64/booting.rst, 4: X1 to X3 are reserved, and zero. */
	const struct {
		uint64_t id, value;
	} registers[] = {
		{ ARM64_ID_PSTATE, PSTATE_EL1H_MASKED },
		{ ARM64_ID_PC, entry->pc },
		{ ARM64_ID_X(0), entry->arg },
		{ ARM64_ID_X(1), 0 },
		{ ARM64_ID_X(2), 0 },
		{ ARM64_ID_X(3), 0 },
	};
	int r = 0;

	if (entry->mode == BOOT_NONE)
		return 0;
	if (entry->mode != BOOT_LINUX_A64)
		return because(-EINVAL, "an arm64 vCPU cannot be entered that way");
	for (size_t i = 0; i < ARRAY_SIZE(registers) && r == 0; i++)
		r = kvm_set_one_reg(vcpu->fd, registers[i].id, &registers[i].value);
	return r < 0 ? because(r, "cannot enter the kernel at %#llx: %s",
			       (unsigned long long)entry->pc, strerror(-r)) :
		       0;
}
