/* SPDX-License-Identifier: Apache-2.0 */
/* The domain's registers. What KVM cannot tell back (its table of ports) is kept here and told to it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "pv/xen/bank.h"
#include "pv/xen/xen_impl.h"

static const uint32_t attrs[] = {
	KVM_XEN_ATTR_TYPE_XEN_VERSION,
	KVM_XEN_ATTR_TYPE_LONG_MODE, /* it fixes shared_info's layout */
	KVM_XEN_ATTR_TYPE_SHARED_INFO,
	KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG,
};

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	struct xen *xen = self;
	int r = 0;

	(void)vcpu;
	for (size_t i = 0; i < ARRAY_SIZE(attrs); i++)
		r = xen_reg_add(out, r, XEN_REG(FIELD_ATTR, 3, attrs[i]));
	if (xen->shared.gfn == XEN_NO_GFN)
		r = xen_reg_add(out, r, XEN_REG(FIELD_CONTENT, 12, 0));
	for (uint32_t i = 0; i < XEN_HVM_PARAMS; i++)
		r = xen_reg_add(out, r, XEN_REG(FIELD_PARAM, 3, i));
	for (uint32_t i = 0; i < XEN_PIRQS && xen->pirqs.offered; i++)
		r = xen_reg_add(out, r, XEN_REG(FIELD_PIRQ, 3, i));
	r = xen_ports_list(xen, out, r);
	r = xen_reg_add(out, r, XEN_REG(FIELD_PAGE, 3, 0));
	for (uint32_t i = 0; i < XEN_STUBS_MAX; i++)
		r = xen_reg_add(out, r, XEN_REG(FIELD_STUB, 3, i));
	for (uint32_t i = 0; i < XEN_WATCHDOGS; i++)
		r = r < 0 ? r : reg_list_add(out, REG_VM, XEN_REG(FIELD_WATCHDOG, 3, i), REG_TIME);
	return r;
}

static int unknown(struct reg_key key)
{
	return because(-ENOENT, "no register %#llx of Xen's", (unsigned long long)key.id);
}

static uint64_t *word_of(struct xen *xen, uint64_t id)
{
	uint32_t number = REG_ID_NUMBER(id);

	switch (REG_ID_FIELD(id)) {
	case FIELD_PARAM:
		return number < XEN_HVM_PARAMS ? &xen->param[number] : NULL;
	case FIELD_PAGE:
		return number ? NULL : &xen->hypercall_page;
	case FIELD_STUB:
		return number < XEN_STUBS_MAX ? &xen->stubs[number] : NULL;
	default:
		return NULL;
	}
}

static int get_attr(const struct xen *xen, uint32_t number, uint64_t *ret_value)
{
	switch (number) {
	case KVM_XEN_ATTR_TYPE_XEN_VERSION:
		*ret_value = xen->version;
		return 0;
	case KVM_XEN_ATTR_TYPE_LONG_MODE:
		*ret_value = xen->longmode;
		return 0;
	case KVM_XEN_ATTR_TYPE_SHARED_INFO:
		*ret_value = xen->shared.gfn;
		return 0;
	case KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG:
		*ret_value = xen->runstate_flag;
		return 0;
	default:
		return -ENOENT;
	}
}

static int get_locked(struct xen *xen, struct reg_key key, void *val)
{
	uint32_t number = REG_ID_NUMBER(key.id);
	uint64_t *word = word_of(xen, key.id), value = 0;
	int r = 0;

	if (word) {
		memcpy(val, word, sizeof(*word));
		return 0;
	}
	switch (REG_ID_FIELD(key.id)) {
	case FIELD_ATTR:
		r = get_attr(xen, number, &value);
		break;
	case FIELD_PIRQ:
		if (!xen->pirqs.offered || number >= XEN_PIRQS)
			return -ENOENT;
		value = xen_pirq_get(xen, number);
		break;
	case FIELD_WATCHDOG:
		if (number >= XEN_WATCHDOGS)
			return -ENOENT;
		value = xen_watchdog_left(xen, number);
		break;
	case FIELD_CONTENT:
		memcpy(val, xen->shared.own, XEN_PAGE_SIZE);
		return 0;
	case FIELD_OPEN:
	case FIELD_FIFO:
	case FIELD_ARRAY:
	case FIELD_CHANNEL:
		return xen_ports_get(xen, key, val);
	default:
		return -ENOENT;
	}
	if (r == 0)
		memcpy(val, &value, sizeof(value));
	return r;
}

/* The sizes of the ids that there are; any other is of no register. */
static bool has_right_size(uint64_t id)
{
	static const uint8_t sizes[] = {
		[FIELD_ATTR] = 3,  [FIELD_PARAM] = 3,	[FIELD_OPEN] = 14,    [FIELD_FIFO] = 3,
		[FIELD_ARRAY] = 3, [FIELD_CHANNEL] = 5, [FIELD_CONTENT] = 12, [FIELD_PAGE] = 3,
		[FIELD_STUB] = 3,  [FIELD_WATCHDOG] = 3, [FIELD_PIRQ] = 3,
	};
	unsigned field = REG_ID_FIELD(id);

	return field < ARRAY_SIZE(sizes) && reg_size(id) == 1u << sizes[field];
}

static int get(void *self, struct reg_key key, void *val)
{
	struct xen *xen = self;
	int r = -ENOENT;

	if (has_right_size(key.id)) {
		xen_lock(xen);
		r = get_locked(xen, key, val);
		xen_unlock(xen);
	}
	return r == -ENOENT ? unknown(key) : r;
}

