/* SPDX-License-Identifier: Apache-2.0 */
/* Memory by a vCPU's own addresses: arm64's KVM walks no page tables for user space. */
#include <errno.h>

#include <ferry/error.h>

#include "machine/machine.h"

int machine_read_virtual(struct machine *machine, uint32_t vcpu, uint64_t address, void *buf,
			 size_t len, uint64_t *ret_physical)
{
	(void)machine, (void)vcpu, (void)address, (void)buf, (void)len, (void)ret_physical;
	return because(-EOPNOTSUPP, "this KVM does not translate addresses: only x86's does");
}
