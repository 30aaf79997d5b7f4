/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatcher's state as registers of 32 or 64 bits, all of which are zero in a guest that has
 * never called it. What runs follows from the contexts: no handler can run without one.
 */
#include "pv/sdei/impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "reg/reg_file.h"
#include "vm/vm.h"

/* The number is the event's; from EVENT on the priority's, and of X priority << 8 | n. */
enum field {
	UNMASKED,
	STATUS, /* as EVENT_STATUS has it, without RUNNING; bit 3: it is pending */
	ENTRY,
	ARG,
	FLAGS,
	AFFINITY,
	EVENT, /* bit 32: there is one */
	PC,
	PSTATE,
	ENTRY_PSTATE,
	X,
	SLOT, /* of the VM; the number is the slot's: the INTID that is bound */
};

#define PENDING	   8U
#define EVENT_USED (1ULL << 32)

static const char *const priorities[] = { "normal", "critical" };

static const struct column {
	enum field field;
	unsigned size_log2;
	const char *name;
} handler_columns[] = {
	{ STATUS, 2, "status" }, { ENTRY, 3, "entry" },	      { ARG, 3, "arg" },
	{ FLAGS, 3, "flags" },	 { AFFINITY, 3, "affinity" },
}, context_columns[] = {
	{ EVENT, 3, "event" }, { PC, 3, "pc" }, { PSTATE, 3, "pstate" },
	{ ENTRY_PSTATE, 3, "entry_pstate" },
};

/* A private event has no routing. */
static size_t columns_of(const struct sdei_event_info *info)
{
	return info->shared ? ARRAY_SIZE(handler_columns) : 3;
}

static int list_handlers(uint32_t v, bool shared, struct reg_list *out)
{
	unsigned bank = shared ? REG_BANK_SDEI_SHARED : REG_BANK_SDEI;
	int r = 0;

	for (unsigned i = 0; i < SDEI_EVENTS; i++)
		for (size_t c = 0; c < columns_of(&sdei_events[i]) && r == 0; c++)
			if (sdei_events[i].shared == shared)
				r = reg_list_add(out, v,
						 REG_ID(bank, handler_columns[c].field,
							handler_columns[c].size_log2,
							sdei_events[i].number),
						 0);
	return r;
}

static int list_shared(void *self, uint32_t v, struct reg_list *out)
{
	int r = 0;

	(void)self;
	for (unsigned i = 0; i < SDEI_SLOTS && r == 0; i++)
		r = reg_list_add(out, v, REG_ID(REG_BANK_SDEI_SHARED, SLOT, 2, i), 0);
	return r < 0 ? r : list_handlers(v, true, out);
}

static int list_contexts(uint32_t v, struct reg_list *out)
{
	int r = 0;

	for (unsigned p = 0; p < SDEI_PRIORITIES; p++) {
		for (size_t c = 0; c < ARRAY_SIZE(context_columns) && r == 0; c++)
			r = reg_list_add(out, v, REG_ID(REG_BANK_SDEI, context_columns[c].field, 3, p),
					 0);
		for (unsigned n = 0; n < SDEI_CONTEXT_REGISTERS && r == 0; n++)
			r = reg_list_add(out, v, REG_ID(REG_BANK_SDEI, X, 3, p << 8 | n), 0);
	}
	return r;
}

static int list_private(void *self, uint32_t v, struct reg_list *out)
{
	int r = reg_list_add(out, v, REG_ID(REG_BANK_SDEI, UNMASKED, 2, 0), 0);

	(void)self;
	if (r == 0)
		r = list_handlers(v, false, out);
	return r < 0 ? r : list_contexts(v, out);
}

/* The handler that the register is of; NULL: it is of none. */
static struct sdei_handler *handler_of(struct sdei *sdei, struct reg_key key,
				       const struct column **ret_column)
{
	const struct sdei_event_info *info = sdei_event(REG_ID_NUMBER(key.id));
	bool shared = key.vcpu == REG_VM;

	if (!info || info->shared != shared)
		return NULL;
	for (size_t c = 0; c < columns_of(info); c++)
		if (handler_columns[c].field == REG_ID_FIELD(key.id) &&
		    reg_size(key.id) == 1U << handler_columns[c].size_log2) {
			*ret_column = &handler_columns[c];
			return sdei_handler(&sdei->model, shared ? 0 : key.vcpu, info);
		}
	return NULL;
}

