/* SPDX-License-Identifier: Apache-2.0 */
/* The registers of the grant table; what stands in frames that are mapped is in the guest's memory. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "pv/xen/xen_impl.h"
#include "reg/reg_file.h"

enum {
	FIELD_VERSION = 0, /* one */
	FIELD_FRAMES = 1,  /* one: how many there are */
	FIELD_FRAME = 2,   /* gfns; STATUS | number of those of status words */
	FIELD_CONTENT = 3, /* of those that are mapped nowhere, by the same numbers */
	FIELDS
};

#define STATUS 0x80000000u
#define ID(field, size, number) REG_ID(REG_BANK_XEN_GRANT, field, size, number)

static const uint8_t sizes[FIELDS] = { 3, 3, 3, 12 };

static int add(struct reg_list *out, int r, unsigned field, uint32_t number)
{
	return r < 0 ? r : reg_list_add(out, REG_VM, ID(field, sizes[field], number), 0);
}

static int add_page(struct reg_list *out, int r, const struct xen_page *page, uint32_t number)
{
	r = add(out, r, FIELD_FRAME, number);
	return page->gfn == XEN_NO_GFN ? add(out, r, FIELD_CONTENT, number) : r;
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	const struct xen *xen = self;
	int r = add(out, 0, FIELD_VERSION, 0);

	(void)vcpu;
	r = add(out, r, FIELD_FRAMES, 0);
	for (uint32_t i = 0; i < xen->grants.frames; i++)
		r = add_page(out, r, &xen->grants.frame[i], i);
	for (uint32_t i = 0; i < xen_grant_status_frames(xen); i++)
		r = add_page(out, r, &xen->grants.status[i], STATUS | i);
	return r;
}

static struct xen_page *page_of(struct xen *xen, uint32_t number)
{
	if (number & STATUS)
		return (number & ~STATUS) < xen_grant_status_frames(xen) ?
			       &xen->grants.status[number & ~STATUS] :
			       NULL;
	return number < xen->grants.frames ? &xen->grants.frame[number] : NULL;
}

static int unknown(struct reg_key key)
{
	return because(-ENOENT, "no register %#llx of Xen's grants", (unsigned long long)key.id);
}

static bool exists(struct xen *xen, struct reg_key key)
{
	unsigned field = REG_ID_FIELD(key.id);
	uint32_t number = REG_ID_NUMBER(key.id);

	if (field >= FIELDS || reg_size(key.id) != 1u << sizes[field])
		return false;
	return field < FIELD_FRAME ? number == 0 : page_of(xen, number) != NULL;
}

static int get(void *self, struct reg_key key, void *val)
{
	struct xen *xen = self;
	uint32_t number = REG_ID_NUMBER(key.id);
	uint64_t value = 0;

	if (!exists(xen, key))
		return unknown(key);
	switch (REG_ID_FIELD(key.id)) {
	case FIELD_VERSION:
		value = xen->grants.version;
		break;
	case FIELD_FRAMES:
		value = xen->grants.frames;
		break;
	case FIELD_FRAME:
		value = page_of(xen, number)->gfn;
		break;
	default:
		memcpy(val, page_of(xen, number)->own, XEN_PAGE_SIZE);
		return 0;
	}
	memcpy(val, &value, sizeof(value));
	return 0;
}

/* Pages are those of the last guest's: they are mapped, or filled, by the registers that follow. */
static int set_version(struct xen *xen, uint64_t version)
{
	uint32_t before = xen->grants.version;
	int r;

	if (version != 1 && version != 2)
		return because(-EINVAL, "xen: grant tables of version %llu",
			       (unsigned long long)version);
	xen->grants.version = (uint32_t)version;
	r = xen_grant_grow(xen, xen->grants.frames);
	if (r < 0)
		xen->grants.version = before;
	return r;
}

static int set_frames(struct xen *xen, uint64_t frames)
{
	if (frames < 1 || frames > XEN_GRANT_FRAMES)
		return because(-EINVAL, "xen: %llu grant frames", (unsigned long long)frames);
	if (frames >= xen->grants.frames)
		return xen_grant_grow(xen, (uint32_t)frames);
	while (xen->grants.frames > frames)
		xen->grants.frame[--xen->grants.frames].gfn = XEN_NO_GFN;
	return 0;
}

static int set_gfn(struct xen *xen, struct xen_page *page, uint64_t gfn)
{
	if (gfn != XEN_NO_GFN && (gfn >= UINT64_MAX >> 12 ||
				  !mem_ptr_rw(&xen->vm->mem, gfn * XEN_PAGE_SIZE, XEN_PAGE_SIZE)))
		return because(-EINVAL, "xen: no grant frame can be at gfn %#llx",
			       (unsigned long long)gfn);
	page->gfn = gfn;
	return 0;
}

static int set_locked(struct xen *xen, struct reg_key key, const void *val)
{
	struct xen_page *page = page_of(xen, REG_ID_NUMBER(key.id));
	unsigned field = REG_ID_FIELD(key.id);
	uint64_t value;

	if (field == FIELD_CONTENT) {
		memcpy(page->own, val, XEN_PAGE_SIZE);
		return 0;
	}
	memcpy(&value, val, sizeof(value));
	if (field == FIELD_VERSION)
		return set_version(xen, value);
	return field == FIELD_FRAMES ? set_frames(xen, value) : set_gfn(xen, page, value);
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct xen *xen = self;
	int r;

	if (!exists(xen, key))
		return unknown(key);
	xen_lock(xen);
	r = set_locked(xen, key, val);
	xen_unlock(xen);
	return r;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	static const char *const names[FIELDS] = { "version", "frames", "frame", "content" };
	unsigned field = REG_ID_FIELD(key.id);
	uint32_t number = REG_ID_NUMBER(key.id);

	(void)self;
	if (field >= FIELDS)
		return -ENOENT;
	if (field < FIELD_FRAME)
		snprintf(name, size, "%s", names[field]);
	else
		snprintf(name, size, "%s%s%u", number & STATUS ? "status_" : "", names[field],
			 number & ~STATUS);
	return 0;
}

int xen_grant_bank_add(struct xen *xen)
{
	static const struct reg_bank bank = {
		.name = "xen_grant",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_XEN_GRANT),
		.list = list,
		.get = get,
		.set = set,
		.name_of = name_of,
	};

	return reg_file_add(&xen->vm->regs, &bank, 0, 0, xen);
}
