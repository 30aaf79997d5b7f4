/* SPDX-License-Identifier: Apache-2.0 */
/* Core registers. Not ported yet. */
#include "regs.h"

int arm64_core_bank_add(struct vm *vm)
{
	(void)vm;
	return arm64_not_ported("core registers");
}
