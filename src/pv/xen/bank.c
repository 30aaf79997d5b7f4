/* SPDX-License-Identifier: Apache-2.0 */
/* The domain's registers. What KVM cannot tell back (its table of ports) is kept here and told to it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "kvm/kvm_x86.h"
#include "pv/xen/store_port.h"
#include "pv/xen/xen_impl.h"
#include "reg/reg_file.h"

/* field of the ids; the numbers are KVM_XEN_ATTR_TYPE_*, HVM_PARAM_*, ports, and slots. */
enum {
	FIELD_ATTR = 0,
	FIELD_PARAM = 1,
	FIELD_OPEN = 2,	   /* one: a bit for each port that is open; the others are closed by it */
	FIELD_FIFO = 3,	   /* one: 0, or 1 + the pages of the event array */
	FIELD_ARRAY = 4,   /* their gfns */
	FIELD_CHANNEL = 5, /* struct channel */
	FIELD_CONTENT = 6, /* one: shared_info's page while it is mapped nowhere */
	FIELD_PAGE = 7,	   /* one: gpa of the hypercall page */
	FIELD_STUB = 8,	   /* gpas of inline hypercalls */
	FIELD_WATCHDOG = 9 /* ns that are left; 0: off; 1 is the least */
};

struct channel {
	uint8_t state, priority, queued_priority, pending;
	uint32_t vcpu, queued_vcpu, number;
	uint16_t remote;
	uint8_t pad[14];
};
_Static_assert(sizeof(struct channel) == 32, "a register of 32 bytes");

#define OPEN_BYTES (XEN_EVTCHN_FIFO_CHANNELS / 8)
#define ID(field, size, number) REG_ID(REG_BANK_XEN, field, size, number)

static const uint32_t attrs[] = {
	KVM_XEN_ATTR_TYPE_XEN_VERSION,
	KVM_XEN_ATTR_TYPE_LONG_MODE, /* it fixes shared_info's layout */
	KVM_XEN_ATTR_TYPE_SHARED_INFO,
	KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG,
};

static int add(struct reg_list *out, int r, uint64_t id)
{
	return r < 0 ? r : reg_list_add(out, REG_VM, id, 0);
}

static int list_ports(struct xen *xen, struct reg_list *out, int r)
{
	r = add(out, r, ID(FIELD_OPEN, 14, 0));
	r = add(out, r, ID(FIELD_FIFO, 3, 0));
	for (uint32_t i = 0; i < xen->ports.pages; i++)
		r = add(out, r, ID(FIELD_ARRAY, 3, i));
	for (uint32_t port = 1; port < xen_port_limit(xen); port++)
		if (xen_port(xen, port))
			r = add(out, r, ID(FIELD_CHANNEL, 5, port));
	return r;
}

static int list(void *self, uint32_t vcpu, struct reg_list *out)
{
	struct xen *xen = self;
	int r = 0;

	(void)vcpu;
	for (size_t i = 0; i < ARRAY_SIZE(attrs); i++)
		r = add(out, r, ID(FIELD_ATTR, 3, attrs[i]));
	if (xen->shared.gfn == XEN_NO_GFN)
		r = add(out, r, ID(FIELD_CONTENT, 12, 0));
	for (uint32_t i = 0; i < XEN_HVM_PARAMS; i++)
		r = add(out, r, ID(FIELD_PARAM, 3, i));
	r = list_ports(xen, out, r);
	r = add(out, r, ID(FIELD_PAGE, 3, 0));
	for (uint32_t i = 0; i < XEN_STUBS_MAX; i++)
		r = add(out, r, ID(FIELD_STUB, 3, i));
	for (uint32_t i = 0; i < XEN_WATCHDOGS; i++)
		r = r < 0 ? r : reg_list_add(out, REG_VM, ID(FIELD_WATCHDOG, 3, i), REG_TIME);
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
	case FIELD_ARRAY:
		return number < xen->ports.pages ? &xen->ports.page_gfn[number] : NULL;
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

static void get_open(struct xen *xen, uint8_t *bitmap)
{
	memset(bitmap, 0, OPEN_BYTES);
	for (uint32_t port = 1; port < xen_port_limit(xen); port++)
		if (xen_port(xen, port))
			bitmap[port / 8] |= (uint8_t)(1u << port % 8);
}

static int get_channel(struct xen *xen, uint32_t port, void *val)
{
	const struct xen_evtchn *from = xen_port(xen, port);
	struct channel channel = { 0 };

	if (!from)
		return -ENOENT;
	channel.state = from->state;
	channel.priority = from->priority;
	channel.queued_priority = from->queued_priority;
	channel.pending = from->pending;
	channel.vcpu = from->vcpu;
	channel.queued_vcpu = from->queued_vcpu;
	channel.number = from->number;
	channel.remote = from->remote;
	memcpy(val, &channel, sizeof(channel));
	return 0;
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
	case FIELD_FIFO:
		value = xen->ports.fifo ? xen->ports.pages + 1 : 0;
		break;
	case FIELD_WATCHDOG:
		if (number >= XEN_WATCHDOGS)
			return -ENOENT;
		value = xen_watchdog_left(xen, number);
		break;
	case FIELD_OPEN:
		get_open(xen, val);
		return 0;
	case FIELD_CONTENT:
		memcpy(val, xen->shared.own, XEN_PAGE_SIZE);
		return 0;
	case FIELD_CHANNEL:
		return get_channel(xen, number, val);
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
		[FIELD_STUB] = 3,  [FIELD_WATCHDOG] = 3,
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
		bool vector = value >> XEN_CALLBACK_TYPE_SHIFT == XEN_CALLBACK_TYPE_VECTOR;

		xen->callback_vector = vector ? (uint8_t)value : 0;
		r = xen->engine->set_callback(xen);
		if (r < 0)
			return because(r, "xen: the guest's callback vector needs the kernel's engine");
	}
	xen->param[number] = value;
	return 0;
}

