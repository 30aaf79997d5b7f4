/* SPDX-License-Identifier: Apache-2.0 */
/* KVM's ioctls of x86, one function each under the kernel's own name. */
#ifndef KVM_KVM_X86_H
#define KVM_KVM_X86_H

#include "kvm/kvm.h"

/* /dev/kvm */
int kvm_get_supported_cpuid(int kvm, struct kvm_cpuid2 *cpuid);
int kvm_get_msr_index_list(int kvm, struct kvm_msr_list *list);

/* a VM */
int kvm_create_irqchip(int vm);
int kvm_create_pit2(int vm, struct kvm_pit_config *config);
int kvm_set_tss_addr(int vm, long address);
int kvm_set_identity_map_addr(int vm, __u64 *address);
int kvm_get_irqchip(int vm, struct kvm_irqchip *chip);
int kvm_set_irqchip(int vm, struct kvm_irqchip *chip);
int kvm_get_pit2(int vm, struct kvm_pit_state2 *pit);
int kvm_set_pit2(int vm, struct kvm_pit_state2 *pit);
int kvm_get_clock(int vm, struct kvm_clock_data *clock);
int kvm_set_clock(int vm, struct kvm_clock_data *clock);
int kvm_x86_set_msr_filter(int vm, struct kvm_msr_filter *filter);

/* a vCPU */
int kvm_get_regs(int vcpu, struct kvm_regs *regs);
int kvm_set_regs(int vcpu, struct kvm_regs *regs);
int kvm_get_sregs(int vcpu, struct kvm_sregs *sregs);
int kvm_set_sregs(int vcpu, struct kvm_sregs *sregs);
int kvm_get_sregs2(int vcpu, struct kvm_sregs2 *sregs);
int kvm_set_sregs2(int vcpu, struct kvm_sregs2 *sregs);
int kvm_get_msrs(int vcpu, struct kvm_msrs *msrs);
int kvm_set_msrs(int vcpu, struct kvm_msrs *msrs);
int kvm_set_cpuid2(int vcpu, struct kvm_cpuid2 *cpuid);
int kvm_get_lapic(int vcpu, struct kvm_lapic_state *lapic);
int kvm_set_lapic(int vcpu, struct kvm_lapic_state *lapic);
int kvm_get_vcpu_events(int vcpu, struct kvm_vcpu_events *events);
int kvm_set_vcpu_events(int vcpu, struct kvm_vcpu_events *events);
int kvm_get_debugregs(int vcpu, struct kvm_debugregs *regs);
int kvm_set_debugregs(int vcpu, struct kvm_debugregs *regs);
int kvm_get_xsave(int vcpu, struct kvm_xsave *xsave);
int kvm_get_xsave2(int vcpu, struct kvm_xsave *xsave);
int kvm_set_xsave(int vcpu, struct kvm_xsave *xsave);
int kvm_get_xcrs(int vcpu, struct kvm_xcrs *xcrs);
int kvm_set_xcrs(int vcpu, struct kvm_xcrs *xcrs);
int kvm_get_nested_state(int vcpu, struct kvm_nested_state *state);
int kvm_set_nested_state(int vcpu, struct kvm_nested_state *state);
int kvm_get_tsc_khz(int vcpu);
int kvm_set_tsc_khz(int vcpu, long khz);
int kvm_kvmclock_ctrl(int vcpu);
int kvm_get_fpu(int vcpu, struct kvm_fpu *fpu);
int kvm_translate(int vcpu, struct kvm_translation *translation);

#endif
