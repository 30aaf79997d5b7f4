/* SPDX-License-Identifier: Apache-2.0 */
/* The capabilities of KVM that matter to an x86 machine. */
#include "machine/host.h"

#include <stdio.h>

#include "base/util.h"
#include "kvm/kvm.h"

/* The bits of KVM_CAP_XEN_HVM, by their number; what ferry's kernel engine needs is among the first six. */
static void describe_xen(int value, char *text, size_t size)
{
	static const char *const bits[] = {
		"page", "intercept", "shared_info", "runstate", "2level", "send", "update_flag",
		"tsc_unstable", "hva",
	};
	int needed = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL | KVM_XEN_HVM_CONFIG_SHARED_INFO |
		     KVM_XEN_HVM_CONFIG_EVTCHN_SEND;
	size_t len;

	len = (size_t)snprintf(text, size, "%s engine;",
			       (value & needed) == needed ? "kernel" : "portable");
	for (size_t i = 0; i < ARRAY_SIZE(bits) && len < size; i++)
		if (value >> i & 1)
			len += (size_t)snprintf(text + len, size - len, " %s", bits[i]);
}

/* asm/kvm.h, KVM_X86_DEFAULT_VM and those behind it. */
static void describe_vm_types(int value, char *text, size_t size)
{
	static const char *const types[] = { "default", "sw-protected", "SEV", "SEV-ES", "SEV-SNP",
					     "TDX" };
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(types) && len < size; i++)
		if (value >> i & 1)
			len += (size_t)snprintf(text + len, size - len, "%s%s", len ? ", " : "",
						types[i]);
}

#define CAP(field) offsetof(struct kvm_caps, field)

void host_look_further(int kvm, struct kvm_caps *caps)
{
	(void)kvm, (void)caps;
}

const struct host_cap host_caps[] = {
	{ "vCPUs in a VM, at most", CAP(max_vcpus), true, true, "runs no VM", NULL },
	{ "largest APIC id + 1", CAP(max_vcpu_id), false, true, NULL, NULL },
	{ "memory slots", CAP(nr_memslots), true, true, "runs no VM", NULL },
	{ "immediate exit", CAP(immediate_exit), true, false, "runs no VM: pausing needs it", NULL },
	{ "interrupt controllers", CAP(irqchip), true, false, "runs no VM", NULL },
	{ "timer 8254", CAP(pit2), true, false, "runs no VM", NULL },
	{ "irqfd", CAP(irqfd), true, false, "runs no VM: devices interrupt by it", NULL },
	{ "ioeventfd", CAP(ioeventfd), true, false, "runs no VM: virtqueues are kicked by it", NULL },
	{ "ioeventfd of any length", CAP(ioeventfd_any_length), false, false,
	  "listens for two-byte kicks only", NULL },
	{ "message interrupts", CAP(irq_routing), true, false, "runs no VM: virtio needs MSI-X", NULL },
	{ "read-only memory", CAP(readonly_mem), false, false, "has no read-only regions", NULL },
	{ "APIC ids above 255", CAP(x2apic_api), false, false, "gives a VM at most 255 vCPUs", NULL },
	{ "XSAVE beyond 4K", CAP(xsave2), false, false, "saves the first 4K (no AMX)", NULL },
	{ "nested virtualization", CAP(nested_state), false, false,
	  "offers guests no virtualization", NULL },
	{ "TSC scaling", CAP(tsc_control), false, false,
	  "keeps guests on hosts of the same TSC frequency", NULL },
	{ "TSC deadline timer", CAP(tsc_deadline_timer), false, false,
	  "leaves guests the one-shot timer", NULL },
	{ "clock adjustment", CAP(adjust_clock), false, false, "lets guests' clocks start anew", NULL },
	{ "MSR filter", CAP(x86_msr_filter), false, false, "runs no Xen or Hyper-V guests of its own",
	  NULL },
	{ "Xen guests by KVM", CAP(xen_hvm), false, false, "serves them itself (portable engine)",
	  describe_xen },
	{ "Hyper-V in KVM", CAP(hyperv_cpuid), false, false,
	  "plays Hyper-V itself, where KVM leaves MSRs to it", NULL },
	{ "dirty ring", CAP(dirty_log_ring), false, true, "tracks writes by the dirty bitmap", NULL },
	{ "dirty bitmap in parts", CAP(manual_dirty_log_protect2), false, false,
	  "takes the dirty bitmap as a whole", NULL },
	{ "VM types", CAP(vm_types), false, false, "makes VMs of the default type", describe_vm_types },
	{ "guest_memfd", CAP(guest_memfd), false, false, "keeps guests' memory in a memfd",
	  host_describe_guest_memfd },
	{ "statistics", CAP(binary_stats_fd), false, false, "shows no statistics of KVM", NULL },
};

const size_t host_caps_count = ARRAY_SIZE(host_caps);
