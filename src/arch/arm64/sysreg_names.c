/* SPDX-License-Identifier: Apache-2.0 */
/* What the unfinished pieces of the arm64 port have in common. */
#include "regs.h"

#include <errno.h>

#include <ferry/error.h>

int arm64_not_ported(const char *what)
{
	return because(-EOPNOTSUPP, "arm64 is not ported yet: %s", what);
}
