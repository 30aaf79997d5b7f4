/* SPDX-License-Identifier: Apache-2.0 */
/* The values of --memory, --disk, --net and --shmem, key by key. */
#include "cli/run_options.h"

#include <ferry/error.h>

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "cli/value.h"

#define MEMORY_MIN (2 * MIB)
#define MEMORY_MAX (8ULL << 40) /* KVM takes 2^31 - 1 pages in one slot */

#define SHMEM_MIN 4096

#define QUEUES_MAX 16
#define SERIAL_MAX 20 /* virtio 1.2 5.2.6.2, VIRTIO_BLK_T_GET_ID */

/* What a key sets. */
struct part {
	struct run_options *options;
	struct machine_disk *disk;
	struct machine_net *net;
	bool is_user; /* the key user was there */
};

static int read_memory(const char *value, uint64_t *ret_bytes)
{
	uint64_t bytes;
	int err = value_size(value, &bytes);

	if (err)
		return err;
	if (bytes < MEMORY_MIN && isdigit((unsigned char)value[strlen(value) - 1]))
		return because(-EINVAL, "%s is a number of bytes, and too few; did you mean %sM?",
			       value, value);
	if (bytes < MEMORY_MIN || bytes > MEMORY_MAX)
		return because(-EINVAL, "%s is outside of what a VM can have, 2M to 8T", value);
	if (bytes % 4096)
		return because(-EINVAL, "%s is not a whole number of 4K pages", value);
	*ret_bytes = bytes;
	return 0;
}

static int memory_size(void *target, const char *value)
{
	struct part *part = target;

	return read_memory(value, &part->options->machine.memory);
}

static int memory_max(void *target, const char *value)
{
	struct part *part = target;

	return read_memory(value, &part->options->machine.memory_max);
}

static const struct value_field memory_fields[] = {
	{ "size", "SIZE", memory_size },
	{ "max", "SIZE", memory_max },
};

static int disk_path(void *target, const char *value)
{
	struct part *part = target;

	return run_options_keep_path(part->options, &part->disk->path, value);
}

static int disk_overlay(void *target, const char *value)
{
	struct part *part = target;

	return run_options_keep_path(part->options, &part->disk->overlay, value);
}

static int disk_readonly(void *target, const char *value)
{
	struct part *part = target;

	(void)value;
	part->disk->readonly = true;
	return 0;
}

static int disk_direct(void *target, const char *value)
{
	struct part *part = target;

	(void)value;
	part->disk->direct = true;
	return 0;
}

static int disk_persistent(void *target, const char *value)
{
	struct part *part = target;

	(void)value;
	part->disk->persistent = true;
	return 0;
}

static int disk_queues(void *target, const char *value)
{
	struct part *part = target;
	uint64_t count;
	int err = value_count(value, 1, QUEUES_MAX, &count);

	if (!err)
		part->disk->queues = (unsigned)count;
	return err;
}

static int disk_serial(void *target, const char *value)
{
	struct part *part = target;

	if (strlen(value) > SERIAL_MAX)
		return because(-EINVAL, "\"%s\" is longer than %d bytes", value, SERIAL_MAX);
	for (const char *p = value; *p; p++) {
		if (!isgraph((unsigned char)*p))
			return because(-EINVAL, "only visible ASCII characters, and no blanks");
	}
	return run_options_keep_in(part->options, &part->disk->serial, value);
}

static int read_bus(const char *value, enum machine_bus *ret_bus)
{
	static const char *const names[] = { "virtio", "xen", NULL };
	unsigned choice;
	int err = value_choice(value, names, &choice);

	if (!err)
		*ret_bus = (enum machine_bus)choice;
	return err;
}

static int disk_bus(void *target, const char *value)
{
	return read_bus(value, &((struct part *)target)->disk->bus);
}

static int net_bus(void *target, const char *value)
{
	return read_bus(value, &((struct part *)target)->net->bus);
}

static const struct value_field disk_fields[] = {
	{ "path", "FILE", disk_path },	   { "readonly", NULL, disk_readonly },
	{ "direct", NULL, disk_direct },   { "queues", "N", disk_queues },
	{ "serial", "TEXT", disk_serial }, { "overlay", "FILE", disk_overlay },
	{ "bus", "B", disk_bus },	   { "persistent", NULL, disk_persistent },
};

