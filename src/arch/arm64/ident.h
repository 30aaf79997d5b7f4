/* SPDX-License-Identifier: Apache-2.0 */
/* ID registers and feature bitmaps: what the guest is told of its CPU. */
#ifndef ARCH_ARM64_IDENT_H
#define ARCH_ARM64_IDENT_H

struct vm;

/* Restored before everything else, and fixed at the first run. -EOPNOTSUPP until the port is there. */
int arm64_ident_bank_add(struct vm *vm);

#endif
