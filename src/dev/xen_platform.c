/* SPDX-License-Identifier: Apache-2.0 */
/* Xen's platform device and its fixed ports. */
#include "dev/xen_platform.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/bus.h>
#include <ferry/error.h>
#include <ferry/vm.h>

#include "base/util.h"
#include "dev/pci/pci.h"
#include "reg/reg_file.h"
#include "vm/bus.h"
#include "vm/vm.h"

/* docs/misc/hvm-emulated-unplug.pandoc: port, width and direction say which register it is. */
#define MAGIC		 0x49d2
#define PROTOCOL	 1
#define OFFSET_MAGIC	 0 /* 2 bytes in: the magic, out: what to unplug; 4 out: the driver's version */
#define OFFSET_PROTOCOL	 2 /* 1 byte in: the protocol, out: to the log; 2 out: the product's number */

/* Ports of BAR 0: flags, and the log. */
#define IO_SIZE	     0x100
#define IO_FLAGS     0
#define IO_LOG	     8
#define FLAG_ROM_LOCK 0x01

/* BAR 1, where Linux has Xen put its grant frames. */
#define MMIO_SIZE (16 * MIB)

struct said {
	struct xen_platform *platform;
	char character;
};

struct xen_platform {
	struct vm *vm;
	struct xen_platform_options options;
	struct pci_device *pci;
	bool ports_added;
	struct said *said; /* one a vCPU; its thread's */

	pthread_mutex_t lock; /* of what follows; nothing is taken under it */
	uint16_t unplugged, product;
	uint32_t driver;
	uint8_t flags;
};

/* Of a register: field and size of its id, its name, and where it is. */
static const struct field {
	const char *name;
	uint8_t size;
	size_t offset, len;
} fields[] = {
	{ "unplugged", 1, offsetof(struct xen_platform, unplugged), 2 },
	{ "product", 1, offsetof(struct xen_platform, product), 2 },
	{ "driver", 2, offsetof(struct xen_platform, driver), 4 },
	{ "flags", 0, offsetof(struct xen_platform, flags), 1 },
};

static void say_later(void *arg)
{
	struct said *said = arg;
	const struct xen_platform_options *options = &said->platform->options;

	options->say(options->self, &said->character, 1);
}

/* The console has a port of its own, and no bus may be entered from another's ops. */
static void log_character(struct xen_platform *platform, char character)
{
	struct said *said = &platform->said[vcpu_current()->index];

	said->character = character;
	if (platform->options.say)
		bus_defer(say_later, said);
}

static void store(struct xen_platform *platform, void *to, const void *data, unsigned len)
{
	pthread_mutex_lock(&platform->lock);
	memcpy(to, data, len);
	pthread_mutex_unlock(&platform->lock);
}

static void ports_read(void *self, uint64_t offset, void *data, unsigned len)
{
	(void)self;
	if (offset == OFFSET_MAGIC && len == 2)
		memcpy(data, &(uint16_t){ MAGIC }, 2);
	else if (offset == OFFSET_PROTOCOL && len == 1)
		*(uint8_t *)data = PROTOCOL;
}

static void ports_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct xen_platform *platform = self;
	uint16_t bits;

	if (offset == OFFSET_MAGIC && len == 2) {
		memcpy(&bits, data, sizeof(bits));
		pthread_mutex_lock(&platform->lock);
		platform->unplugged |= bits;
		pthread_mutex_unlock(&platform->lock);
	} else if (offset == OFFSET_MAGIC && len == 4) {
		store(platform, &platform->driver, data, len);
	} else if (offset == OFFSET_PROTOCOL && len == 2) {
		store(platform, &platform->product, data, len);
	} else if (offset == OFFSET_PROTOCOL && len == 1) {
		log_character(platform, *(const char *)data);
	}
}

static const struct bus_ops ports_ops = { .read = ports_read, .write = ports_write };

static void io_read(void *self, uint64_t offset, void *data, unsigned len)
{
	struct xen_platform *platform = self;

	if (offset != IO_FLAGS || len != 1)
		return;
	pthread_mutex_lock(&platform->lock);
	memcpy(data, &platform->flags, 1);
	pthread_mutex_unlock(&platform->lock);
}

static void io_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	struct xen_platform *platform = self;
	uint8_t flags = *(const uint8_t *)data & FLAG_ROM_LOCK;

	if (len != 1)
		return;
	if (offset == IO_FLAGS)
		store(platform, &platform->flags, &flags, 1);
	else if (offset == IO_LOG)
		log_character(platform, *(const char *)data);
}

