/* SPDX-License-Identifier: Apache-2.0 */
/* The capabilities of KVM that matter to an arm64 machine. */
#include "machine/host.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/util.h"
#include "kvm/kvm_arm64.h"

#define CAP(field) offsetof(struct kvm_caps, field)

static bool can_make(int vm, uint32_t type)
{
	struct kvm_create_device device = { .type = type, .flags = KVM_CREATE_DEVICE_TEST };

	return kvm_create_device(vm, &device) == 0;
}

void host_look_further(int kvm, struct kvm_caps *caps)
{
	AUTO_CLOSE int vm = kvm_create_vm(kvm, 0);

	if (vm >= 0 && can_make(vm, KVM_DEV_TYPE_ARM_VGIC_V2))
		caps->arm_gic = 2;
	if (vm >= 0 && can_make(vm, KVM_DEV_TYPE_ARM_VGIC_V3))
		caps->arm_gic = 3;
}

static void describe_gic(int value, char *text, size_t size)
{
	snprintf(text, size, "%s", value == 3 ? "GICv3, with an ITS" : "GICv2: 8 vCPUs at the most");
}

const struct host_cap host_caps[] = {
	{ "vCPUs in a VM, at most", CAP(max_vcpus), true, true, "runs no VM", NULL },
	{ "memory slots", CAP(nr_memslots), true, true, "runs no VM", NULL },
	{ "immediate exit", CAP(immediate_exit), true, false, "runs no VM: pausing needs it", NULL },
	{ "single registers", CAP(one_reg), true, false, "runs no VM", NULL },
	{ "PSCI 0.2", CAP(arm_psci_0_2), true, false, "runs no VM", NULL },
	{ "interrupt controller", CAP(arm_gic), true, false, "runs no VM", describe_gic },
	{ "irqfd", CAP(irqfd), true, false, "runs no VM: devices interrupt by it", NULL },
	{ "ioeventfd", CAP(ioeventfd), true, false, "runs no VM: virtqueues are kicked by it", NULL },
	{ "message interrupts", CAP(irq_routing), true, false, "runs no VM: virtio needs MSI-X", NULL },
	{ "bits of guest addresses", CAP(arm_vm_ipa_size), false, true,
	  "gives a VM 40 bits of addresses", NULL },
	{ "read-only memory", CAP(readonly_mem), false, false, "has no read-only regions", NULL },
	{ "stolen time", CAP(steal_time), false, false, "does not tell guests of it", NULL },
	{ "pointer authentication", CAP(arm_ptrauth_address), false, false,
	  "hides it from guests", NULL },
	{ "SVE", CAP(arm_sve), false, false, "has no --cpu sve", NULL },
	{ "PMU", CAP(arm_pmu_v3), false, false, "has no --cpu pmu", NULL },
	{ "MTE", CAP(arm_mte), false, false, "hides MTE from guests, as ever", NULL },
	{ "dirty ring", CAP(dirty_log_ring), false, true, "tracks writes by the dirty bitmap", NULL },
	{ "guest_memfd", CAP(guest_memfd), false, false, "keeps guests' memory in a memfd",
	  host_describe_guest_memfd },
	{ "statistics", CAP(binary_stats_fd), false, false, "shows no statistics of KVM", NULL },
};

const size_t host_caps_count = ARRAY_SIZE(host_caps);
