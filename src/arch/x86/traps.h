/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest's CPU asks of user space: MSRs that KVM shall not answer, hypercalls by a port, and
 * exits that only one personality has. A machine's parts register who answers, before the VM first
 * runs; from then on it is fixed, and exits look without a lock. Every function that is registered is
 * called on the vCPU's own thread, with no lock held, and may read and write its registers.
 */
#ifndef ARCH_X86_TRAPS_H
#define ARCH_X86_TRAPS_H

#include <stdint.h>

struct vm;
struct vcpu;

/*
 * MSRs [first, first + count). The guest's accesses come here; the host's ioctls go to KVM as ever.
 * 0: done; negative: the guest takes #GP.
 *
 * Those of registers[] are in the bank of MSRs too, in that order, by what get and set say: a MSR is the
 * same register whether KVM keeps it or somebody else. The VM is paused then, or has not run. -ENOENT,
 * -EINVAL. Without registers (NULL) none of these MSRs is one.
 */
struct x86_msr_trap {
	uint32_t first, count;
	int (*read)(void *self, struct vcpu *vcpu, uint32_t index, uint64_t *ret_value);
	int (*write)(void *self, struct vcpu *vcpu, uint32_t index, uint64_t value);
	int (*get)(void *self, struct vcpu *vcpu, uint32_t index, uint64_t *ret_value);
	int (*set)(void *self, struct vcpu *vcpu, uint32_t index, uint64_t value);
	const uint32_t *registers;
	uint32_t register_count;
};

/*
 * trap lives as long as the VM. By KVM_CAP_X86_USER_SPACE_MSR and KVM_X86_SET_MSR_FILTER (api.rst 7.21,
 * 4.97).
 *   -EOPNOTSUPP  this KVM has no MSR filter
 *   -EEXIST      another trap has one of these MSRs
 *   -ENOSPC      more traps than KVM's filter has ranges
 */
int x86_msr_trap_add(struct vm *vm, const struct x86_msr_trap *trap, void *self);

/* Who has that MSR, and with which self; NULL: KVM. */
const struct x86_msr_trap *x86_msr_trap_find(const struct vm *vm, uint32_t index, void **ret_self);

/*
 * The guest's OUT to the port is a hypercall. KVM may not have advanced RIP yet: it does so when the
 * guest is entered again, unless RIP was changed meanwhile. -EEXIST: a device has the port.
 */
int x86_hypercall_port_add(struct vm *vm, uint16_t port, void (*fn)(void *self, struct vcpu *vcpu),
			   void *self);

/* Exits of that reason (KVM_EXIT_XEN, KVM_EXIT_HYPERV). -EEXIST: somebody has them. */
int x86_exit_trap_add(struct vm *vm, uint32_t reason, void (*fn)(void *self, struct vcpu *vcpu),
		      void *self);

/* arch_vcpu_exit()'s part: -ENOSYS when nobody has registered for the exit. */
int x86_traps_exit(struct vcpu *vcpu);

#endif
