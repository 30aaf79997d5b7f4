/* SPDX-License-Identifier: Apache-2.0 */
/* Events and PEs: what is triggered, delivered and completed (DEN0054 5 and 6). */
#include "pv/sdei/model.h"

const struct sdei_event_info sdei_events[SDEI_EVENTS] = {
	{ SDEI_EVENT_SOFTWARE, false, SDEI_NORMAL, false },
	{ SDEI_EVENT_PRIVATE_NORMAL, false, SDEI_NORMAL, false },
	{ SDEI_EVENT_PRIVATE_CRITICAL, false, SDEI_CRITICAL, false },
	{ SDEI_EVENT_SHARED_NORMAL, true, SDEI_NORMAL, false },
	{ SDEI_EVENT_SHARED_CRITICAL, true, SDEI_CRITICAL, false },
	{ SDEI_EVENT_BOUND + 0, true, SDEI_NORMAL, true },
	{ SDEI_EVENT_BOUND + 1, true, SDEI_NORMAL, true },
	{ SDEI_EVENT_BOUND + 2, true, SDEI_NORMAL, true },
	{ SDEI_EVENT_BOUND + 3, true, SDEI_NORMAL, true },
};

_Static_assert(SDEI_SLOTS == 4, "one line each");

const struct sdei_event_info *sdei_event(uint64_t number)
{
	for (unsigned i = 0; i < SDEI_EVENTS; i++)
		if (sdei_events[i].number == number)
			return &sdei_events[i];
	return NULL;
}

uint32_t *sdei_slot(struct sdei_model *model, const struct sdei_event_info *info)
{
	return &model->slots[info->number - SDEI_EVENT_BOUND];
}

const struct sdei_event_info *sdei_bound(const struct sdei_model *model, uint32_t interrupt)
{
	for (unsigned i = 0; i < SDEI_SLOTS; i++)
		if (model->slots[i] == interrupt)
			return sdei_event(SDEI_EVENT_BOUND + i);
	return NULL;
}

struct sdei_handler *sdei_handler(struct sdei_model *model, uint32_t pe,
				  const struct sdei_event_info *info)
{
	unsigned i = (unsigned)(info - sdei_events);

	return info->shared ? &model->shared[i] : &model->pes[pe].handlers[i];
}

static bool runs_on(const struct sdei_model *model, uint32_t pe, const struct sdei_event_info *info)
{
	const struct sdei_context *context = &model->pes[pe].contexts[info->priority];

	return context->used && context->event == info->number;
}

static bool runs(const struct sdei_model *model, uint32_t pe, const struct sdei_event_info *info)
{
	if (!info->shared)
		return runs_on(model, pe, info);
	for (uint32_t i = 0; i < model->pe_count; i++)
		if (runs_on(model, i, info))
			return true;
	return false;
}

unsigned sdei_status(const struct sdei_model *model, uint32_t pe, const struct sdei_event_info *info)
{
	const struct sdei_handler *handler =
		sdei_handler((struct sdei_model *)model, pe, info);

	return handler->status | (runs(model, pe, info) ? SDEI_STATUS_RUNNING : 0);
}

/* Who may take it: 5.1.2, routing modes. */
static uint32_t target_of(const struct sdei_model *model, const struct sdei_event_info *info,
			  const struct sdei_handler *handler, uint32_t pe)
{
	if (!info->shared)
		return pe;
	if (!(handler->flags & SDEI_REGISTER_RM_PE))
		return SDEI_EVERYONE;
	for (uint32_t i = 0; i < model->pe_count; i++)
		if (model->pes[i].mpidr == handler->affinity)
			return i;
	return SDEI_NOBODY;
}

bool sdei_trigger(struct sdei_model *model, const struct sdei_event_info *info, uint32_t pe,
		  uint32_t *ret_whom)
{
	struct sdei_handler *handler = sdei_handler(model, pe, info);

	if (!(handler->status & SDEI_STATUS_REGISTERED))
		return false;
	handler->pending = true;
	*ret_whom = target_of(model, info, handler, pe);
	return true;
}

/* A critical handler may interrupt a normal one, and nothing else any (6.3). */
static bool may_preempt(const struct sdei_pe *pe, enum sdei_priority priority)
{
	return !pe->contexts[SDEI_CRITICAL].used &&
	       (priority == SDEI_CRITICAL || !pe->contexts[SDEI_NORMAL].used);
}

static bool is_due(struct sdei_model *model, uint32_t pe, const struct sdei_event_info *info)
{
	const struct sdei_handler *handler = sdei_handler(model, pe, info);
	uint32_t target = target_of(model, info, handler, pe);
	unsigned next;

	return handler->pending && model->pes[pe].unmasked &&
	       (target == pe || target == SDEI_EVERYONE) &&
	       may_preempt(&model->pes[pe], info->priority) &&
	       sdei_transition(sdei_status(model, pe, info), SDEI_DO_DISPATCH, &next) == 0;
}

static const struct sdei_event_info *due_event(struct sdei_model *model, uint32_t pe,
					       enum sdei_priority priority)
{
	for (unsigned i = 0; i < SDEI_EVENTS; i++)
		if (sdei_events[i].priority == priority && is_due(model, pe, &sdei_events[i]))
			return &sdei_events[i];
	return NULL;
}

const struct sdei_handler *sdei_next(struct sdei_model *model, uint32_t pe,
				     struct sdei_context **ret_context)
{
	const struct sdei_event_info *info = due_event(model, pe, SDEI_CRITICAL);
	struct sdei_context *context;
	struct sdei_handler *handler;

	if (!info)
		info = due_event(model, pe, SDEI_NORMAL);
	if (!info)
		return NULL;
	handler = sdei_handler(model, pe, info);
	handler->pending = false;
	context = &model->pes[pe].contexts[info->priority];
	*context = (struct sdei_context){ .used = true, .event = info->number };
	*ret_context = context;
	return handler;
}

int64_t sdei_complete(struct sdei_model *model, uint32_t pe, bool resume, uint64_t address,
		      struct sdei_context *ret_context, uint32_t *ret_whom)
{
	struct sdei_context *contexts = model->pes[pe].contexts;
	struct sdei_context *top =
		&contexts[contexts[SDEI_CRITICAL].used ? SDEI_CRITICAL : SDEI_NORMAL];
	const struct sdei_event_info *info = sdei_event(top->event);
	struct sdei_handler *handler = sdei_handler(model, pe, info);
	unsigned next;

	*ret_whom = SDEI_NOBODY;
	if (!top->used || (resume && !address))
		return SDEI_DENIED;
	sdei_transition(sdei_status(model, pe, info), SDEI_DO_COMPLETE, &next);
	handler->status = (uint8_t)next;
	*ret_context = *top;
	*top = (struct sdei_context){ .used = false };
	/* It may have been triggered meanwhile, and somebody else take it. */
	if (info->shared && handler->pending)
		*ret_whom = target_of(model, info, handler, pe);
	return SDEI_SUCCESS;
}

void sdei_pe_off(struct sdei_model *model, uint32_t pe)
{
	model->pes[pe] = (struct sdei_pe){ .mpidr = model->pes[pe].mpidr };
}
