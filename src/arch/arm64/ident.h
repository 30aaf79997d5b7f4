/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest is told of its CPU and its firmware. */
#ifndef ARCH_ARM64_IDENT_H
#define ARCH_ARM64_IDENT_H

struct vm;

/*
 * KVM's firmware pseudo-registers: PSCI's version, workarounds, bitmaps of hypercalls
 * (fw-pseudo-registers.rst). Restored before everything else, and fixed at the first run.
 */
int arm64_fw_bank_add(struct vm *vm);

/*
 * Sets some of them, before the VM first runs: "psci=1.0,std-hyp=0"; psci, std, std-hyp, vendor-hyp
 * and vendor-hyp-2. -EINVAL: no such word, no such value, or more than this host has; with a text.
 */
int arm64_fw_pin(struct vm *vm, const char *list);

#endif
