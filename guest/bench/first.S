/* SPDX-License-Identifier: Apache-2.0 */
/* Says one byte with its very first instructions, for tools/bench; then switches off. */
#include "entry.h"

	entry
	mov $SERIAL_PORT, %dx
	mov $'f', %al
	out %al, %dx
	poweroff
