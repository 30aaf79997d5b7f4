/* SPDX-License-Identifier: Apache-2.0 */
/* Parts that both architectures have: memory, serial port, virtio devices. */
#include "machine/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "dev/pci/pci.h"
#include "dev/serial.h"
#include "dev/shmem.h"
#include "dev/virtio/balloon.h"
#include "dev/virtio/blk.h"
#include "dev/virtio/console.h"
#include "dev/virtio/mem.h"
#include "dev/virtio/mem_blocks.h"
#include "dev/virtio/net.h"
#include "dev/virtio/rng.h"
#include "io/disk.h"
#include "vm/vm.h"

#define MEMORY_MIN (2 * MIB)

int machine_map_ram(struct machine *machine, struct mem *mem, uint64_t low_base, uint64_t low_max,
		    uint64_t high_base)
{
	uint64_t low = min_u64(machine->memory, low_max);
	int r;

	if (machine->memory < MEMORY_MIN)
		return because(-EINVAL, "%llu bytes of memory: a guest needs at least 2M",
			       (unsigned long long)machine->memory);
	machine->low_end = low_base + low;
	r = mem_map_ram(mem, "low RAM", low_base, low, 0);
	if (r == 0 && machine->memory > low)
		r = mem_map_ram(mem, "high RAM", high_base, machine->memory - low, 0);
	return r;
}

static size_t serial_out(void *self, const void *buf, size_t len)
{
	struct machine *machine = self;

	return machine->output ? machine->output(machine->self, MACHINE_CONSOLE_SERIAL, buf, len) :
				 len;
}

static void serial_room(void *self)
{
	struct machine *machine = self;

	if (machine->input_ready)
		machine->input_ready(machine->self, MACHINE_CONSOLE_SERIAL);
}

int machine_add_serial(struct machine *machine, uint16_t port, uint32_t address, uint32_t gsi)
{
	const struct serial_options options = {
		.port = port,
		.address = address,
		.gsi = gsi,
		.output = serial_out,
		.input_room = serial_room,
		.self = machine,
	};
	int r = serial_create(machine->vm, &options, &machine->serial);

	return r < 0 ? r : serial_add_bank(machine->serial, &machine->vm->regs);
}

void machine_remove_serial(struct machine *machine)
{
	serial_destroy(machine->serial);
}

static void add_store(struct machine *machine, const char *id, struct disk *disk)
{
	struct machine_store *store = &machine->stores[machine->store_count++];

	snprintf(store->id, sizeof(store->id), "%s", id);
	store->image = &disk->image;
}

static int add_virtio_disk(struct machine *machine, const struct machine_disk *disk, const char *id,
			   struct disk **ret_disk)
{
	const struct blk_options options = {
		.id = id,
		.path = disk->path,
		.overlay = disk->overlay,
		.readonly = disk->readonly,
		.direct = disk->direct,
		.queues = disk->queues,
		.serial = disk->serial,
		.unlocked = machine->options->blank,
	};
	struct blk **blk = &machine->blks[machine->blk_count];
	int r;

	if (disk->persistent)
		return because(-EINVAL, "%s: persistent: only disks with bus=xen have grants", id);
	r = blk_create(machine->vm, machine->pci, &options, blk);
	if (r < 0)
		return r;
	machine->blk_count++;
	*ret_disk = blk_disk(*blk);
	return 0;
}

int machine_add_disks(struct machine *machine)
{
	const struct machine_options *options = machine->options;
	unsigned xen_disks = 0;
	char id[32];
	int r = 0;

	machine->blks = calloc(options->disk_count + 1, sizeof(*machine->blks));
	machine->disks = calloc(options->disk_count + 1, sizeof(*machine->disks));
	machine->stores = calloc(options->disk_count + 1, sizeof(*machine->stores));
	if (!machine->blks || !machine->disks || !machine->stores)
		return -ENOMEM;
	for (size_t i = 0; i < options->disk_count && r == 0; i++) {
		const struct machine_disk *given = &options->disks[i];
		struct disk **disk = &machine->disks[i];

		snprintf(id, sizeof(id), "disk%zu", i);
		if (given->bus == MACHINE_BUS_XEN)
			r = machine_xen_add_disk(machine, given, id, xen_disks++, disk);
		else
			r = add_virtio_disk(machine, given, id, disk);
		if (r == 0 && !given->readonly && !given->overlay)
			add_store(machine, id, *disk);
		if (r == 0)
			machine->disk_count++;
	}
	return r;
}

void machine_remove_disks(struct machine *machine)
{
	free(machine->stores);
	while (machine->blk_count > 0)
		blk_destroy(machine->blks[--machine->blk_count]);
	free(machine->blks);
	free(machine->disks);
}

