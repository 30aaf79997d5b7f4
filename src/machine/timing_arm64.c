/* SPDX-License-Identifier: Apache-2.0 */
/* The tiny guests of timing.h on arm64, which makes no VM yet. */
#include "machine/timing.h"

#include <errno.h>

#include <ferry/error.h>

int timing_guest_load(struct vm *vm, enum timing_guest guest)
{
	(void)vm, (void)guest;
	return because(-EOPNOTSUPP, "there are no guests for arm64 yet");
}