static int set_fields(struct part *part, const char *value, const struct value_field *fields,
		      size_t count)
{
	char *text = run_options_keep(part->options, value);

	return text ? value_fields(text, fields, count, part) : because(-ENOMEM, "out of memory");
}

int run_set_memory(void *target, const char *value, bool on)
{
	struct run_options *options = target;
	struct machine_options *machine = &options->machine;
	struct part part = { .options = options };
	int err;

	(void)on;
	machine->memory = machine->memory_max = 0;
	err = set_fields(&part, value, memory_fields, ARRAY_SIZE(memory_fields));
	if (!err && !machine->memory)
		err = because(-EINVAL, "how much to boot with? write 2G,max=16G");
	if (!err && machine->memory_max && machine->memory_max <= machine->memory)
		err = because(-EINVAL, "max must be more than what the guest boots with");
	return err;
}

int run_set_disk(void *target, const char *value, bool on)
{
	struct run_options *options = target;
	struct part part = { .options = options };
	int err;

	(void)on;
	part.disk = run_options_grow((void **)&options->disks, &options->machine.disk_count,
				     sizeof(*part.disk));
	if (!part.disk)
		return because(-ENOMEM, "out of memory");
	err = set_fields(&part, value, disk_fields, ARRAY_SIZE(disk_fields));
	if (!err && !part.disk->path)
		err = because(-EINVAL, "which file? write path=x.img");
	if (!err && part.disk->overlay && (part.disk->readonly || part.disk->direct))
		err = because(-EINVAL, "overlay is for a disk that is written, and not direct");
	return err;
}

static int net_user(void *target, const char *value)
{
	struct part *part = target;

	(void)value;
	if (part->net->tap)
		return because(-EINVAL, "either user or tap=NAME, not both");
	part->is_user = true;
	part->net->kind = MACHINE_NET_USER;
	return 0;
}

static int net_tap(void *target, const char *value)
{
	struct part *part = target;

	if (part->is_user)
		return because(-EINVAL, "either user or tap=NAME, not both");
	if (strlen(value) >= IFNAMSIZ || strpbrk(value, "/ \t\n:%") || strcmp(value, ".") == 0 ||
	    strcmp(value, "..") == 0)
		return because(-EINVAL, "\"%s\" is not the name of a network interface", value);
	part->net->kind = MACHINE_NET_TAP;
	return run_options_keep_in(part->options, &part->net->tap, value);
}

static int net_mac(void *target, const char *value)
{
	struct part *part = target;

	return value_mac(value, part->net->mac);
}

static const struct value_field net_fields[] = {
	{ "user", NULL, net_user },
	{ "tap", "NAME", net_tap },
	{ "mac", "ADDRESS", net_mac },
	{ "bus", "B", net_bus },
};

int run_set_net(void *target, const char *value, bool on)
{
	struct run_options *options = target;
	struct part part = { .options = options };
	int err;

	(void)on;
	part.net = run_options_grow((void **)&options->nets, &options->machine.net_count,
				    sizeof(*part.net));
	if (!part.net)
		return because(-ENOMEM, "out of memory");
	err = set_fields(&part, value, net_fields, ARRAY_SIZE(net_fields));
	if (!err && !part.is_user && !part.net->tap)
		err = because(-EINVAL, "which network? write user or tap=NAME");
	return err;
}

static int shmem_path(void *target, const char *value)
{
	struct part *part = target;

	return run_options_keep_path(part->options, &part->options->machine.shmem, value);
}

static int shmem_size(void *target, const char *value)
{
	struct part *part = target;
	uint64_t bytes;
	int err = value_size(value, &bytes);

	if (!err && (bytes < SHMEM_MIN || (bytes & (bytes - 1))))
		err = because(-EINVAL, "%s is not a power of two from 4K on", value);
	if (!err)
		part->options->machine.shmem_size = bytes;
	return err;
}

static const struct value_field shmem_fields[] = {
	{ "path", "FILE", shmem_path },
	{ "size", "SIZE", shmem_size },
};

int run_set_shmem(void *target, const char *value, bool on)
{
	struct run_options *options = target;
	struct part part = { .options = options };
	int err;

	(void)on;
	options->machine.shmem = NULL;
	options->machine.shmem_size = 0;
	err = set_fields(&part, value, shmem_fields, ARRAY_SIZE(shmem_fields));
	if (!err && (!options->machine.shmem || !options->machine.shmem_size))
		err = because(-EINVAL, "which file, and how much of it? write path=FILE,size=16M");
	return err;
}
