/* SPDX-License-Identifier: Apache-2.0 */
/* The registers of a network back end: where its rings are. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "pv/xen/net.h"
#include "pv/xen/xen_impl.h"
#include "reg/reg_file.h"

#define FIELD_POSITION 3 /* of a ring: 2 * queue, and 1 more for what the guest receives */

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	const struct xen_net *net = self;
	int r = 0;

	(void)vcpu;
	for (uint32_t i = 0; i < ARRAY_SIZE(net->rsp_prods) && r == 0; i++)
		r = reg_list_add(out, REG_VM,
				 REG_ID(REG_BANK_XEN_BUS, FIELD_POSITION, 2,
					XEN_DEV_REG(1u, net->number) | i), 0);
	return r;
}

static uint32_t *position_of(struct xen_net *net, struct reg_key key)
{
	uint32_t i = REG_ID_NUMBER(key.id) & XEN_DEV_REG_QUEUE;

	if (REG_ID_FIELD(key.id) != FIELD_POSITION || reg_size(key.id) != sizeof(uint32_t) ||
	    i >= ARRAY_SIZE(net->rsp_prods))
		return NULL;
	return &net->rsp_prods[i];
}

static int unknown(struct reg_key key)
{
	return because(-ENOENT, "no register %#llx of a xen-net", (unsigned long long)key.id);
}

static int get(void *self, struct reg_key key, void *val)
{
	const uint32_t *position = position_of(self, key);

	if (!position)
		return unknown(key);
	memcpy(val, position, sizeof(*position));
	return 0;
}

static int set(void *self, struct reg_key key, const void *val)
{
	uint32_t *position = position_of(self, key);

	if (!position)
		return unknown(key);
	memcpy(position, val, sizeof(*position));
	return 0;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	struct xen_net *net = self;
	uint32_t i = REG_ID_NUMBER(key.id) & XEN_DEV_REG_QUEUE;

	if (!position_of(net, key))
		return -ENOENT;
	snprintf(name, size, "%s.%s_position%u", net->dev.id, i & 1 ? "rx" : "tx", i / 2);
	return 0;
}

int xen_net_bank_add(struct xen_net *net)
{
	static const struct reg_bank bank = {
		.name = "xen_net",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_XEN_BUS),
		.list = list,
		.get = get,
		.set = set,
		.name_of = name_of,
	};

	return reg_file_add(&net->dev.xen->vm->regs, &bank, ~XEN_DEV_REG_QUEUE,
			    XEN_DEV_REG(1u, net->number), net);
}
