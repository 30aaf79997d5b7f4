/* SPDX-License-Identifier: Apache-2.0 */
/* Hypercalls of a guest program that sees Xen, in both widths, and what it expects of them. */
#ifndef GUEST_LIB_XEN_H
#define GUEST_LIB_XEN_H

#include <abi/xen.h>
#include <abi/xen_evtchn.h>
#include <abi/xen_hvm.h>
#include <abi/xen_memory.h>
#include <abi/xen_vcpu.h>

#include "lib/guest.h"

/* Finds Xen by CPUID and makes the hypercall page. False: there is none. */
bool xen_init(void);
/* What CPUID says: major << 16 | minor, and this CPU's number. */
uint32_t xen_version(void);
uint32_t xen_vcpu_id(void);

int64_t xen_call(uint64_t op, uint64_t a, uint64_t b, uint64_t c);
/* The same from 32-bit code. */
int32_t xen_call_32(uint32_t op, uint32_t a, uint32_t b, uint32_t c);

/* Says "not ok WHAT: GOT, not WANTED" when they differ, and counts it. */
void xen_expect(const char *what, int64_t got, int64_t wanted);
/* "ok", or how many expectations failed. */
void xen_verdict(void);

/* shared_info, one page of the program's own, where xen_map_shared_info() puts it. */
extern uint8_t xen_shared[4096];
int64_t xen_map_shared_info(void *page);
int64_t xen_register_vcpu_info(uint32_t vcpu, void *info);

int64_t xen_evtchn(uint32_t op, void *arg);
uint32_t xen_bind_ipi(uint32_t vcpu);
int64_t xen_send(uint32_t port);

static inline struct xen_shared_info_64 *xen_info_64(void)
{
	return (struct xen_shared_info_64 *)xen_shared;
}

#endif