static int set_version(struct xen *xen, uint64_t value)
{
	if (value == xen->version)
		return 0;
	return because(-EINVAL, "xen: the guest was promised version %llu.%llu, and this is %u.%u",
		       (unsigned long long)value >> 16, (unsigned long long)value & 0xffff,
		       xen->version >> 16, xen->version & 0xffff);
}

static int set_flag(uint64_t value, bool *flag)
{
	if (value > 1)
		return because(-EINVAL, "xen: a flag of %llu", (unsigned long long)value);
	*flag = value;
	return 0;
}

static int set_attr(struct xen *xen, uint32_t number, uint64_t value)
{
	bool flag = false;
	int r;

	switch (number) {
	case KVM_XEN_ATTR_TYPE_XEN_VERSION:
		return set_version(xen, value);
	case KVM_XEN_ATTR_TYPE_LONG_MODE:
		r = set_flag(value, &flag);
		return r < 0 ? r : xen_set_longmode(xen, flag);
	case KVM_XEN_ATTR_TYPE_SHARED_INFO:
		return xen_shared_info_restore(xen, value);
	case KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG:
		r = set_flag(value, &xen->runstate_flag);
		return r < 0 ? r : xen->engine->set_runstate_flag(xen);
	default:
		return -ENOENT;
	}
}

static int set_param(struct xen *xen, uint32_t number, uint64_t value)
{
	int r;

	if (number >= XEN_HVM_PARAMS)
		return -ENOENT;
	if (xen->param[number] == value)
		return 0;
	if (number == HVM_PARAM_CALLBACK_IRQ) {
		r = xen_via_set(xen, value);
		if (r < 0)
			return because_of(r, "xen: the guest's way of upcalls, %#llx",
					  (unsigned long long)value);
	}
	xen->param[number] = value;
	return 0;
}

static int set_word(struct xen *xen, struct reg_key key, uint64_t value)
{
	uint32_t number = REG_ID_NUMBER(key.id);

	switch (REG_ID_FIELD(key.id)) {
	case FIELD_ATTR:
		return set_attr(xen, number, value);
	case FIELD_PARAM:
		return set_param(xen, number, value);
	case FIELD_PAGE:
	case FIELD_STUB: /* gpas: the engine looks there when it goes on */
		if (!word_of(xen, key.id))
			return -ENOENT;
		*word_of(xen, key.id) = value;
		return 0;
	case FIELD_PIRQ:
		if (!xen->pirqs.offered || number >= XEN_PIRQS)
			return -ENOENT;
		return xen_pirq_set(xen, number, value);
	case FIELD_WATCHDOG:
		return number < XEN_WATCHDOGS ? xen_watchdog_restore(xen, number, value) : -ENOENT;
	default:
		return -ENOENT;
	}
}

static int set_locked(struct xen *xen, struct reg_key key, const void *val)
{
	uint64_t value;

	switch (REG_ID_FIELD(key.id)) {
	case FIELD_OPEN:
	case FIELD_FIFO:
	case FIELD_ARRAY:
	case FIELD_CHANNEL:
		return xen_ports_set(xen, key, val);
	case FIELD_CONTENT:
		memcpy(xen->shared.own, val, XEN_PAGE_SIZE);
		return 0;
	default:
		memcpy(&value, val, sizeof(value));
		return set_word(xen, key, value);
	}
}

static int set(void *self, struct reg_key key, const void *val)
{
	struct xen *xen = self;
	int r = -ENOENT;

	if (has_right_size(key.id)) {
		xen_lock(xen);
		r = set_locked(xen, key, val);
		xen_unlock(xen);
	}
	return r == -ENOENT ? unknown(key) : r;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	static const char *const fields[] = {
		[FIELD_PARAM] = "param",     [FIELD_OPEN] = "open_ports",
		[FIELD_FIFO] = "fifo",	     [FIELD_ARRAY] = "event_array",
		[FIELD_CHANNEL] = "port",    [FIELD_CONTENT] = "shared_info_content",
		[FIELD_PAGE] = "hypercalls", [FIELD_STUB] = "stub",
		[FIELD_WATCHDOG] = "watchdog", [FIELD_PIRQ] = "pirq",
	};
	static const char *const names[] = {
		[KVM_XEN_ATTR_TYPE_LONG_MODE] = "long_mode",
		[KVM_XEN_ATTR_TYPE_SHARED_INFO] = "shared_info",
		[KVM_XEN_ATTR_TYPE_XEN_VERSION] = "xen_version",
		[KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG] = "runstate_update_flag",
	};
	unsigned field = REG_ID_FIELD(key.id);
	uint32_t number = REG_ID_NUMBER(key.id);

	(void)self;
	if (field == FIELD_ATTR && number < ARRAY_SIZE(names) && names[number])
		snprintf(name, size, "%s", names[number]);
	else if (field == FIELD_OPEN || field == FIELD_FIFO || field == FIELD_CONTENT ||
		 field == FIELD_PAGE)
		snprintf(name, size, "%s", fields[field]);
	else if (field > 0 && field < ARRAY_SIZE(fields))
		snprintf(name, size, "%s%u", fields[field], number);
	else
		return -ENOENT;
	return 0;
}

int xen_banks_add(struct xen *xen)
{
	static const struct reg_bank bank = {
		.name = "xen",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_XEN),
		.list = list,
		.get = get,
		.set = set,
		.name_of = name_of,
	};
	int r = reg_file_add(&xen->vm->regs, &bank, 0, 0, xen);

	return r < 0 ? r : xen_vcpu_bank_add(xen);
}
