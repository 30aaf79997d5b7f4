/* SPDX-License-Identifier: Apache-2.0 */
/* Xen guests are x86's. */
#include <errno.h>
#include <stddef.h>

#include <ferry/error.h>

#include "machine/machine.h"

int machine_xen_check(uint32_t version)
{
	(void)version;
	return because(-EINVAL, "there are no Xen guests on arm64");
}

void machine_xen_hold(struct machine *machine)
{
	(void)machine;
}

void machine_xen_go_on(struct machine *machine, bool arrived)
{
	(void)machine, (void)arrived;
}

const char *machine_xen_engine_name(const struct machine *machine)
{
	(void)machine;
	return NULL;
}