/* A word of a context that is no more than stored; NULL: it is none. */
static uint64_t *word_of(struct sdei *sdei, struct reg_key key)
{
	uint32_t number = REG_ID_NUMBER(key.id), field = REG_ID_FIELD(key.id);
	uint32_t priority = field == X ? number >> 8 : number;
	struct sdei_context *context;

	if (key.vcpu == REG_VM || priority >= SDEI_PRIORITIES || reg_size(key.id) != 8)
		return NULL;
	context = &sdei->model.pes[key.vcpu].contexts[priority];
	switch (field) {
	case PC:
		return &context->pc;
	case PSTATE:
		return &context->pstate;
	case ENTRY_PSTATE:
		return &context->entry_pstate;
	case X:
		return (number & 0xff) < SDEI_CONTEXT_REGISTERS ? &context->x[number & 0xff] : NULL;
	default:
		return NULL;
	}
}

static bool is_event(struct reg_key key)
{
	return key.vcpu != REG_VM && REG_ID_FIELD(key.id) == EVENT && reg_size(key.id) == 8 &&
	       REG_ID_NUMBER(key.id) < SDEI_PRIORITIES;
}

static bool is_unmasked(struct reg_key key)
{
	return key.vcpu != REG_VM && key.id == REG_ID(REG_BANK_SDEI, UNMASKED, 2, 0);
}

/* NULL: it is no slot. */
static uint32_t *slot_of(struct sdei *sdei, struct reg_key key)
{
	uint32_t number = REG_ID_NUMBER(key.id);

	if (key.vcpu != REG_VM || number >= SDEI_SLOTS ||
	    key.id != REG_ID(REG_BANK_SDEI_SHARED, SLOT, 2, number))
		return NULL;
	return &sdei->model.slots[number];
}

static uint64_t *handler_word(struct sdei_handler *handler, enum field field)
{
	switch (field) {
	case ENTRY:
		return &handler->entry;
	case ARG:
		return &handler->arg;
	case FLAGS:
		return &handler->flags;
	default:
		return &handler->affinity;
	}
}

static int unknown(struct reg_key key)
{
	return because(-ENOENT, "sdei: no register %#llx", (unsigned long long)key.id);
}

static int read_value(struct sdei *sdei, struct reg_key key, uint64_t *ret_value)
{
	const struct column *column = NULL;
	struct sdei_handler *handler = handler_of(sdei, key, &column);
	uint64_t *word = word_of(sdei, key);
	const struct sdei_context *context;

	if (word) {
		*ret_value = *word;
	} else if (slot_of(sdei, key)) {
		*ret_value = *slot_of(sdei, key);
	} else if (is_unmasked(key)) {
		*ret_value = sdei->model.pes[key.vcpu].unmasked;
	} else if (is_event(key)) {
		context = &sdei->model.pes[key.vcpu].contexts[REG_ID_NUMBER(key.id)];
		*ret_value = context->used ? EVENT_USED | context->event : 0;
	} else if (handler && column->field == STATUS) {
		*ret_value = handler->status | (handler->pending ? PENDING : 0);
	} else if (handler) {
		*ret_value = *handler_word(handler, column->field);
	} else {
		return unknown(key);
	}
	return 0;
}

static int get(void *self, struct reg_key key, void *val)
{
	struct sdei *sdei = self;
	uint64_t value = 0;
	int r;

	pthread_mutex_lock(&sdei->lock);
	r = read_value(sdei, key, &value);
	pthread_mutex_unlock(&sdei->lock);
	if (r == 0)
		memcpy(val, &value, reg_size(key.id));
	return r;
}

static int cannot(const char *what, uint64_t value)
{
	return because(-EINVAL, "sdei: %s cannot be %#llx", what, (unsigned long long)value);
}

static int set_status(struct sdei_handler *handler, uint64_t value)
{
	if (value & ~(uint64_t)(SDEI_STATUS_REGISTERED | SDEI_STATUS_ENABLED | PENDING) ||
	    (value && !(value & SDEI_STATUS_REGISTERED)))
		return cannot("a handler's status", value);
	handler->status = value & (SDEI_STATUS_REGISTERED | SDEI_STATUS_ENABLED);
	handler->pending = value & PENDING;
	return 0;
}

