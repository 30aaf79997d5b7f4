/* SPDX-License-Identifier: Apache-2.0 */
/* A guest's side of Xenstore, of grants and of a device's handshake. */
#ifndef GUEST_LIB_XEN_STORE_H
#define GUEST_LIB_XEN_STORE_H

#include <abi/xen_grant.h>
#include <abi/xen_io.h>
#include <abi/xen_store.h>

#include "lib/xen.h"

/* Maps the first frame of the grant table, and finds Xenstore's ring. */
void xen_store_init(void);
struct xen_xs_ring *xen_store_ring(void);
uint64_t xen_param(uint32_t index);

/* Lets domain 0 have the page; returns the reference. */
uint32_t xen_grant_page(const void *page, uint32_t flags);
uint16_t xen_grant_flags(uint32_t ref);
void *xen_grant_table(void);

/* A message and its answer (at most size bytes; a NUL behind it): its type, and its length. */
uint32_t xen_store_ask(uint32_t type, uint32_t tx, const void *payload, uint32_t len, char *answer,
		       uint32_t size, uint32_t *ret_len);
/* The next message that Xenstore has sent; false: there is none. */
bool xen_store_take(struct xen_xsd_sockmsg *header, char *payload, uint32_t size);
void xen_store_put(const void *bytes, uint32_t len);

/* "OK", a value, or an error's name; both as text. */
const char *xen_store_read(const char *path);
const char *xen_store_write(const char *path, const char *text);
void xen_store_write_number(const char *dir, const char *leaf, uint64_t value);
uint64_t xen_store_number(const char *dir, const char *leaf);
/* Says so when they differ, and counts it. */
void xen_expect_text(const char *what, const char *got, const char *wanted);

#endif
