/* SPDX-License-Identifier: Apache-2.0 */
/* A machine whose guest sees Xen. */
#include <errno.h>

#include <ferry/error.h>

#include "machine/machine.h"
#include "pv/xen/xen.h"

int machine_xen_check(uint32_t version)
{
	if (version >= XEN_VERSION_MIN && version <= (4U << 16 | 99))
		return 0;
	return because(-EINVAL, "Xen %u.%u: 4.5 to 4.99 can be had", version >> 16,
		       version & 0xffff);
}

void machine_xen_hold(struct machine *machine)
{
	if (machine->xen)
		xen_hold(machine->xen);
}

void machine_xen_go_on(struct machine *machine, bool arrived)
{
	if (machine->xen)
		xen_go_on(machine->xen, arrived);
}

const char *machine_xen_engine_name(const struct machine *machine)
{
	return machine->xen ? xen_engine_name(machine->xen) : NULL;
}
