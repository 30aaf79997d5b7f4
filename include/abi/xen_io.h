/* SPDX-License-Identifier: Apache-2.0 */
/* Xen's paravirtual devices: states of the handshake, rings, console, block, network (public/io). */
#ifndef ABI_XEN_IO_H
#define ABI_XEN_IO_H

#include <abi/abi.h>

/* public/io/xenbus.h */
enum xen_bus_state {
	XENBUS_UNKNOWN = 0,
	XENBUS_INITIALISING = 1,
	XENBUS_INIT_WAIT = 2,
	XENBUS_INITIALISED = 3,
	XENBUS_CONNECTED = 4,
	XENBUS_CLOSING = 5,
	XENBUS_CLOSED = 6,
};

/* public/io/console.h */
#define XEN_CONSOLE_IN	1024u
#define XEN_CONSOLE_OUT 2048u
struct xen_console_ring {
	uint8_t in[XEN_CONSOLE_IN];
	uint8_t out[XEN_CONSOLE_OUT];
	uint32_t in_cons, in_prod;
	uint32_t out_cons, out_prod;
};
ABI_SIZE(struct xen_console_ring, 3088);
ABI_OFFSET(struct xen_console_ring, in_cons, 3072);

/* public/io/ring.h: what stands in front of the entries. */
struct xen_ring {
	uint32_t req_prod, req_event;
	uint32_t rsp_prod, rsp_event;
	uint8_t pad[48];
};
ABI_SIZE(struct xen_ring, 64);

/* public/io/blkif.h */
enum xen_blkif_op {
	BLKIF_OP_READ = 0,
	BLKIF_OP_WRITE = 1,
	BLKIF_OP_WRITE_BARRIER = 2,
	BLKIF_OP_FLUSH_DISKCACHE = 3,
	BLKIF_OP_DISCARD = 5,
	BLKIF_OP_INDIRECT = 6,
};
#define BLKIF_RSP_OKAY	     0
#define BLKIF_RSP_ERROR	     (-1)
#define BLKIF_RSP_EOPNOTSUPP (-2)

#define BLKIF_SECTOR	       512u
#define BLKIF_SEGMENTS	       11u
#define BLKIF_INDIRECT_PAGES   8u
#define BLKIF_SEGMENTS_A_PAGE  512u
#define BLKIF_VDISK_CDROM      1u
#define BLKIF_VDISK_READONLY   4u

struct xen_blkif_segment {
	uint32_t gref;
	uint8_t first_sect, last_sect;
	uint16_t pad;
};
ABI_SIZE(struct xen_blkif_segment, 8);

/* Of a 64-bit guest; a 32-bit one's 64-bit members are aligned to 4 bytes. */
struct xen_blkif_request_64 {
	uint8_t operation, nr_segments;
	uint16_t handle;
	uint32_t pad;
	uint64_t id, sector_number;
	struct xen_blkif_segment seg[BLKIF_SEGMENTS];
};
ABI_SIZE(struct xen_blkif_request_64, 112);
ABI_OFFSET(struct xen_blkif_request_64, seg, 24);

struct xen_blkif_indirect_64 {
	uint8_t operation, indirect_op;
	uint16_t nr_segments;
	uint32_t pad0;
	uint64_t id, sector_number;
	uint16_t handle, pad1;
	uint32_t indirect_grefs[BLKIF_INDIRECT_PAGES];
	uint32_t pad2;
};
ABI_SIZE(struct xen_blkif_indirect_64, 64);
ABI_OFFSET(struct xen_blkif_indirect_64, indirect_grefs, 28);

struct xen_blkif_discard_64 {
	uint8_t operation, flag;
	uint16_t handle;
	uint32_t pad;
	uint64_t id, sector_number, nr_sectors;
};
ABI_SIZE(struct xen_blkif_discard_64, 32);

struct xen_blkif_request_32 {
	uint8_t operation, nr_segments;
	uint16_t handle;
	uint64_t id, sector_number;
	struct xen_blkif_segment seg[BLKIF_SEGMENTS];
} __attribute__((packed, aligned(4)));
ABI_SIZE(struct xen_blkif_request_32, 108);

struct xen_blkif_indirect_32 {
	uint8_t operation, indirect_op;
	uint16_t nr_segments;
	uint64_t id, sector_number;
	uint16_t handle, pad;
	uint32_t indirect_grefs[BLKIF_INDIRECT_PAGES];
} __attribute__((packed, aligned(4)));
ABI_SIZE(struct xen_blkif_indirect_32, 56);
ABI_OFFSET(struct xen_blkif_indirect_32, indirect_grefs, 24);

struct xen_blkif_discard_32 {
	uint8_t operation, flag;
	uint16_t handle;
	uint64_t id, sector_number, nr_sectors;
} __attribute__((packed, aligned(4)));
ABI_SIZE(struct xen_blkif_discard_32, 28);

struct xen_blkif_response_64 {
	uint64_t id;
	uint8_t operation, pad0;
	int16_t status;
	uint32_t pad1;
};
ABI_SIZE(struct xen_blkif_response_64, 16);

struct xen_blkif_response_32 {
	uint64_t id;
	uint8_t operation, pad;
	int16_t status;
} __attribute__((packed, aligned(4)));
ABI_SIZE(struct xen_blkif_response_32, 12);

/* public/io/netif.h */
#define NETTXF_csum_blank     (1u << 0)
#define NETTXF_data_validated (1u << 1)
#define NETTXF_more_data      (1u << 2)
#define NETTXF_extra_info     (1u << 3)
#define NETRXF_data_validated (1u << 0)
#define NETRXF_csum_blank     (1u << 1)
#define NETRXF_more_data      (1u << 2)
#define NETRXF_extra_info     (1u << 3)

#define NETIF_RSP_DROPPED (-2)
#define NETIF_RSP_ERROR	  (-1)
#define NETIF_RSP_OKAY	  0
#define NETIF_RSP_NULL	  1

struct xen_netif_tx_request {
	uint32_t gref;
	uint16_t offset, flags;
	uint16_t id, size; /* of the first: the whole packet's */
};
ABI_SIZE(struct xen_netif_tx_request, 12);

struct xen_netif_tx_response {
	uint16_t id;
	int16_t status;
};
ABI_SIZE(struct xen_netif_tx_response, 4);

struct xen_netif_rx_request {
	uint16_t id, pad;
	uint32_t gref;
};
ABI_SIZE(struct xen_netif_rx_request, 8);

struct xen_netif_rx_response {
	uint16_t id, offset, flags;
	int16_t status; /* bytes, or an error */
};
ABI_SIZE(struct xen_netif_rx_response, 8);

#define XEN_NETIF_EXTRA_TYPE_GSO 1u
#define XEN_NETIF_EXTRA_FLAG_MORE 1u
#define XEN_NETIF_GSO_TYPE_TCPV4 1u
#define XEN_NETIF_GSO_TYPE_TCPV6 2u

struct xen_netif_extra_info {
	uint8_t type, flags;
	uint16_t gso_size;
	uint8_t gso_type, pad;
	uint16_t gso_features;
};
ABI_SIZE(struct xen_netif_extra_info, 8);

#endif
