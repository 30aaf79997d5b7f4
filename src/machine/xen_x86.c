/* SPDX-License-Identifier: Apache-2.0 */
/* A machine whose guest sees Xen. */
#include "machine/machine.h"
#include "pv/xen/xen.h"
#include "vm/vm.h"

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
