/* SPDX-License-Identifier: Apache-2.0 */
/* GIC state. Not ported yet. */
#include "regs.h"

int arm64_gic_bank_add(struct vm *vm)
{
	(void)vm;
	return arm64_not_ported("the GIC");
}
