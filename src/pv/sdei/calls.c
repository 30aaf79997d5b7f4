/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of SDEI, with their errors in the order in which they are looked for (DEN0054 5.1).
 */
#include "pv/sdei/model.h"

/* Interrupts 0 to 15 are SGIs, which cannot be bound; up to 31 they are private: GICv3 2.2. */
#define SGIS	     16
#define FIRST_SHARED 32

struct caller {
	struct sdei_model *model;
	uint32_t pe;
	const uint64_t *args;
	uint32_t whom;
};

static bool is_mpidr(const struct sdei_model *model, uint64_t mpidr, uint32_t *ret_pe)
{
	for (uint32_t i = 0; i < model->pe_count; i++)
		if (model->pes[i].mpidr == mpidr) {
			*ret_pe = i;
			return true;
		}
	return false;
}

/* 5.1.2: RM_ANY, or RM_PE with the address of one. */
static bool is_routing(const struct sdei_model *model, uint64_t flags, uint64_t mpidr)
{
	uint32_t pe;

	return !(flags & ~(uint64_t)SDEI_REGISTER_RM_PE) && (!flags || is_mpidr(model, mpidr, &pe));
}

/* One operation of the state table on the event's handler. */
static int64_t operate(struct caller *caller, const struct sdei_event_info *info,
		       enum sdei_operation operation)
{
	struct sdei_handler *handler = sdei_handler(caller->model, caller->pe, info);
	unsigned next;
	int64_t result =
		sdei_transition(sdei_status(caller->model, caller->pe, info), operation, &next);

	handler->status = (uint8_t)(next & ~(unsigned)SDEI_STATUS_RUNNING);
	if (!handler->status)
		*handler = (struct sdei_handler){ .status = 0 };
	if (info->shared)
		caller->whom = SDEI_EVERYONE;
	return result;
}

static int64_t version(struct caller *caller)
{
	(void)caller;
	return (int64_t)SDEI_VERSION_1_0;
}

static bool is_unbound(struct caller *caller, const struct sdei_event_info *info)
{
	return info->dynamic && !*sdei_slot(caller->model, info);
}

static int64_t event_register(struct caller *caller)
{
	const uint64_t *args = caller->args; /* event, entry, argument, flags, affinity */
	const struct sdei_event_info *info = sdei_event(args[0]);
	struct sdei_handler *handler;
	int64_t result;

	if (!args[1] || !is_routing(caller->model, args[3], args[4]) || !info)
		return SDEI_INVALID_PARAMETERS;
	if (is_unbound(caller, info))
		return SDEI_DENIED;
	result = operate(caller, info, SDEI_DO_REGISTER);
	if (result != SDEI_SUCCESS)
		return result;
	handler = sdei_handler(caller->model, caller->pe, info);
	handler->entry = args[1];
	handler->arg = args[2];
	handler->flags = info->shared ? args[3] : 0;
	handler->affinity = handler->flags ? args[4] : 0;
	return SDEI_SUCCESS;
}

static int64_t operate_on(struct caller *caller, enum sdei_operation operation)
{
	const struct sdei_event_info *info = sdei_event(caller->args[0]);

	return info ? operate(caller, info, operation) : SDEI_INVALID_PARAMETERS;
}

static int64_t event_enable(struct caller *caller)
{
	return operate_on(caller, SDEI_DO_ENABLE);
}

static int64_t event_disable(struct caller *caller)
{
	return operate_on(caller, SDEI_DO_DISABLE);
}

static int64_t event_unregister(struct caller *caller)
{
	return operate_on(caller, SDEI_DO_UNREGISTER);
}

static int64_t event_context(struct caller *caller)
{
	const struct sdei_context *contexts = caller->model->pes[caller->pe].contexts;
	uint64_t n = caller->args[0];

	if (n >= SDEI_CONTEXT_REGISTERS)
		return SDEI_INVALID_PARAMETERS;
	if (contexts[SDEI_CRITICAL].used)
		return (int64_t)contexts[SDEI_CRITICAL].x[n];
	return contexts[SDEI_NORMAL].used ? (int64_t)contexts[SDEI_NORMAL].x[n] : SDEI_DENIED;
}

static int64_t event_status(struct caller *caller)
{
	const struct sdei_event_info *info = sdei_event(caller->args[0]);

	return info ? (int64_t)sdei_status(caller->model, caller->pe, info) :
		      SDEI_INVALID_PARAMETERS;
}