int machine_add_rng(struct machine *machine)
{
	const char *source = machine->options->rng_source;

	if (source && !source[0])
		return 0;
	return rng_create(machine->vm, machine->pci, source, &machine->rng);
}

void machine_remove_rng(struct machine *machine)
{
	rng_destroy(machine->rng);
}

int machine_add_balloon(struct machine *machine)
{
	if (!machine->options->balloon)
		return 0;
	return balloon_create(machine->vm, machine->pci, &machine->balloon);
}

void machine_remove_balloon(struct machine *machine)
{
	balloon_destroy(machine->balloon);
}

int machine_add_blocks(struct machine *machine, uint64_t base)
{
	if (!machine->memory_max)
		return 0;
	if (machine->memory_max <= machine->memory)
		return because(-EINVAL, "the maximum of memory is not more than the memory");
	return vmem_blocks_create(machine->vm, base, machine->memory_max - machine->memory,
				  &machine->blocks);
}

void machine_remove_blocks(struct machine *machine)
{
	vmem_blocks_destroy(machine->blocks);
}

int machine_add_vmem(struct machine *machine)
{
	if (!machine->blocks)
		return 0;
	return vmem_create(machine->vm, machine->pci, machine->blocks, &machine->vmem);
}

void machine_remove_vmem(struct machine *machine)
{
	vmem_destroy(machine->vmem);
}

int machine_add_shmem(struct machine *machine)
{
	const struct shmem_options options = {
		.path = machine->options->shmem,
		.size = machine->options->shmem_size,
	};

	return options.path ? shmem_create(machine->pci, &options, &machine->shmem) : 0;
}

void machine_remove_shmem(struct machine *machine)
{
	shmem_destroy(machine->shmem);
}

int machine_close_slots(struct machine *machine)
{
	return pci_host_close(machine->pci);
}

static size_t console_out(void *self, const void *buf, size_t len)
{
	struct machine *machine = self;

	return machine->output ? machine->output(machine->self, MACHINE_CONSOLE_VIRTIO, buf, len) :
				 len;
}

static void console_room(void *self)
{
	struct machine *machine = self;

	if (machine->input_ready)
		machine->input_ready(machine->self, MACHINE_CONSOLE_VIRTIO);
}

int machine_add_console(struct machine *machine)
{
	const struct console_options options = {
		.id = "console0",
		.columns = 80,
		.rows = 24,
		.output = console_out,
		.input_room = console_room,
		.self = machine,
	};

	if (machine->options->console != MACHINE_CONSOLE_VIRTIO)
		return 0;
	return console_create(machine->vm, machine->pci, &options, &machine->console);
}

void machine_remove_console(struct machine *machine)
{
	console_destroy(machine->console);
}

/* FNV-1a of the name, behind a locally administered prefix. */
void machine_net_address(const char *name, size_t number, uint8_t mac[6])
{
	uint32_t hash = 2166136261U;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619U;
	hash += (uint32_t)number;
	mac[0] = 0x52;
	mac[1] = 0x54;
	for (int i = 0; i < 4; i++)
		mac[2 + i] = (uint8_t)(hash >> 8 * i);
}

int machine_add_nets(struct machine *machine)
{
	const struct machine_options *options = machine->options;
	unsigned xen_nets = 0;
	char id[32];
	int r = 0;

	machine->nets = calloc(options->net_count + 1, sizeof(*machine->nets));
	if (!machine->nets)
		return -ENOMEM;
	for (size_t i = 0; i < options->net_count && r == 0; i++) {
		const struct machine_net *given = &options->nets[i];
		struct net_options net = {
			.id = id,
			.kind = given->kind == MACHINE_NET_TAP ? NET_TAP : NET_USER,
			.tap = given->tap,
		};

		snprintf(id, sizeof(id), "net%zu", i);
		if (memcmp(given->mac, net.mac, sizeof(net.mac)) == 0)
			machine_net_address(machine->vm->name, i, net.mac);
		else
			memcpy(net.mac, given->mac, sizeof(net.mac));
		if (given->bus == MACHINE_BUS_XEN) {
			r = machine_xen_add_net(machine, given, id, xen_nets++, net.mac);
			continue;
		}
		r = net_create(machine->vm, machine->pci, &net, &machine->nets[machine->net_count]);
		if (r == 0)
			machine->net_count++;
	}
	return r;
}

void machine_remove_nets(struct machine *machine)
{
	while (machine->net_count > 0)
		net_destroy(machine->nets[--machine->net_count]);
	free(machine->nets);
}
