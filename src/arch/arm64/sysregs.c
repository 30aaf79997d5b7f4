/* SPDX-License-Identifier: Apache-2.0 */
/* System registers. Not ported yet. */
#include "regs.h"

int arm64_sysreg_bank_add(struct vm *vm)
{
	(void)vm;
	return arm64_not_ported("system registers");
}
