/* SPDX-License-Identifier: Apache-2.0 */
/* The registers of a block back end; all else of it is in Xenstore, and in the guest's memory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "pv/xen/blk.h"
#include "pv/xen/xen_impl.h"
#include "reg/reg_file.h"

/* The number: of the disk, of its kind of device (0 here), of the queue. */
enum {
	FIELD_SECTORS = 0,
	FIELD_SECTOR_SIZE = 1,
	FIELD_POSITION = 2, /* of a queue: how many answers it has given, which is how many requests it took */
	FIELDS
};

#define ID(field, blk, q) REG_ID(REG_BANK_XEN_BUS, field, 3, XEN_DEV_REG(0u, (blk)->number) | (q))

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	const struct xen_blk *blk = self;
	int r = reg_list_add(out, REG_VM, ID(FIELD_SECTORS, blk, 0), 0);

	(void)vcpu;
	if (r == 0)
		r = reg_list_add(out, REG_VM, ID(FIELD_SECTOR_SIZE, blk, 0), 0);
	for (unsigned q = 0; q < XEN_DEV_QUEUES_MAX && r == 0; q++)
		r = reg_list_add(out, REG_VM, ID(FIELD_POSITION, blk, q), 0);
	return r;
}

static int get(void *self, struct reg_key key, void *val)
{
	const struct xen_blk *blk = self;
	uint32_t q = REG_ID_NUMBER(key.id) & XEN_DEV_REG_QUEUE;
	unsigned field = REG_ID_FIELD(key.id);
	uint64_t value;

	if (reg_size(key.id) != sizeof(value) || field >= FIELDS || q >= XEN_DEV_QUEUES_MAX ||
	    (field != FIELD_POSITION && q))
		return because(-ENOENT, "no register %#llx of a xen-blk",
			       (unsigned long long)key.id);
	if (field == FIELD_SECTORS)
		value = blk->sectors;
	else if (field == FIELD_SECTOR_SIZE)
		value = blk->disk.image.block_size;
	else
		value = blk->rsp_prods[q];
	memcpy(val, &value, sizeof(value));
	return 0;
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct xen_blk *blk = self;
	uint64_t now = 0, value;
	int r = get(self, key, &now);

	if (r < 0)
		return r;
	memcpy(&value, val, sizeof(value));
	if (value == now)
		return 0;
	if (REG_ID_FIELD(key.id) != FIELD_POSITION)
		return because(-EINVAL, "%s: the disk has %llu sectors of %u bytes here", blk->dev.id,
			       (unsigned long long)(blk->disk.image.size / blk->disk.image.block_size),
			       blk->disk.image.block_size);
	if (value > UINT32_MAX)
		return because(-EINVAL, "%s: position %llu", blk->dev.id, (unsigned long long)value);
	blk->rsp_prods[REG_ID_NUMBER(key.id) & XEN_DEV_REG_QUEUE] = (uint32_t)value;
	return 0;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	static const char *const names[FIELDS] = { "sectors", "sector_size", "position" };
	const struct xen_blk *blk = self;
	unsigned field = REG_ID_FIELD(key.id);

	if (field >= FIELDS)
		return -ENOENT;
	if (field == FIELD_POSITION)
		snprintf(name, size, "%s.position%u", blk->dev.id,
			 REG_ID_NUMBER(key.id) & XEN_DEV_REG_QUEUE);
	else
		snprintf(name, size, "%s.%s", blk->dev.id, names[field]);
	return 0;
}

int xen_blk_bank_add(struct xen_blk *blk)
{
	static const struct reg_bank bank = {
		.name = "xen_blk",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_XEN_BUS),
		.list = list,
		.get = get,
		.set = set,
		.name_of = name_of,
	};

	return reg_file_add(&blk->dev.xen->vm->regs, &bank, ~XEN_DEV_REG_QUEUE,
			    XEN_DEV_REG(0u, blk->number), blk);
}