static int64_t routing_info(struct caller *caller, const struct sdei_event_info *info)
{
	const struct sdei_handler *handler = sdei_handler(caller->model, caller->pe, info);
	bool is_pe = handler->flags & SDEI_REGISTER_RM_PE;

	if (!info->shared)
		return SDEI_INVALID_PARAMETERS;
	if (!(handler->status & SDEI_STATUS_REGISTERED))
		return SDEI_DENIED;
	if (caller->args[1] == SDEI_INFO_ROUTING_MODE)
		return is_pe;
	return is_pe ? (int64_t)handler->affinity : SDEI_INVALID_PARAMETERS;
}

static int64_t event_get_info(struct caller *caller)
{
	const struct sdei_event_info *info = sdei_event(caller->args[0]);

	if (!info)
		return SDEI_INVALID_PARAMETERS;
	switch (caller->args[1]) {
	case SDEI_INFO_TYPE:
		return info->shared;
	case SDEI_INFO_SIGNALED:
		return info->number == SDEI_EVENT_SOFTWARE;
	case SDEI_INFO_PRIORITY:
		return info->priority;
	case SDEI_INFO_ROUTING_MODE:
	case SDEI_INFO_ROUTING_AFF:
		return routing_info(caller, info);
	default:
		return SDEI_INVALID_PARAMETERS;
	}
}

static int64_t event_routing_set(struct caller *caller)
{
	const uint64_t *args = caller->args; /* event, flags, affinity */
	const struct sdei_event_info *info = sdei_event(args[0]);
	struct sdei_handler *handler;
	int64_t result;

	if (!is_routing(caller->model, args[1], args[2]) || !info || !info->shared ||
	    is_unbound(caller, info))
		return SDEI_INVALID_PARAMETERS;
	result = operate(caller, info, SDEI_DO_ROUTING);
	if (result != SDEI_SUCCESS)
		return result;
	handler = sdei_handler(caller->model, caller->pe, info);
	handler->flags = args[1];
	handler->affinity = args[1] ? args[2] : 0;
	return SDEI_SUCCESS;
}

/* 5.1.12: whether it was unmasked before. */
static int64_t pe_mask(struct caller *caller)
{
	struct sdei_pe *pe = &caller->model->pes[caller->pe];
	bool was = pe->unmasked;

	pe->unmasked = false;
	return was;
}

static int64_t pe_unmask(struct caller *caller)
{
	caller->model->pes[caller->pe].unmasked = true;
	return SDEI_SUCCESS;
}

/* 5.1.14: who binds it again gets the same event; private slots there are none. */
static int64_t interrupt_bind(struct caller *caller)
{
	uint64_t interrupt = caller->args[0];
	const struct sdei_event_info *info;

	if (interrupt < SGIS || interrupt >= caller->model->interrupts)
		return SDEI_INVALID_PARAMETERS;
	if (interrupt < FIRST_SHARED)
		return SDEI_OUT_OF_RESOURCE;
	info = sdei_bound(caller->model, (uint32_t)interrupt);
	if (!info)
		info = sdei_bound(caller->model, 0);
	if (!info)
		return SDEI_OUT_OF_RESOURCE;
	*sdei_slot(caller->model, info) = (uint32_t)interrupt;
	return info->number;
}

/* 5.1.15 */
static int64_t interrupt_release(struct caller *caller)
{
	const struct sdei_event_info *info = sdei_event(caller->args[0]);

	if (!info || !info->dynamic || is_unbound(caller, info))
		return SDEI_INVALID_PARAMETERS;
	if (sdei_status(caller->model, caller->pe, info))
		return SDEI_DENIED;
	*sdei_slot(caller->model, info) = 0;
	return SDEI_SUCCESS;
}

static int64_t event_signal(struct caller *caller)
{
	const struct sdei_event_info *info = sdei_event(SDEI_EVENT_SOFTWARE);
	uint32_t target;

	if (caller->args[0] != SDEI_EVENT_SOFTWARE ||
	    !is_mpidr(caller->model, caller->args[1], &target) ||
	    !sdei_trigger(caller->model, info, target, &caller->whom))
		return SDEI_INVALID_PARAMETERS;
	return SDEI_SUCCESS;
}

