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

void machine_xen_quiesce(struct machine *machine, void (*done)(void *machine))
{
	done(machine);
}

void machine_xen_resume(struct machine *machine)
{
	(void)machine;
}

const char *machine_xen_busy(const struct machine *machine)
{
	(void)machine;
	return NULL;
}

int machine_xen_add_disk(struct machine *machine, const struct machine_disk *given, const char *id,
			 unsigned number, struct disk **ret_disk)
{
	(void)machine, (void)given, (void)number, (void)ret_disk;
	return because(-EINVAL, "%s: bus=xen: there are no Xen guests on arm64", id);
}

int machine_xen_add_net(struct machine *machine, const struct machine_net *given, const char *id,
			unsigned number, const uint8_t mac[6])
{
	(void)machine, (void)given, (void)number, (void)mac;
	return because(-EINVAL, "%s: bus=xen: there are no Xen guests on arm64", id);
}

size_t machine_xen_input(struct machine *machine, const void *buf, size_t len)
{
	(void)machine, (void)buf;
	return len;
}

void machine_xen_output_ready(struct machine *machine)
{
	(void)machine;
}