static const struct bus_ops io_ops = { .read = io_read, .write = io_write };

/* Nothing is there until the guest has Xen put something there. */
static void mmio_read(void *self, uint64_t offset, void *data, unsigned len)
{
	(void)self, (void)offset, (void)data, (void)len;
}

static void mmio_write(void *self, uint64_t offset, const void *data, unsigned len)
{
	(void)self, (void)offset, (void)data, (void)len;
}

static const struct bus_ops mmio_ops = { .read = mmio_read, .write = mmio_write };

static int add_function(struct xen_platform *platform, struct pci_host *host)
{
	const struct pci_device_options options = {
		.name = "Xen platform",
		.vendor = 0x5853,
		.device = 0x0001,
		.subsystem_vendor = 0x5853,
		.subsystem = 0x0001,
		.class_code = 0xff8000,
		.revision = 1,
		.interrupt_pin = 1,
		.bars = {
			{ .size = IO_SIZE, .is_io = true, .ops = &io_ops, .self = platform },
			{ .size = MMIO_SIZE, .ops = &mmio_ops, .self = platform },
		},
	};

	return pci_device_add(host, platform->options.slot, &options, &platform->pci);
}

int xen_platform_create(struct vm *vm, struct pci_host *host,
			const struct xen_platform_options *options,
			struct xen_platform **ret_platform)
{
	struct xen_platform *platform = calloc(1, sizeof(*platform));
	int r;

	if (!platform)
		return -ENOMEM;
	platform->vm = vm;
	platform->options = *options;
	pthread_mutex_init(&platform->lock, NULL);
	platform->said = calloc(vm->vcpu_count, sizeof(*platform->said));
	r = platform->said ? 0 : -ENOMEM;
	for (uint32_t i = 0; r == 0 && i < vm->vcpu_count; i++)
		platform->said[i].platform = platform;
	if (r == 0)
		r = bus_add(vm_pio(vm), "Xen's platform ports", XEN_PLATFORM_PORT, XEN_PLATFORM_PORTS,
			    &ports_ops, platform);
	platform->ports_added = r == 0;
	if (r == 0)
		r = add_function(platform, host);
	if (r < 0)
		goto fail;
	*ret_platform = platform;
	return 0;
fail:
	xen_platform_destroy(platform);
	return r;
}

void xen_platform_destroy(struct xen_platform *platform)
{
	if (!platform)
		return;
	pci_device_remove(platform->pci);
	if (platform->ports_added)
		bus_remove(vm_pio(platform->vm), XEN_PLATFORM_PORT);
	pthread_mutex_destroy(&platform->lock);
	free(platform->said);
	free(platform);
}

static uint64_t id_of(size_t i)
{
	return REG_ID(REG_BANK_XEN_PLATFORM, i, fields[i].size, XEN_PLATFORM_PORT);
}

static const struct field *find(uint64_t id)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (id == id_of(i))
			return &fields[i];
	return NULL;
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	int r = 0;

	(void)self;
	for (size_t i = 0; i < ARRAY_SIZE(fields) && r == 0; i++)
		r = reg_list_add(out, vcpu, id_of(i), 0);
	return r;
}

static int get(void *self, struct reg_key key, void *val)
{
	struct xen_platform *platform = self;
	const struct field *field = find(key.id);

	if (!field)
		return -ENOENT;
	pthread_mutex_lock(&platform->lock);
	memcpy(val, (const uint8_t *)platform + field->offset, field->len);
	pthread_mutex_unlock(&platform->lock);
	return 0;
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct xen_platform *platform = self;
	const struct field *field = find(key.id);

	if (!field)
		return -ENOENT;
	if (field->len == 1 && *(const uint8_t *)val & ~FLAG_ROM_LOCK)
		return because(-EINVAL, "Xen platform: flags %#x", *(const uint8_t *)val);
	store(platform, (uint8_t *)platform + field->offset, val, (unsigned)field->len);
	return 0;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	const struct field *field = find(key.id);

	(void)self;
	if (!field)
		return -ENOENT;
	snprintf(name, size, "%s", field->name);
	return 0;
}

int xen_platform_add_bank(struct xen_platform *platform, struct reg_file *file)
{
	static const struct reg_bank bank = {
		.name = "xen_platform",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_XEN_PLATFORM),
		.list = list,
		.get = get,
		.set = set,
		.name_of = name_of,
	};

	return reg_file_add(file, &bank, 0, 0, platform);
}
