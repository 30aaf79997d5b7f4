/* SPDX-License-Identifier: Apache-2.0 */
/* Xenstore's messages and its ring (xen/include/public/io/xs_wire.h, docs/misc/xenstore.txt). */
#ifndef ABI_XEN_STORE_H
#define ABI_XEN_STORE_H

#include <abi/abi.h>

enum xen_xs_type {
	XS_CONTROL = 0,
	XS_DIRECTORY = 1,
	XS_READ = 2,
	XS_GET_PERMS = 3,
	XS_WATCH = 4,
	XS_UNWATCH = 5,
	XS_TRANSACTION_START = 6,
	XS_TRANSACTION_END = 7,
	XS_INTRODUCE = 8,
	XS_RELEASE = 9,
	XS_GET_DOMAIN_PATH = 10,
	XS_WRITE = 11,
	XS_MKDIR = 12,
	XS_RM = 13,
	XS_SET_PERMS = 14,
	XS_WATCH_EVENT = 15,
	XS_ERROR = 16,
	XS_IS_DOMAIN_INTRODUCED = 17,
	XS_RESUME = 18,
	XS_SET_TARGET = 19,
	XS_RESET_WATCHES = 21,
	XS_DIRECTORY_PART = 22,
};

struct xen_xsd_sockmsg {
	uint32_t type, req_id, tx_id, len;
};
ABI_SIZE(struct xen_xsd_sockmsg, 16);

#define XEN_XS_PAYLOAD_MAX 4096u
#define XEN_XS_ABS_PATH_MAX 3072u
#define XEN_XS_REL_PATH_MAX 2048u
#define XEN_XS_WATCH_PATH_MAX XEN_XS_ABS_PATH_MAX

#define XEN_XS_RING_SIZE 1024u

struct xen_xs_ring {
	uint8_t req[XEN_XS_RING_SIZE];
	uint8_t rsp[XEN_XS_RING_SIZE];
	uint32_t req_cons, req_prod;
	uint32_t rsp_cons, rsp_prod;
	uint32_t server_features;
	uint32_t connection;
	uint32_t error;
};
ABI_SIZE(struct xen_xs_ring, 2076);
ABI_OFFSET(struct xen_xs_ring, req_cons, 2048);
ABI_OFFSET(struct xen_xs_ring, error, 2072);

#define XEN_XS_FEATURE_ERROR   (1u << 1)
#define XEN_XS_ERROR_NONE      0u
#define XEN_XS_ERROR_RINGIDX   2u
#define XEN_XS_ERROR_PROTO     3u

#endif
