/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a device's port without end, with a mark before each batch of reads. */
#include "entry.h"

	entry
1:	mark
	mov $BATCH, %ecx
	mov $SERIAL_SCRATCH, %dx
2:	in %dx, %al
	dec %ecx
	jnz 2b
	jmp 1b
