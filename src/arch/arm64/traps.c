/* SPDX-License-Identifier: Apache-2.0 */
/* SMCCC calls that KVM forwards: nobody takes any until the port is there. */
#include "traps.h"

#include <errno.h>

int arm64_traps_exit(struct vcpu *vcpu)
{
	(void)vcpu;
	return -ENOSYS;
}
