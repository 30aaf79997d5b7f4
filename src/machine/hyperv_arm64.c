/* SPDX-License-Identifier: Apache-2.0 */
/* Hyper-V guests are x86's. */
#include <errno.h>

#include <ferry/error.h>

#include "machine/machine.h"

static int refuse(int err)
{
	return because(err, "there are no Hyper-V guests on arm64");
}

int machine_hyperv_resolve(const char *features, char *text, size_t size)
{
	(void)features, (void)text, (void)size;
	return refuse(-EINVAL);
}

int machine_hyperv_inhibit(struct machine *machine, uint32_t vcpu, bool on)
{
	(void)machine, (void)vcpu, (void)on;
	return refuse(-ENODEV);
}

int machine_hyperv_vcpu(struct machine *machine, uint32_t vcpu,
			struct machine_hyperv_vcpu *ret_state)
{
	(void)machine, (void)vcpu, (void)ret_state;
	return refuse(-ENODEV);
}

const char *machine_hyperv_engine_name(const struct machine *machine)
{
	(void)machine;
	return NULL;
}
