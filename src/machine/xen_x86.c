/* SPDX-License-Identifier: Apache-2.0 */
/* A machine whose guest sees Xen. */
#include <errno.h>
#include <string.h>

#include <ferry/error.h>

#include "io/disk.h"
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

void machine_xen_quiesce(struct machine *machine, void (*done)(void *machine))
{
	if (machine->xen)
		xen_quiesce(machine->xen, done, machine);
	else
		done(machine);
}

void machine_xen_resume(struct machine *machine)
{
	if (machine->xen)
		xen_resume(machine->xen);
}

const char *machine_xen_busy(const struct machine *machine)
{
	return machine->xen ? xen_busy(machine->xen) : NULL;
}

bool machine_xen_power_off(struct machine *machine)
{
	return machine->xen && xen_power_off(machine->xen);
}

static int check_bus(const struct machine *machine, const char *id)
{
	return machine->xen ? 0 : because(-EINVAL, "%s: bus=xen: only a Xen guest has it: --xen", id);
}

int machine_xen_add_disk(struct machine *machine, const struct machine_disk *given, const char *id,
			 unsigned number, struct disk **ret_disk)
{
	const struct disk_options disk = {
		.id = id,
		.path = given->path,
		.overlay = given->overlay,
		.readonly = given->readonly,
		.direct = given->direct,
		.unlocked = machine->options->blank,
	};
	const struct xen_blk_options options = {
		.disk = &disk,
		.number = number,
		.queues = given->queues,
		.persistent = given->persistent,
	};
	int r = check_bus(machine, id);

	if (r == 0 && given->serial)
		r = because(-EINVAL, "%s: bus=xen: such disks have no serial number", id);
	return r < 0 ? r : xen_blk_create(machine->xen, &options, ret_disk);
}

int machine_xen_add_net(struct machine *machine, const struct machine_net *given, const char *id,
			unsigned number, const uint8_t mac[6])
{
	struct xen_net_options options = {
		.id = id,
		.number = number,
		.tap = given->kind == MACHINE_NET_TAP ? given->tap : NULL,
	};
	int r = check_bus(machine, id);

	memcpy(options.mac, mac, sizeof(options.mac));
	return r < 0 ? r : xen_net_create(machine->xen, &options);
}

size_t machine_xen_input(struct machine *machine, const void *buf, size_t len)
{
	return machine->xen ? xen_console_input(machine->xen, buf, len) : len;
}

void machine_xen_output_ready(struct machine *machine)
{
	if (machine->xen)
		xen_console_output_ready(machine->xen);
}
