/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a machine down as JSON, and reads it. */
#include "cli/describe.h"

#include <ferry/error.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/run_options.h"
#include "cli/value.h"

static void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

static void add_switch(struct json_object *object, const char *key, bool on)
{
	json_object_object_add(object, key, json_object_new_boolean(on));
}

static void add_size(struct json_object *object, const char *key, uint64_t bytes)
{
	json_object_object_add(object, key, json_object_new_uint64(bytes));
}

static int add_memory(struct json_object *root, const struct machine_options *machine)
{
	struct json_object *object;

	if (!machine->memory_max) {
		add_size(root, "memory", machine->memory);
		return 0;
	}
	object = json_object_new_object();
	if (!object)
		return -ENOMEM;
	add_size(object, "size", machine->memory);
	add_size(object, "max", machine->memory_max);
	return json_object_object_add(root, "memory", object) ? -ENOMEM : 0;
}

static int add_path(struct json_object *object, const char *key, const char *path)
{
	AUTO_FREE char *absolute = value_absolute_path(path);

	if (!absolute)
		return -ENOMEM;
	add_text(object, key, absolute);
	return 0;
}

static int add_disk(struct json_object *disks, const struct machine_disk *disk)
{
	struct json_object *object = json_object_new_object();
	int err = 0;

	if (!object || json_object_array_add(disks, object) < 0)
		return -ENOMEM;
	if (disk->readonly)
		add_switch(object, "readonly", true);
	if (disk->direct)
		add_switch(object, "direct", true);
	if (disk->queues)
		add_size(object, "queues", disk->queues);
	if (disk->serial)
		add_text(object, "serial", disk->serial);
	if (disk->bus == MACHINE_BUS_XEN)
		add_text(object, "bus", "xen");
	if (disk->persistent)
		add_switch(object, "persistent", true);
	if (disk->overlay)
		err = add_path(object, "overlay", disk->overlay);
	return err ? err : add_path(object, "path", disk->path);
}

static int add_net(struct json_object *nets, const struct machine_net *net)
{
	struct json_object *object = json_object_new_object();
	char mac[18];

	if (!object || json_object_array_add(nets, object) < 0)
		return -ENOMEM;
	if (net->kind == MACHINE_NET_TAP)
		add_text(object, "tap", net->tap);
	else
		add_switch(object, "user", true);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", net->mac[0], net->mac[1],
		 net->mac[2], net->mac[3], net->mac[4], net->mac[5]);
	add_text(object, "mac", mac);
	if (net->bus == MACHINE_BUS_XEN)
		add_text(object, "bus", "xen");
	return 0;
}

static int add_shmem(struct json_object *root, const struct machine_options *machine)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(root, "shmem", object);
	add_size(object, "size", machine->shmem_size);
	return add_path(object, "path", machine->shmem);
}

static int add_devices(struct json_object *root, const struct machine_options *machine)
{
	struct json_object *disks = json_object_new_array(), *nets = json_object_new_array();
	int err = 0;

	if (!disks || !nets) {
		json_object_put(disks);
		json_object_put(nets);
		return -ENOMEM;
	}
	json_object_object_add(root, "disk", disks);
	for (size_t i = 0; i < machine->disk_count && !err; i++)
		err = add_disk(disks, &machine->disks[i]);
	if (machine->shmem && !err)
		err = add_shmem(root, machine);
	json_object_object_add(root, "net", nets);
	for (size_t i = 0; i < machine->net_count && !err; i++)
		err = add_net(nets, &machine->nets[i]);
	if (!machine->rng_source || !machine->rng_source[0])
		add_switch(root, "rng", !machine->rng_source);
	else if (!err)
		err = add_path(root, "rng", machine->rng_source);
	return err;
}

static void add_xen(struct json_object *root, uint32_t version)
{
	char text[16];

	snprintf(text, sizeof(text), "%u.%u", version >> 16, version & 0xffff);
	add_text(root, "xen", text);
}

/* In full: what the default is may change. */
static int add_hyperv(struct json_object *root, const struct machine_options *machine)
{
	char features[256];
	int err;

	if (!machine->hyperv)
		return 0;
	err = machine_hyperv_resolve(machine->hyperv, features, sizeof(features));
	if (!err)
		add_text(root, "hyperv", features);
	return err;
}

int describe_machine(const struct run_options *options, char **ret_text)
{
	static const char *const consoles[] = { "serial", "virtio", "xen" };
	const struct machine_options *machine = &options->machine;
	struct json_object *root = json_object_new_object();
	const char *text;
	int err;

	if (!root)
		return because(-ENOMEM, "out of memory");
	add_text(root, "name", machine->vm.name);
	err = add_memory(root, machine);
	add_size(root, "cpus", machine->vm.vcpus);
	if (machine->vm.hugepage_size)
		add_size(root, "hugepages", machine->vm.hugepage_size);
	add_switch(root, "prealloc", machine->vm.prealloc);
	add_switch(root, "balloon", machine->balloon);
	if (machine->xen_version)
		add_xen(root, machine->xen_version);
	if (machine->xen_version && machine->xen_entry == MACHINE_XEN_ENTRY_HVM)
		add_text(root, "xen-entry", "hvm");
	if (machine->xen_version && machine->xen_pirqs)
		add_switch(root, "xen-pirqs", true);
	if (machine->vm.cpu)
		add_text(root, "cpu", machine->vm.cpu);
	if (machine->exit_port)
		add_switch(root, "exit-port", true);
	add_text(root, "console", consoles[machine->console]);
	if (!err)
		err = add_devices(root, machine);
	if (!err)
		err = add_hyperv(root, machine);
	if (!err) {
		text = json_object_to_json_string_ext(
			root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
		*ret_text = text ? strdup(text) : NULL;
		err = *ret_text ? 0 : -ENOMEM;
	}
	json_object_put(root);
	return err ? because(err, "out of memory") : 0;
}

int describe_read(const char *text, struct run_options *options)
{
	struct run_described *described = &options->described;
	int err = config_read_machine(text, &command_run, options);

	if (err)
		return because_of(err, "the description of the machine");
	described->name = options->machine.vm.name;
	described->disks = options->disks;
	described->disk_count = options->machine.disk_count;
	described->nets = options->nets;
	described->net_count = options->machine.net_count;
	options->disks = NULL;
	options->nets = NULL;
	options->machine.disk_count = options->machine.net_count = 0;
	return 0;
}

static bool has_address(const struct machine_net *net)
{
	static const uint8_t none[sizeof(net->mac)];

	return memcmp(net->mac, none, sizeof(none)) != 0;
}

void describe_fill(struct run_options *options)
{
	struct run_described *described = &options->described;
	struct machine_options *machine = &options->machine;

	if (!machine->disk_count) {
		options->disks = described->disks;
		machine->disk_count = described->disk_count;
		described->disks = NULL;
	}
	if (!machine->net_count) {
		options->nets = described->nets;
		machine->net_count = described->net_count;
		described->nets = NULL;
	}
	for (size_t i = 0; i < machine->net_count; i++) {
		struct machine_net *net = &options->nets[i];

		if (has_address(net))
			continue;
		if (described->nets && i < described->net_count)
			memcpy(net->mac, described->nets[i].mac, sizeof(net->mac));
		else
			machine_net_address(machine->vm.name, i, net->mac);
	}
}
