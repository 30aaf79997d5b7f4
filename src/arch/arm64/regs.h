/* SPDX-License-Identifier: Apache-2.0 */
/* arm64's register banks, in the order of restoring, behind ident.h's; all -EOPNOTSUPP until the port is there. */
#ifndef ARCH_ARM64_REGS_H
#define ARCH_ARM64_REGS_H

struct vm;

int arm64_core_bank_add(struct vm *vm);   /* KVM_GET_REG_LIST's core registers */
int arm64_sysreg_bank_add(struct vm *vm); /* its system registers */
int arm64_gic_bank_add(struct vm *vm);    /* GICv3 and ITS by device attributes */
int arm64_clock_bank_add(struct vm *vm);  /* counters, once and last */

/* What every unfinished piece of the port says. */
int arm64_not_ported(const char *what);

#endif
