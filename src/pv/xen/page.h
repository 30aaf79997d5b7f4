/* SPDX-License-Identifier: Apache-2.0 */
/* A page that Xen has and the guest maps: where it is not mapped it has content all the same. */
#ifndef PV_XEN_PAGE_H
#define PV_XEN_PAGE_H

#include <stdint.h>

/* Everything under xen.lock. The guest's memory may go: where a page is, is looked up at each use. */
struct xen_page {
	uint64_t gfn; /* XEN_NO_GFN: not mapped */
	uint8_t *own; /* a page of ferry's, for then */
};

#endif
