/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatcher's state and its calls, without a CPU: who has registered what, what runs where, and
 * what is delivered next. All of it is under one lock, the caller's (struct sdei).
 *
 * Where implementations of DEN0054 disagree, this one is thus:
 *   EVENT_SIGNAL      of an event that the target has registered, but disabled or masked, is latched
 *                     and delivered once it can be; what it has not registered is refused
 *   EVENT_GET_INFO    says that event 0 can be signalled
 *   EVENT_REGISTER    refuses flags that 1.0 does not know
 *   PE_MASK           tells by its result whether it changed anything
 *   COMPLETE_AND_RESUME goes on with the PSTATE of an exception, flags included
 *   INTERRUPT_BIND    takes shared interrupts, which are devices' of ferry; private ones are KVM's, and
 *                     there is no slot for them. What comes before EVENT_REGISTER is lost.
 *   PSCI CPU_OFF      clears the PE's private events and contexts, also in a handler, and masks it
 */
#ifndef PV_SDEI_MODEL_H
#define PV_SDEI_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <abi/sdei.h>

enum sdei_priority {
	SDEI_NORMAL,
	SDEI_CRITICAL,
	SDEI_PRIORITIES,
};

/* What may be registered. Which events there are is not discoverable, but told out of band. */
struct sdei_event_info {
	uint32_t number;
	bool shared;
	enum sdei_priority priority;
	bool dynamic; /* it is an interrupt's, once one is bound to it */
};

#define SDEI_SLOTS  4 /* dynamic ones: the last */
#define SDEI_EVENTS (5 + SDEI_SLOTS)
extern const struct sdei_event_info sdei_events[SDEI_EVENTS];

/* DEN0054 6.1, table 13: bits as EVENT_STATUS has them; RUNNING is kept apart. */
struct sdei_handler {
	uint8_t status;
	bool pending; /* triggered, and not delivered yet: one deep (5.1.16.1) */
	uint64_t entry, arg;
	uint64_t flags, affinity; /* of a shared event */
};

/* An interrupted context, and whose handler runs in its place. */
struct sdei_context {
	bool used;
	uint32_t event;
	uint64_t pc, pstate;
	uint64_t entry_pstate; /* with which the handler was entered */
	uint64_t x[SDEI_CONTEXT_REGISTERS];
};

struct sdei_pe {
	uint64_t mpidr; /* its affinity; fixed */
	bool unmasked;
	struct sdei_handler handlers[SDEI_EVENTS]; /* of private events */
	struct sdei_context contexts[SDEI_PRIORITIES];
};

struct sdei_model {
	struct sdei_pe *pes;
	uint32_t pe_count;
	struct sdei_handler shared[SDEI_EVENTS]; /* of shared events */
	uint32_t interrupts; /* INTIDs below it exist */
	uint32_t slots[SDEI_SLOTS]; /* the INTID that is bound; 0: none */
};

/* Whom a call or a trigger concerns: their vCPUs look for what can be delivered now. */
#define SDEI_NOBODY   UINT32_MAX
#define SDEI_EVERYONE (UINT32_MAX - 1)

struct sdei_call {
	uint32_t function;
	uint64_t args[5];
};

/*
 * Every function but EVENT_COMPLETE and EVENT_COMPLETE_AND_RESUME: the value of x0. *ret_whom is a
 * PE's index, or one of the two above; the caller looks itself in any case.
 */
int64_t sdei_call(struct sdei_model *model, uint32_t pe, const struct sdei_call *call,
		  uint32_t *ret_whom);

/* How many arguments a function takes. */
unsigned sdei_call_args(uint32_t function);

/*
 * EVENT_COMPLETE, or with resume EVENT_COMPLETE_AND_RESUME: 0, and *ret_context is what was
 * interrupted; or the value of x0. *ret_whom: the event may be pending again, elsewhere.
 */
int64_t sdei_complete(struct sdei_model *model, uint32_t pe, bool resume, uint64_t address,
		      struct sdei_context *ret_context, uint32_t *ret_whom);

/*
 * The next event for the PE that can be delivered, or NULL. It counts as running from then on: the
 * caller fills in registers of *ret_context, which is the model's.
 */
const struct sdei_handler *sdei_next(struct sdei_model *model, uint32_t pe,
				     struct sdei_context **ret_context);

/*
 * The platform triggers an event, a private one on that PE. False: nobody has registered it, and it
 * is lost.
 */
bool sdei_trigger(struct sdei_model *model, const struct sdei_event_info *info, uint32_t pe,
		  uint32_t *ret_whom);

/* PSCI CPU_OFF. */
void sdei_pe_off(struct sdei_model *model, uint32_t pe);

const struct sdei_event_info *sdei_event(uint64_t number);
/* The slot of a dynamic event; and the event that an interrupt is bound to, NULL: none. */
uint32_t *sdei_slot(struct sdei_model *model, const struct sdei_event_info *info);
const struct sdei_event_info *sdei_bound(const struct sdei_model *model, uint32_t interrupt);
struct sdei_handler *sdei_handler(struct sdei_model *model, uint32_t pe,
				  const struct sdei_event_info *info);
/* EVENT_STATUS, which is the row of the state table. */
unsigned sdei_status(const struct sdei_model *model, uint32_t pe, const struct sdei_event_info *info);

/* states.c */
enum sdei_operation {
	SDEI_DO_REGISTER,
	SDEI_DO_ENABLE,
	SDEI_DO_DISABLE,
	SDEI_DO_UNREGISTER,
	SDEI_DO_ROUTING,
	SDEI_DO_COMPLETE,
	SDEI_DO_DISPATCH,
	SDEI_OPERATIONS,
};

/* What comes of an operation in a state: the result, and the state afterwards. */
int64_t sdei_transition(unsigned status, enum sdei_operation operation, unsigned *ret_status);

#endif