static int set_open(struct xen *xen, const uint8_t *bitmap)
{
	for (uint32_t port = 1; port < xen_port_limit(xen); port++)
		if (xen_port(xen, port) && !(bitmap[port / 8] >> port % 8 & 1))
			xen_port_forget(xen, port);
	return 0;
}

static int set_fifo(struct xen *xen, uint64_t value)
{
	if (value > XEN_EVTCHN_FIFO_PAGES + 1)
		return because(-EINVAL, "xen: %llu pages of events", (unsigned long long)value);
	xen->ports.fifo = value > 0;
	xen->ports.pages = value ? (uint32_t)value - 1 : 0;
	return 0;
}

static int set_array(struct xen *xen, uint32_t slot, uint64_t gfn)
{
	if (slot >= xen->ports.pages)
		return -ENOENT;
	if (gfn >= UINT64_MAX >> 12)
		return because(-EINVAL, "xen: events at gfn %#llx", (unsigned long long)gfn);
	xen->ports.page_gfn[slot] = gfn;
	return 0;
}

static bool is_possible(const struct xen *xen, const struct channel *channel)
{
	if (channel->state == EVTCHNSTAT_closed || channel->state > EVTCHNSTAT_ipi)
		return false;
	if (channel->state == EVTCHNSTAT_virq && channel->number >= XEN_NR_VIRQS)
		return false;
	return channel->vcpu < xen->vcpu_count && channel->queued_vcpu < xen->vcpu_count &&
	       channel->priority < XEN_EVTCHN_FIFO_QUEUES &&
	       channel->queued_priority < XEN_EVTCHN_FIFO_QUEUES && channel->pending <= 1;
}

static int set_channel(struct xen *xen, uint32_t port, const void *val)
{
	struct xen_evtchn *to;
	struct channel now, channel;

	memcpy(&channel, val, sizeof(channel));
	if (get_channel(xen, port, &now) == 0 && memcmp(&now, &channel, sizeof(now)) == 0)
		return 0;
	if (port >= xen_port_limit(xen))
		return -ENOENT;
	if (!is_possible(xen, &channel))
		return because(-EINVAL, "xen: event channel %u cannot be so", port);
	if (xen_port(xen, port))
		xen_port_forget(xen, port);
	to = xen_port_get(xen, port);
	if (!to)
		return port ? -ENOMEM : -ENOENT;
	*to = (struct xen_evtchn){
		.state = channel.state,
		.priority = channel.priority,
		.queued_priority = channel.queued_priority,
		.pending = channel.pending,
		.vcpu = channel.vcpu,
		.queued_vcpu = channel.queued_vcpu,
		.number = channel.number,
		.remote = channel.remote,
	};
	xen_port_restored(xen, port);
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
	case FIELD_FIFO:
		return set_fifo(xen, value);
	case FIELD_ARRAY:
		return set_array(xen, number, value);
	case FIELD_PAGE:
	case FIELD_STUB: /* gpas: the engine looks there when it goes on */
		if (!word_of(xen, key.id))
			return -ENOENT;
		*word_of(xen, key.id) = value;
		return 0;
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
		return set_open(xen, val);
	case FIELD_CONTENT:
		memcpy(xen->shared.own, val, XEN_PAGE_SIZE);
		return 0;
	case FIELD_CHANNEL:
		return set_channel(xen, REG_ID_NUMBER(key.id), val);
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
		[FIELD_WATCHDOG] = "watchdog",
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

static int pages_list(void *self, uint32_t vcpu, struct reg_list *out)
{
	const struct xen *xen = self;
	int r = 0;

	(void)vcpu;
	for (uint32_t i = 0; i < xen->hole_count; i++)
		r = add(out, r, REG_ID(REG_BANK_XEN_PAGES, 0, 3, i));
	return r;
}

static int pages_get(void *self, struct reg_key key, void *val)
{
	const struct xen *xen = self;
	uint32_t number = REG_ID_NUMBER(key.id);

	if (reg_size(key.id) != sizeof(uint64_t) || number >= xen->hole_count)
		return unknown(key);
	memcpy(val, &xen->hole_gfns[number], sizeof(uint64_t));
	return 0;
}

static int pages_set(void *self, struct reg_key key, const void *val)
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

static int pages_name(void *self, struct reg_key key, char *name, size_t size)
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
		.list = pages_list,
		.get = pages_get,
		.set = pages_set,
		.name_of = pages_name,
	};

	return reg_file_add(&xen->vm->regs, &bank, 0, 0, xen);
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

	if (r == 0)
		r = xen_vcpu_bank_add(xen);
	if (r == 0)
		r = xen_grant_bank_add(xen);
	return r < 0 ? r : xen_store_bank_add(xen);
}
