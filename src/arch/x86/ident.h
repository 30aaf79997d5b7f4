/* SPDX-License-Identifier: Apache-2.0 */
/* CPUID: what the guest is told of its CPU. */
#ifndef ARCH_X86_IDENT_H
#define ARCH_X86_IDENT_H

#include <stdint.h>

struct vm;
struct vcpu;

/* Reads what KVM offers. Before the first vCPU. */
int x86_ident_init(struct vm *vm);
void x86_ident_finish(struct vm *vm);

/* Gives the vCPU the offer, with its own topology and APIC id in it. */
int x86_ident_apply(struct vcpu *vcpu);

/* The register bank of CPUID: field is the index (ECX), number the function (EAX). */
int x86_cpuid_bank_add(struct vm *vm);

#endif