static int64_t features(struct caller *caller)
{
	/* 5.1.17: private slots in the lower half, shared ones in the upper. */
	return caller->args[0] == SDEI_FEATURE_BIND_SLOTS ? SDEI_SLOTS << 16 :
							    SDEI_INVALID_PARAMETERS;
}

/* 5.1.18, 5.1.19: all are unregistered; what runs shows in the result. */
static int64_t reset(struct caller *caller, bool shared)
{
	int64_t result = SDEI_SUCCESS;

	for (unsigned i = 0; i < SDEI_EVENTS; i++)
		if (sdei_events[i].shared == shared &&
		    operate(caller, &sdei_events[i], SDEI_DO_UNREGISTER) == SDEI_PENDING)
			result = SDEI_DENIED;
	return result;
}

static int64_t private_reset(struct caller *caller)
{
	return reset(caller, false);
}

/* Bindings go as well, unless a handler still runs. */
static int64_t shared_reset(struct caller *caller)
{
	int64_t result = reset(caller, true);

	for (unsigned i = 0; i < SDEI_SLOTS && result == SDEI_SUCCESS; i++)
		caller->model->slots[i] = 0;
	return result;
}

/* By function - SDEI_FUNCTIONS; the two that complete are not here, since they do not return. */
static const struct function {
	int64_t (*call)(struct caller *caller);
	unsigned args;
} functions[SDEI_FUNCTION_COUNT] = {
	[SDEI_VERSION - SDEI_FUNCTIONS] = { version, 0 },
	[SDEI_EVENT_REGISTER - SDEI_FUNCTIONS] = { event_register, 5 },
	[SDEI_EVENT_ENABLE - SDEI_FUNCTIONS] = { event_enable, 1 },
	[SDEI_EVENT_DISABLE - SDEI_FUNCTIONS] = { event_disable, 1 },
	[SDEI_EVENT_CONTEXT - SDEI_FUNCTIONS] = { event_context, 1 },
	[SDEI_EVENT_COMPLETE - SDEI_FUNCTIONS] = { NULL, 0 },
	[SDEI_EVENT_COMPLETE_AND_RESUME - SDEI_FUNCTIONS] = { NULL, 1 },
	[SDEI_EVENT_UNREGISTER - SDEI_FUNCTIONS] = { event_unregister, 1 },
	[SDEI_EVENT_STATUS - SDEI_FUNCTIONS] = { event_status, 1 },
	[SDEI_EVENT_GET_INFO - SDEI_FUNCTIONS] = { event_get_info, 2 },
	[SDEI_EVENT_ROUTING_SET - SDEI_FUNCTIONS] = { event_routing_set, 3 },
	[SDEI_PE_MASK - SDEI_FUNCTIONS] = { pe_mask, 0 },
	[SDEI_PE_UNMASK - SDEI_FUNCTIONS] = { pe_unmask, 0 },
	[SDEI_INTERRUPT_BIND - SDEI_FUNCTIONS] = { interrupt_bind, 1 },
	[SDEI_INTERRUPT_RELEASE - SDEI_FUNCTIONS] = { interrupt_release, 1 },
	[SDEI_EVENT_SIGNAL - SDEI_FUNCTIONS] = { event_signal, 2 },
	[SDEI_FEATURES - SDEI_FUNCTIONS] = { features, 1 },
	[SDEI_PRIVATE_RESET - SDEI_FUNCTIONS] = { private_reset, 0 },
	[SDEI_SHARED_RESET - SDEI_FUNCTIONS] = { shared_reset, 0 },
};

unsigned sdei_call_args(uint32_t function)
{
	uint32_t i = function - SDEI_FUNCTIONS;

	return i < SDEI_FUNCTION_COUNT ? functions[i].args : 0;
}

int64_t sdei_call(struct sdei_model *model, uint32_t pe, const struct sdei_call *call,
		  uint32_t *ret_whom)
{
	struct caller caller = { model, pe, call->args, SDEI_NOBODY };
	uint32_t i = call->function - SDEI_FUNCTIONS;
	int64_t result = SDEI_NOT_SUPPORTED;

	if (i < SDEI_FUNCTION_COUNT && functions[i].call)
		result = functions[i].call(&caller);
	*ret_whom = caller.whom;
	return result;
}
