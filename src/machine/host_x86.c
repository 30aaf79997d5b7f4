/* SPDX-License-Identifier: Apache-2.0 */
/* The capabilities of KVM that matter to an x86 machine. */
#include "machine/host.h"

#include "base/util.h"

#define CAP(field) offsetof(struct kvm_caps, field)

const struct host_cap host_caps[] = {
	{ "vCPUs in a VM, at most", CAP(max_vcpus), true, true, "runs no VM" },
	{ "largest APIC id + 1", CAP(max_vcpu_id), false, true, NULL },
	{ "memory slots", CAP(nr_memslots), true, true, "runs no VM" },
	{ "immediate exit", CAP(immediate_exit), true, false, "runs no VM: pausing needs it" },
	{ "interrupt controllers", CAP(irqchip), true, false, "runs no VM" },
	{ "timer 8254", CAP(pit2), true, false, "runs no VM" },
	{ "irqfd", CAP(irqfd), true, false, "runs no VM: devices interrupt by it" },
	{ "ioeventfd", CAP(ioeventfd), true, false, "runs no VM: virtqueues are kicked by it" },
	{ "ioeventfd of any length", CAP(ioeventfd_any_length), false, false,
	  "listens for two-byte kicks only" },
	{ "message interrupts", CAP(irq_routing), true, false, "runs no VM: virtio needs MSI-X" },
	{ "read-only memory", CAP(readonly_mem), false, false, "has no read-only regions" },
	{ "APIC ids above 255", CAP(x2apic_api), false, false, "gives a VM at most 255 vCPUs" },
	{ "XSAVE beyond 4K", CAP(xsave2), false, false, "saves the first 4K (no AMX)" },
	{ "nested virtualization", CAP(nested_state), false, false,
	  "offers guests no virtualization" },
	{ "TSC scaling", CAP(tsc_control), false, false,
	  "keeps guests on hosts of the same TSC frequency" },
	{ "TSC deadline timer", CAP(tsc_deadline_timer), false, false,
	  "leaves guests the one-shot timer" },
	{ "clock adjustment", CAP(adjust_clock), false, false, "lets guests' clocks start anew" },
	{ "MSR filter", CAP(x86_msr_filter), false, false, "runs no Hyper-V guests of its own" },
	{ "Xen guests", CAP(xen_hvm), false, true, "runs no Xen guests" },
	{ "Hyper-V in KVM", CAP(hyperv_cpuid), false, false,
	  "plays Hyper-V itself, where KVM leaves MSRs to it" },
	{ "dirty ring", CAP(dirty_log_ring), false, true, "tracks writes by the dirty bitmap" },
	{ "dirty bitmap in parts", CAP(manual_dirty_log_protect2), false, false,
	  "takes the dirty bitmap as a whole" },
	{ "statistics", CAP(binary_stats_fd), false, false, "shows no statistics of KVM" },
};

const size_t host_caps_count = ARRAY_SIZE(host_caps);
