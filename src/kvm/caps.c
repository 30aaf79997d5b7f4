/* SPDX-License-Identifier: Apache-2.0 */
/* The table of capabilities. */
#include "kvm/caps.h"

#include "base/util.h"
#include "kvm/kvm.h"

#define CAP(NAME, field) { #NAME, KVM_CAP_##NAME, offsetof(struct kvm_caps, field) }

const struct kvm_cap_info kvm_cap_infos[] = {
	CAP(MAX_VCPUS, max_vcpus),
	CAP(MAX_VCPU_ID, max_vcpu_id),
	CAP(NR_MEMSLOTS, nr_memslots),
	CAP(IMMEDIATE_EXIT, immediate_exit),
	CAP(IRQCHIP, irqchip),
	CAP(IRQFD, irqfd),
	CAP(IOEVENTFD, ioeventfd),
	CAP(IOEVENTFD_ANY_LENGTH, ioeventfd_any_length),
	CAP(IRQ_ROUTING, irq_routing),
	CAP(READONLY_MEM, readonly_mem),
	CAP(MP_STATE, mp_state),
	CAP(BINARY_STATS_FD, binary_stats_fd),
	CAP(DIRTY_LOG_RING, dirty_log_ring),
	CAP(MANUAL_DIRTY_LOG_PROTECT2, manual_dirty_log_protect2),
	CAP(SIGNAL_MSI, signal_msi),
	CAP(GUEST_MEMFD, guest_memfd),
	CAP(VM_TYPES, vm_types),
	CAP(PIT2, pit2),
	CAP(X2APIC_API, x2apic_api),
	CAP(XSAVE2, xsave2),
	CAP(XCRS, xcrs),
	CAP(SREGS2, sregs2),
	CAP(NESTED_STATE, nested_state),
	CAP(VCPU_EVENTS, vcpu_events),
	CAP(DEBUGREGS, debugregs),
	CAP(TSC_CONTROL, tsc_control),
	CAP(GET_TSC_KHZ, get_tsc_khz),
	CAP(TSC_DEADLINE_TIMER, tsc_deadline_timer),
	CAP(ADJUST_CLOCK, adjust_clock),
	CAP(X86_MSR_FILTER, x86_msr_filter),
	CAP(SET_TSS_ADDR, set_tss_addr),
	CAP(SET_IDENTITY_MAP_ADDR, set_identity_map_addr),
	CAP(X86_DISABLE_EXITS, x86_disable_exits),
	CAP(XEN_HVM, xen_hvm),
	CAP(HYPERV_CPUID, hyperv_cpuid),
	CAP(HYPERV_ENFORCE_CPUID, hyperv_enforce_cpuid),
	CAP(SPLIT_IRQCHIP, split_irqchip),
	CAP(ARM_VM_IPA_SIZE, arm_vm_ipa_size),
	CAP(ARM_PSCI_0_2, arm_psci_0_2),
	CAP(ONE_REG, one_reg),
	CAP(ARM_SVE, arm_sve),
	CAP(ARM_MTE, arm_mte),
	CAP(ARM_PMU_V3, arm_pmu_v3),
	CAP(ARM_PTRAUTH_ADDRESS, arm_ptrauth_address),
	CAP(ARM_PTRAUTH_GENERIC, arm_ptrauth_generic),
	CAP(ARM_INJECT_EXT_DABT, arm_inject_ext_dabt),
	CAP(ARM_NISV_TO_USER, arm_nisv_to_user),
	CAP(MSI_DEVID, msi_devid),
	CAP(STEAL_TIME, steal_time),
};

const size_t kvm_cap_infos_count = ARRAY_SIZE(kvm_cap_infos);

void kvm_caps_read(int fd, struct kvm_caps *ret_caps)
{
	for (size_t i = 0; i < kvm_cap_infos_count; i++) {
		int value = kvm_check_extension(fd, kvm_cap_infos[i].cap);

		*(int *)((char *)ret_caps + kvm_cap_infos[i].offset) = value > 0 ? value : 0;
	}
}
