/* SPDX-License-Identifier: Apache-2.0 */
/* Says one line and switches off. */
#include "lib/guest.h"

void guest_main(const void *info)
{
	(void)info;
	guest_puts("hello from the guest\n");
}
