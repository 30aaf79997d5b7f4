/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest's CPU asks of user space: SMCCC calls that KVM forwards. */
#ifndef ARCH_ARM64_TRAPS_H
#define ARCH_ARM64_TRAPS_H

struct vcpu;

/* arch_vcpu_exit()'s part: -ENOSYS when nobody has registered for the exit. */
int arm64_traps_exit(struct vcpu *vcpu);

#endif
