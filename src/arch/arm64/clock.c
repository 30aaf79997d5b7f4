/* SPDX-License-Identifier: Apache-2.0 */
/* Counters. Not ported yet. */
#include "regs.h"

int arm64_clock_bank_add(struct vm *vm)
{
	(void)vm;
	return arm64_not_ported("the counters");
}
