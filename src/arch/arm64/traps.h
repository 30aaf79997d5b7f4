/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SMCCC calls that the guest makes by HVC or SMC and that KVM shall forward. A machine's parts register
 * who answers, before the VM first runs; from then on it is fixed, and exits look without a lock.
 */
#ifndef ARCH_ARM64_TRAPS_H
#define ARCH_ARM64_TRAPS_H

#include <stdint.h>

struct vm;
struct vcpu;

/*
 * Calls of the functions [first, first + count) come to fn, on the vCPU's own thread, with no lock
 * held: it reads x1 and the like, and writes x0 (devices/vm.rst, KVM_ARM_VM_SMCCC_FILTER; PC is
 * behind the instruction by then).
 *   -EOPNOTSUPP  this KVM forwards none (Linux 6.4 is the first that does)
 *   -EEXIST      another trap has one of them
 *   -ENOSPC      too many traps
 */
int arm64_smccc_trap_add(struct vm *vm, uint32_t first, uint32_t count,
			 void (*fn)(void *self, struct vcpu *vcpu, uint32_t function), void *self);

/* arch_vcpu_exit()'s part: -ENOSYS when nobody has registered for the exit. */
int arm64_traps_exit(struct vcpu *vcpu);

#endif
