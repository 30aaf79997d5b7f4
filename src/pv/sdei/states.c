/* SPDX-License-Identifier: Apache-2.0 */
/* The handler's state machine (DEN0054 6.1). */
#include "pv/sdei/model.h"

#define REG SDEI_STATUS_REGISTERED
#define ENA SDEI_STATUS_ENABLED
#define RUN SDEI_STATUS_RUNNING

/* A cell: the state afterwards, and 0, or what the caller is told. */
struct cell {
	uint8_t next;
	int8_t result;
};

#define TO(state)   { (state), SDEI_SUCCESS }
#define DENY(state) { (state), SDEI_DENIED }
#define PEND(state) { (state), SDEI_PENDING }
#define NO_STATE    DENY(0), DENY(0), DENY(0), DENY(0), DENY(0), DENY(0), DENY(0)

/*
 * DEN0054 6.1.2, table 13; columns as in enum sdei_operation. Unregistering is done at once, and
 * forbids to register again until the handler has completed: that is the state RUN alone.
 */
static const struct cell table[8][SDEI_OPERATIONS] = {
	/* REGISTER, ENABLE, DISABLE, UNREGISTER, ROUTING_SET, COMPLETE, dispatch */
	[0] = { TO(REG), DENY(0), DENY(0), DENY(0), DENY(0), DENY(0), DENY(0) },
	[REG] = { DENY(REG), TO(REG | ENA), TO(REG), TO(0), TO(REG), DENY(REG), DENY(REG) },
	[ENA] = { NO_STATE },
	[REG | ENA] = { DENY(REG | ENA), TO(REG | ENA), TO(REG), TO(0), DENY(REG | ENA),
			DENY(REG | ENA), TO(REG | ENA | RUN) },
	[RUN] = { DENY(RUN), DENY(RUN), DENY(RUN), PEND(RUN), DENY(RUN), TO(0), DENY(RUN) },
	[REG | RUN] = { DENY(REG | RUN), TO(REG | ENA | RUN), TO(REG | RUN), PEND(RUN),
			DENY(REG | RUN), TO(REG), DENY(REG | RUN) },
	[ENA | RUN] = { NO_STATE },
	[REG | ENA | RUN] = { DENY(REG | ENA | RUN), TO(REG | ENA | RUN), TO(REG | RUN), PEND(RUN),
			      DENY(REG | ENA | RUN), TO(REG | ENA), DENY(REG | ENA | RUN) },
};

int64_t sdei_transition(unsigned status, enum sdei_operation operation, unsigned *ret_status)
{
	const struct cell *cell = &table[status & 7][operation];

	*ret_status = cell->next;
	return cell->result;
}
