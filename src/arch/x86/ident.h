/* SPDX-License-Identifier: Apache-2.0 */
/* CPUID: what the guest is told of its CPU. */
#ifndef ARCH_X86_IDENT_H
#define ARCH_X86_IDENT_H

#include <stdint.h>

struct kvm_cpuid_entry2;
struct vcpu;
struct vm;

/* Reads what KVM offers. Before the first vCPU. */
int x86_ident_init(struct vm *vm);
void x86_ident_finish(struct vm *vm);

/* Gives the vCPU the offer, with its own topology and APIC id in it. */
int x86_ident_apply(struct vcpu *vcpu);

/*
 * Puts these leaves in the place of all of the vCPU's from first to last: what a personality tells the
 * guest. Before the VM first runs. -EINVAL: not that many, or KVM's own.
 */
int x86_cpuid_replace(struct vcpu *vcpu, uint32_t first, uint32_t last,
		      const struct kvm_cpuid_entry2 *leaves, uint32_t count);

/* The register bank of CPUID: field is the index (ECX), number the function (EAX). */
int x86_cpuid_bank_add(struct vm *vm);

#endif
