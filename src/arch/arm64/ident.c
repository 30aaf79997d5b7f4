/* SPDX-License-Identifier: Apache-2.0 */
/* ID registers and feature bitmaps. Not ported yet. */
#include "ident.h"

#include "regs.h"

int arm64_ident_bank_add(struct vm *vm)
{
	(void)vm;
	return arm64_not_ported("ID registers");
}
