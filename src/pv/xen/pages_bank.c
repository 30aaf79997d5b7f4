/* SPDX-License-Identifier: Apache-2.0 */
/* The registers of pages that Xen, or the guest itself, has put where no RAM was: they shape memory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "pv/xen/xen_impl.h"
#include "reg/reg_file.h"

enum {
	FIELD_HOLE = 0, /* gfns */
	FIELD_MAP = 1,	/* struct xen_grant_map, by handle */
};

#define MAP_LOG2 5
_Static_assert(sizeof(struct xen_grant_map) == 1 << MAP_LOG2, "it is the register's size");

static bool is_map(struct reg_key key)
{
	return REG_ID_FIELD(key.id) == FIELD_MAP && reg_size(key.id) == 1 << MAP_LOG2 &&
	       REG_ID_NUMBER(key.id) < XEN_GRANT_MAPS;
}

static bool is_hole(struct reg_key key)
{
	return REG_ID_FIELD(key.id) == FIELD_HOLE && reg_size(key.id) == sizeof(uint64_t);
}

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
		r = r < 0 ? r : reg_list_add(out, REG_VM, REG_ID(REG_BANK_XEN_PAGES, FIELD_HOLE, 3, i), 0);
	for (uint32_t i = 0; i < XEN_GRANT_MAPS; i++)
		if (r >= 0 && xen->grants.map[i].flags)
			r = reg_list_add(out, REG_VM,
					 REG_ID(REG_BANK_XEN_PAGES, FIELD_MAP, MAP_LOG2, i), 0);
	return r;
}

static int get(void *self, struct reg_key key, void *val)
{
	const struct xen *xen = self;
	uint32_t number = REG_ID_NUMBER(key.id);

	if (is_map(key)) {
		memcpy(val, &xen->grants.map[number], sizeof(xen->grants.map[number]));
		return 0;
	}
	if (!is_hole(key) || number >= xen->hole_count)
		return unknown(key);
	memcpy(val, &xen->hole_gfns[number], sizeof(uint64_t));
	return 0;
}

static int set_map(struct xen *xen, uint32_t handle, const void *val)
{
	struct xen_grant_map map;
	int r;

	memcpy(&map, val, sizeof(map));
	xen_lock(xen);
	r = xen_grant_map_restore(xen, handle, &map);
	xen_unlock(xen);
	return r;
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct xen *xen = self;
	uint32_t number = REG_ID_NUMBER(key.id);
	uint8_t *hva = NULL;
	uint64_t gfn;
	int r;

	if (is_map(key))
		return set_map(xen, number, val);
	memcpy(&gfn, val, sizeof(gfn));
	if (!is_hole(key) || number > xen->hole_count)
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
	snprintf(name, size, "%s%u", REG_ID_FIELD(key.id) == FIELD_MAP ? "grant_map" : "",
		 REG_ID_NUMBER(key.id));
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
