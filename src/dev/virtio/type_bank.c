/* SPDX-License-Identifier: Apache-2.0 */
/* One bank over a table, for every virtio device type. */
#include "dev/virtio/type_bank.h"

#include <errno.h>
#include <stdio.h>

#include "dev/virtio/virtio.h"

static uint64_t id_of(const struct type_bank *bank, const struct type_reg *reg)
{
	return REG_ID(REG_BANK_VIRTIO, 0, reg->size_log2,
		      (uint32_t)virtio_device_bdf(bank->device) << 16 | VIRTIO_REG_CONFIG |
			      reg->offset);
}

static const struct type_reg *find(const struct type_bank *bank, uint64_t id)
{
	for (size_t i = 0; i < bank->count; i++)
		if (id_of(bank, &bank->regs[i]) == id)
			return &bank->regs[i];
	return NULL;
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	const struct type_bank *bank = self;
	int r = 0;

	for (size_t i = 0; i < bank->count && r == 0; i++)
		r = reg_list_add(out, vcpu, id_of(bank, &bank->regs[i]), 0);
	return r;
}

static int get(void *self, struct reg_key key, void *val)
{
	const struct type_bank *bank = self;
	const struct type_reg *reg = find(bank, key.id);

	if (!reg)
		return -ENOENT;
	reg->get(bank->self, val);
	return 0;
}

static int set(void *self, struct reg_key key, const void *val)
{
	const struct type_bank *bank = self;
	const struct type_reg *reg = find(bank, key.id);

	return reg ? reg->set(bank->self, val) : -ENOENT;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	const struct type_bank *bank = self;
	const struct type_reg *reg = find(bank, key.id);

	if (!reg)
		return -ENOENT;
	snprintf(name, size, "00:%02x.0.%s", virtio_device_bdf(bank->device) >> 3, reg->name);
	return 0;
}

int type_bank_add(struct type_bank *bank, struct virtio_device *device, const struct type_reg *regs,
		  size_t count, void *self)
{
	static const struct reg_bank reg_bank = {
		.name = "virtio",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_VIRTIO),
		.list = list,
		.get = get,
		.set = set,
		.name_of = name_of,
	};

	*bank = (struct type_bank){ .device = device, .regs = regs, .count = count, .self = self };
	return virtio_device_add_bank(device, &reg_bank, bank);
}
