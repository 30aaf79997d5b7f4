/* SPDX-License-Identifier: Apache-2.0 */
/* What this host's KVM can do, read once. */
#ifndef KVM_CAPS_H
#define KVM_CAPS_H

#include <stddef.h>

/* Each field is KVM_CHECK_EXTENSION's answer for the capability of that name; 0: it has not got it. */
struct kvm_caps {
	int max_vcpus, max_vcpu_id, nr_memslots;
	int immediate_exit, irqchip, irqfd, ioeventfd, ioeventfd_any_length, irq_routing;
	int readonly_mem, mp_state, binary_stats_fd, dirty_log_ring, manual_dirty_log_protect2;
	int signal_msi, guest_memfd, vm_types;
	/* x86 */
	int pit2, x2apic_api, xsave2, xcrs, sregs2, nested_state, vcpu_events, debugregs;
	int tsc_control, get_tsc_khz, tsc_deadline_timer, adjust_clock, x86_msr_filter;
	int set_tss_addr, set_identity_map_addr, x86_disable_exits, xen_hvm, hyperv_cpuid;
	int hyperv_enforce_cpuid;
	int split_irqchip;
	/* arm64 */
	int arm_gic; /* no capability: the version that guests get, by whoever looked */
	int arm_vm_ipa_size, arm_psci_0_2, one_reg, arm_sve, arm_mte, arm_pmu_v3;
	int arm_ptrauth_address, arm_ptrauth_generic, arm_inject_ext_dabt, arm_nisv_to_user, msi_devid;
	int steal_time;
};

/* One line of the table that kvm_caps_read() works through. */
struct kvm_cap_info {
	const char *name; /* the constant's, without KVM_CAP_ */
	long cap;
	size_t offset; /* in struct kvm_caps */
};
extern const struct kvm_cap_info kvm_cap_infos[];
extern const size_t kvm_cap_infos_count;

/* fd: a VM where there is one (some answers differ), else /dev/kvm. */
void kvm_caps_read(int fd, struct kvm_caps *ret_caps);

static inline int kvm_caps_get(const struct kvm_caps *caps, const struct kvm_cap_info *info)
{
	return *(const int *)((const char *)caps + info->offset);
}

#endif
