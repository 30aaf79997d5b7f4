/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked of a machine whose guest sees Hyper-V. */
#include <errno.h>

#include <ferry/error.h>

#include "machine/machine.h"
#include "pv/hyperv/hyperv.h"
#include "vm/vm.h"

int machine_hyperv_resolve(const char *features, char *text, size_t size)
{
	uint32_t set, spinlocks;
	char added[256];
	int r = hyperv_features_parse(features, &set, &spinlocks, added, sizeof(added));

	if (r == 0)
		hyperv_features_names(set, spinlocks, text, size);
	return r;
}

static int check(const struct machine *machine)
{
	return machine->hyperv ? 0 : because(-ENODEV, "the guest does not see Hyper-V: start it "
						      "with --hyperv");
}

int machine_hyperv_inhibit(struct machine *machine, uint32_t vcpu, bool on)
{
	int r = check(machine);

	return r < 0 ? r : hyperv_tlb_flush_inhibit(machine->hyperv, vcpu, on);
}

int machine_hyperv_vcpu(struct machine *machine, uint32_t vcpu,
			struct machine_hyperv_vcpu *ret_state)
{
	struct machine_hyperv_vcpu state = { 0 };
	int r = check(machine);

	if (r < 0)
		return r;
	if (vcpu >= vm_vcpus(machine->vm))
		return because(-ENOENT, "there is no vCPU %u", vcpu);
	state.is_inhibited = hyperv_is_inhibited(machine->hyperv, vcpu);
	state.waits = hyperv_waits_on(machine->hyperv, vcpu, &state.waits_on);
	*ret_state = state;
	return 0;
}

const char *machine_hyperv_engine_name(const struct machine *machine)
{
	if (!machine->hyperv)
		return NULL;
	return hyperv_engine_of(machine->hyperv) == HYPERV_ENGINE_KERNEL ? "kernel" : "portable";
}
