/* SPDX-License-Identifier: Apache-2.0 */
/* KVM's ioctls of x86. */
#include "kvm/kvm_x86.h"

#include "kvm/ioctl.h"

int kvm_get_supported_cpuid(int kvm, struct kvm_cpuid2 *cpuid)
{
	return KVM_IOCTL(kvm, KVM_GET_SUPPORTED_CPUID, cpuid);
}

int kvm_get_msr_index_list(int kvm, struct kvm_msr_list *list)
{
	return KVM_IOCTL(kvm, KVM_GET_MSR_INDEX_LIST, list);
}

int kvm_create_irqchip(int vm)
{
	return KVM_IOCTL_VAL(vm, KVM_CREATE_IRQCHIP, 0);
}

int kvm_create_pit2(int vm, struct kvm_pit_config *config)
{
	return KVM_IOCTL(vm, KVM_CREATE_PIT2, config);
}

int kvm_set_tss_addr(int vm, long address)
{
	return KVM_IOCTL_VAL(vm, KVM_SET_TSS_ADDR, address);
}

int kvm_set_identity_map_addr(int vm, __u64 *address)
{
	return KVM_IOCTL(vm, KVM_SET_IDENTITY_MAP_ADDR, address);
}

int kvm_get_irqchip(int vm, struct kvm_irqchip *chip)
{
	return KVM_IOCTL(vm, KVM_GET_IRQCHIP, chip);
}

int kvm_set_irqchip(int vm, struct kvm_irqchip *chip)
{
	return KVM_IOCTL(vm, KVM_SET_IRQCHIP, chip);
}

int kvm_get_pit2(int vm, struct kvm_pit_state2 *pit)
{
	return KVM_IOCTL(vm, KVM_GET_PIT2, pit);
}

int kvm_set_pit2(int vm, struct kvm_pit_state2 *pit)
{
	return KVM_IOCTL(vm, KVM_SET_PIT2, pit);
}

int kvm_get_clock(int vm, struct kvm_clock_data *clock)
{
	return KVM_IOCTL(vm, KVM_GET_CLOCK, clock);
}

int kvm_set_clock(int vm, struct kvm_clock_data *clock)
{
	return KVM_IOCTL(vm, KVM_SET_CLOCK, clock);
}

int kvm_x86_set_msr_filter(int vm, struct kvm_msr_filter *filter)
{
	return KVM_IOCTL(vm, KVM_X86_SET_MSR_FILTER, filter);
}

int kvm_get_regs(int vcpu, struct kvm_regs *regs)
{
	return KVM_IOCTL(vcpu, KVM_GET_REGS, regs);
}

int kvm_set_regs(int vcpu, struct kvm_regs *regs)
{
	return KVM_IOCTL(vcpu, KVM_SET_REGS, regs);
}

int kvm_get_sregs(int vcpu, struct kvm_sregs *sregs)
{
	return KVM_IOCTL(vcpu, KVM_GET_SREGS, sregs);
}

int kvm_set_sregs(int vcpu, struct kvm_sregs *sregs)
{
	return KVM_IOCTL(vcpu, KVM_SET_SREGS, sregs);
}

int kvm_get_sregs2(int vcpu, struct kvm_sregs2 *sregs)
{
	return KVM_IOCTL(vcpu, KVM_GET_SREGS2, sregs);
}

int kvm_set_sregs2(int vcpu, struct kvm_sregs2 *sregs)
{
	return KVM_IOCTL(vcpu, KVM_SET_SREGS2, sregs);
}

int kvm_get_msrs(int vcpu, struct kvm_msrs *msrs)
{
	return KVM_IOCTL(vcpu, KVM_GET_MSRS, msrs);
}

int kvm_set_msrs(int vcpu, struct kvm_msrs *msrs)
{
	return KVM_IOCTL(vcpu, KVM_SET_MSRS, msrs);
}

int kvm_set_cpuid2(int vcpu, struct kvm_cpuid2 *cpuid)
{
	return KVM_IOCTL(vcpu, KVM_SET_CPUID2, cpuid);
}

int kvm_get_lapic(int vcpu, struct kvm_lapic_state *lapic)
{
	return KVM_IOCTL(vcpu, KVM_GET_LAPIC, lapic);
}

int kvm_set_lapic(int vcpu, struct kvm_lapic_state *lapic)
{
	return KVM_IOCTL(vcpu, KVM_SET_LAPIC, lapic);
}

int kvm_get_vcpu_events(int vcpu, struct kvm_vcpu_events *events)
{
	return KVM_IOCTL(vcpu, KVM_GET_VCPU_EVENTS, events);
}

int kvm_set_vcpu_events(int vcpu, struct kvm_vcpu_events *events)
{
	return KVM_IOCTL(vcpu, KVM_SET_VCPU_EVENTS, events);
}

int kvm_get_debugregs(int vcpu, struct kvm_debugregs *regs)
{
	return KVM_IOCTL(vcpu, KVM_GET_DEBUGREGS, regs);
}

int kvm_set_debugregs(int vcpu, struct kvm_debugregs *regs)
{
	return KVM_IOCTL(vcpu, KVM_SET_DEBUGREGS, regs);
}

int kvm_get_xsave(int vcpu, struct kvm_xsave *xsave)
{
	return KVM_IOCTL(vcpu, KVM_GET_XSAVE, xsave);
}

int kvm_get_xsave2(int vcpu, struct kvm_xsave *xsave)
{
	return KVM_IOCTL(vcpu, KVM_GET_XSAVE2, xsave);
}

int kvm_set_xsave(int vcpu, struct kvm_xsave *xsave)
{
	return KVM_IOCTL(vcpu, KVM_SET_XSAVE, xsave);
}

int kvm_get_xcrs(int vcpu, struct kvm_xcrs *xcrs)
{
	return KVM_IOCTL(vcpu, KVM_GET_XCRS, xcrs);
}

int kvm_set_xcrs(int vcpu, struct kvm_xcrs *xcrs)
{
	return KVM_IOCTL(vcpu, KVM_SET_XCRS, xcrs);
}

int kvm_get_nested_state(int vcpu, struct kvm_nested_state *state)
{
	return KVM_IOCTL(vcpu, KVM_GET_NESTED_STATE, state);
}

int kvm_set_nested_state(int vcpu, struct kvm_nested_state *state)
{
	return KVM_IOCTL(vcpu, KVM_SET_NESTED_STATE, state);
}

int kvm_get_tsc_khz(int vcpu)
{
	return KVM_IOCTL_VAL(vcpu, KVM_GET_TSC_KHZ, 0);
}

int kvm_set_tsc_khz(int vcpu, long khz)
{
	return KVM_IOCTL_VAL(vcpu, KVM_SET_TSC_KHZ, khz);
}

int kvm_kvmclock_ctrl(int vcpu)
{
	return KVM_IOCTL_VAL(vcpu, KVM_KVMCLOCK_CTRL, 0);
}

int kvm_get_fpu(int vcpu, struct kvm_fpu *fpu)
{
	return KVM_IOCTL(vcpu, KVM_GET_FPU, fpu);
}

int kvm_translate(int vcpu, struct kvm_translation *translation)
{
	return KVM_IOCTL(vcpu, KVM_TRANSLATE, translation);
}
