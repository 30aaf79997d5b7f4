/* SPDX-License-Identifier: Apache-2.0 */
/* The two pages and ports that every Xen guest has from the beginning: Xenstore's, and the console's. */
#ifndef PV_XEN_STORE_PORT_H
#define PV_XEN_STORE_PORT_H

#include <stdbool.h>

#include "pv/xen/store.h"

struct xen;

/* The store is under xen.lock. */
struct store *xen_store_of(struct xen *xen);

/* The pages, the ports, and what a guest finds in a new store. */
int xen_special_pages_init(struct xen *xen);
void xen_special_pages_finish(struct xen *xen);

/* With the lock held, these. A port is another one now, or its record has come from elsewhere. */
void xen_special_ports_bind(struct xen *xen);
/* The guest begins anew: its ports are gone. */
void xen_special_pages_reset(struct xen *xen);

/* console.c. The guest has notified; or there is more room on the other side. Any thread. */
void xen_console_kick(struct xen *xen);
void xen_console_init(struct xen *xen);
void xen_console_finish(struct xen *xen);

int xen_store_bank_add(struct xen *xen);

#endif
