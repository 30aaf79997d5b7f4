/* SPDX-License-Identifier: Apache-2.0 */
/* The domain's registers: their ids, and those of event channels. */
#ifndef PV_XEN_BANK_H
#define PV_XEN_BANK_H

#include <stdint.h>

#include "reg/reg_file.h"

struct xen;

/* field of the ids; the numbers are KVM_XEN_ATTR_TYPE_*, HVM_PARAM_*, ports, and slots. */
enum xen_field {
	FIELD_ATTR = 0,
	FIELD_PARAM = 1,
	FIELD_OPEN = 2,	   /* one: a bit for each port that is open; the others are closed by it */
	FIELD_FIFO = 3,	   /* one: 0, or 1 + the pages of the event array */
	FIELD_ARRAY = 4,   /* their gfns */
	FIELD_CHANNEL = 5, /* struct channel */
	FIELD_CONTENT = 6, /* one: shared_info's page while it is mapped nowhere */
	FIELD_PAGE = 7,	   /* one: gpa of the hypercall page */
	FIELD_STUB = 8,	   /* gpas of inline hypercalls */
	FIELD_WATCHDOG = 9, /* ns that are left; 0: off; 1 is the least */
	FIELD_PIRQ = 10,   /* enum xen_pirq_kind, and the GSI << 8; where they are offered */
};

#define XEN_REG(field, size, number) REG_ID(REG_BANK_XEN, field, size, number)

/* For a list that is under way: r is what came before, and comes back. */
static inline int xen_reg_add(struct reg_list *out, int r, uint64_t id)
{
	return r < 0 ? r : reg_list_add(out, REG_VM, id, 0);
}

/* ports_bank.c: FIELD_OPEN, FIFO, ARRAY and CHANNEL, of the right size. As a bank's, with the lock. */
int xen_ports_list(struct xen *xen, struct reg_list *out, int r);
int xen_ports_get(struct xen *xen, struct reg_key key, void *val);
int xen_ports_set(struct xen *xen, struct reg_key key, const void *val);

#endif
