/* SPDX-License-Identifier: Apache-2.0 */
/* The registers of pages that Xen has put where no RAM was: they shape memory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "pv/xen/xen_impl.h"
#include "reg/reg_file.h"

static int unknown(struct reg_key key)
{
	return because(-ENOENT, "no register %#llx of Xen's pages", (unsigned long long)key.id);
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	const struct xen *xen = self;
	int r = 0;

	(void)vcpu;
	for (uint32_t i = 0; i < xen->hole_count; i++)
		r = r < 0 ? r : reg_list_add(out, REG_VM, REG_ID(REG_BANK_XEN_PAGES, 0, 3, i), 0);
	return r;
}

static int get(void *self, struct reg_key key, void *val)
{
	const struct xen *xen = self;
	uint32_t number = REG_ID_NUMBER(key.id);

	if (reg_size(key.id) != sizeof(uint64_t) || number >= xen->hole_count)
		return unknown(key);
	memcpy(val, &xen->hole_gfns[number], sizeof(uint64_t));
	return 0;
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct xen *xen = self;
	uint32_t number = REG_ID_NUMBER(key.id);
	uint8_t *hva = NULL;
	uint64_t gfn;
	int r;

	memcpy(&gfn, val, sizeof(gfn));
	if (reg_size(key.id) != sizeof(uint64_t) || number > xen->hole_count)
		return unknown(key);
	if (number < xen->hole_count)
		return xen->hole_gfns[number] == gfn ? 0 : -EINVAL;
	xen_lock(xen);
	r = xen_gfn_to_hva(xen, gfn, &hva);
	xen_unlock(xen);
	return r < 0 ? because(-EINVAL, "xen: no page can be at gfn %#llx", (unsigned long long)gfn)
		     : 0;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	(void)self;
	snprintf(name, size, "%u", REG_ID_NUMBER(key.id));
	return 0;
}

int xen_pages_bank_add(struct xen *xen)
{
	static const struct reg_bank bank = {
		.name = "xen_page",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_XEN_PAGES),
		.shapes_memory = 1,
		.list = list,
		.get = get,
		.set = set,
		.name_of = name_of,
	};

	return reg_file_add(&xen->vm->regs, &bank, 0, 0, xen);
}