static int set_event(struct sdei_context *context, enum sdei_priority priority, uint64_t value)
{
	const struct sdei_event_info *info = sdei_event((uint32_t)value);

	if (value && (value >> 32 != 1 || !info || info->priority != priority))
		return cannot("an event that runs", value);
	context->used = value;
	context->event = (uint32_t)value;
	return 0;
}

/* One interrupt is one event's: another that has it will be told what it has now. */
static int set_slot(struct sdei *sdei, uint32_t *slot, uint64_t value)
{
	if (value && (value < FIRST_SPI || value >= sdei->model.interrupts))
		return cannot("an interrupt that is bound", value);
	for (unsigned i = 0; i < SDEI_SLOTS; i++)
		if (sdei->model.slots[i] == value)
			sdei->model.slots[i] = 0;
	*slot = (uint32_t)value;
	return 0;
}

static int write_value(struct sdei *sdei, struct reg_key key, uint64_t value)
{
	const struct column *column = NULL;
	struct sdei_handler *handler = handler_of(sdei, key, &column);
	uint64_t *word = word_of(sdei, key);
	uint32_t number = REG_ID_NUMBER(key.id);

	if (slot_of(sdei, key))
		return set_slot(sdei, slot_of(sdei, key), value);
	if (is_event(key))
		return set_event(&sdei->model.pes[key.vcpu].contexts[number],
				 (enum sdei_priority)number, value);
	if (is_unmasked(key)) {
		if (value > 1)
			return cannot("unmasked", value);
		sdei->model.pes[key.vcpu].unmasked = value;
		return 0;
	}
	if (handler && column->field == STATUS)
		return set_status(handler, value);
	if (handler && column->field == FLAGS && value & ~(uint64_t)SDEI_REGISTER_RM_PE)
		return cannot("flags", value);
	if (handler)
		word = handler_word(handler, column->field);
	if (!word)
		return unknown(key);
	*word = value;
	return 0;
}

/* What is pending is delivered when the vCPUs run. */
static int set(void *self, struct reg_key key, const void *val)
{
	struct sdei *sdei = self;
	uint64_t value = 0;
	int r;

	if (reg_size(key.id) > sizeof(value))
		return unknown(key);
	memcpy(&value, val, reg_size(key.id));
	pthread_mutex_lock(&sdei->lock);
	r = write_value(sdei, key, value);
	pthread_mutex_unlock(&sdei->lock);
	if (r == 0 && REG_ID_FIELD(key.id) == STATUS && value & PENDING)
		sdei_wake(sdei, key.vcpu == REG_VM ? SDEI_EVERYONE : key.vcpu, NULL);
	return r;
}

static int name_of(void *self, struct reg_key key, char *name, size_t size)
{
	uint32_t number = REG_ID_NUMBER(key.id), field = REG_ID_FIELD(key.id);
	const struct column *column = NULL;

	if (field == X) {
		snprintf(name, size, "%s.x%u", priorities[number >> 8 & 1], number & 0xff);
		return 0;
	}
	for (size_t c = 0; c < ARRAY_SIZE(context_columns); c++)
		if (context_columns[c].field == field) {
			snprintf(name, size, "%s.%s", priorities[number & 1],
				 context_columns[c].name);
			return 0;
		}
	if (field == SLOT)
		snprintf(name, size, "slot%u", number);
	else if (handler_of(self, key, &column))
		snprintf(name, size, "event%#x.%s", number, column->name);
	else
		snprintf(name, size, "unmasked");
	return 0;
}

int sdei_add_banks(struct sdei *sdei, struct reg_file *file)
{
	static const struct reg_bank private_bank = {
		.name = "sdei",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_SDEI),
		.per_vcpu = 1,
		.list = list_private,
		.get = get,
		.set = set,
		.name_of = name_of,
	};
	static const struct reg_bank shared_bank = {
		.name = "sdei_shared",
		.mask = REG_BANK_MASK,
		.match = REG_BANK(REG_BANK_SDEI_SHARED),
		.list = list_shared,
		.get = get,
		.set = set,
		.name_of = name_of,
	};
	int r = reg_file_add(file, &private_bank, 0, 0, sdei);

	return r < 0 ? r : reg_file_add(file, &shared_bank, 0, 0, sdei);
}
