/* SPDX-License-Identifier: Apache-2.0 */
/* Xen's grant tables (xen/include/public/grant_table.h), in both versions and both widths. */
#ifndef ABI_XEN_GRANT_H
#define ABI_XEN_GRANT_H

#include <abi/abi.h>

enum xen_gnttabop {
	GNTTABOP_map_grant_ref = 0,
	GNTTABOP_unmap_grant_ref = 1,
	GNTTABOP_setup_table = 2,
	GNTTABOP_dump_table = 3,
	GNTTABOP_transfer = 4,
	GNTTABOP_copy = 5,
	GNTTABOP_query_size = 6,
	GNTTABOP_unmap_and_replace = 7,
	GNTTABOP_set_version = 8,
	GNTTABOP_get_status_frames = 9,
	GNTTABOP_get_version = 10,
	GNTTABOP_swap_grant_ref = 11,
	GNTTABOP_cache_flush = 12,
};

enum xen_gntst {
	GNTST_okay = 0,
	GNTST_general_error = -1,
	GNTST_bad_domain = -2,
	GNTST_bad_gntref = -3,
	GNTST_bad_handle = -4,
	GNTST_bad_virt_addr = -5,
	GNTST_bad_dev_addr = -6,
	GNTST_no_device_space = -7,
	GNTST_permission_denied = -8,
	GNTST_bad_page = -9,
	GNTST_bad_copy_arg = -10,
	GNTST_address_too_big = -11,
	GNTST_eagain = -12,
	GNTST_no_space = -13,
};

/* The flags of an entry; the type is its lowest bits. */
#define GTF_invalid	    0u
#define GTF_permit_access   1u
#define GTF_accept_transfer 2u
#define GTF_transitive	    3u
#define GTF_type_mask	    3u
#define GTF_readonly	    (1u << 2)
#define GTF_reading	    (1u << 3)
#define GTF_writing	    (1u << 4)
#define GTF_sub_page	    (1u << 8)

/* These are kept when the version changes. */
#define GNTTAB_NR_RESERVED_ENTRIES 8u

struct xen_grant_entry_v1 {
	uint16_t flags, domid;
	uint32_t frame;
};
ABI_SIZE(struct xen_grant_entry_v1, 8);

/* A full page's; of a part of one; and of another domain's grant, whose number is in frame's place. */
struct xen_grant_entry_v2 {
	uint16_t flags, domid;
	uint16_t page_off, length;
	uint64_t frame;
};
ABI_SIZE(struct xen_grant_entry_v2, 16);
ABI_OFFSET(struct xen_grant_entry_v2, frame, 8);

#define GNTMAP_device_map      (1u << 0)
#define GNTMAP_host_map	       (1u << 1)
#define GNTMAP_readonly	       (1u << 2)
#define GNTMAP_application_map (1u << 3)
#define GNTMAP_contains_pte    (1u << 4)

struct xen_gnttab_swap_grant_ref {
	uint32_t ref_a, ref_b;
	int16_t status;
	uint16_t pad;
};
ABI_SIZE(struct xen_gnttab_swap_grant_ref, 12);

struct xen_gnttab_map_grant_ref {
	uint64_t host_addr;
	uint32_t flags, ref;
	uint16_t dom;
	int16_t status;
	uint32_t handle;
	uint64_t dev_bus_addr;
};
ABI_SIZE(struct xen_gnttab_map_grant_ref, 32);

struct xen_gnttab_unmap_grant_ref {
	uint64_t host_addr, dev_bus_addr;
	uint32_t handle;
	int16_t status;
	uint16_t pad;
};
ABI_SIZE(struct xen_gnttab_unmap_grant_ref, 24);

struct xen_gnttab_setup_table_64 {
	uint16_t dom, pad0;
	uint32_t nr_frames;
	int16_t status;
	uint16_t pad1[3];
	uint64_t frame_list;
};
ABI_SIZE(struct xen_gnttab_setup_table_64, 24);

struct xen_gnttab_setup_table_32 {
	uint16_t dom, pad0;
	uint32_t nr_frames;
	int16_t status;
	uint16_t pad1;
	uint32_t frame_list;
};
ABI_SIZE(struct xen_gnttab_setup_table_32, 16);

#define GNTCOPY_source_gref (1u << 0)
#define GNTCOPY_dest_gref   (1u << 1)

/* which: a reference, or a frame of the caller's own. */
struct xen_gnttab_copy_ptr_64 {
	uint64_t which;
	uint16_t domid, offset;
	uint32_t pad;
};
ABI_SIZE(struct xen_gnttab_copy_ptr_64, 16);

struct xen_gnttab_copy_64 {
	struct xen_gnttab_copy_ptr_64 source, dest;
	uint16_t len, flags;
	int16_t status;
	uint16_t pad;
};
ABI_SIZE(struct xen_gnttab_copy_64, 40);

struct xen_gnttab_copy_ptr_32 {
	uint32_t which;
	uint16_t domid, offset;
};
ABI_SIZE(struct xen_gnttab_copy_ptr_32, 8);

struct xen_gnttab_copy_32 {
	struct xen_gnttab_copy_ptr_32 source, dest;
	uint16_t len, flags;
	int16_t status;
	uint16_t pad;
};
ABI_SIZE(struct xen_gnttab_copy_32, 24);

struct xen_gnttab_query_size {
	uint16_t dom, pad0;
	uint32_t nr_frames, max_nr_frames;
	int16_t status;
	uint16_t pad1;
};
ABI_SIZE(struct xen_gnttab_query_size, 16);

struct xen_gnttab_get_status_frames_64 {
	uint32_t nr_frames;
	uint16_t dom;
	int16_t status;
	uint64_t frame_list; /* of 64-bit numbers in both widths */
};
ABI_SIZE(struct xen_gnttab_get_status_frames_64, 16);

struct xen_gnttab_get_status_frames_32 {
	uint32_t nr_frames;
	uint16_t dom;
	int16_t status;
	uint32_t frame_list;
};
ABI_SIZE(struct xen_gnttab_get_status_frames_32, 12);

struct xen_gnttab_get_version {
	uint16_t dom, pad;
	uint32_t version;
};
ABI_SIZE(struct xen_gnttab_get_version, 8);

#define GNTTAB_CACHE_CLEAN	 (1u << 0)
#define GNTTAB_CACHE_INVAL	 (1u << 1)
#define GNTTAB_CACHE_SOURCE_GREF (1u << 31)

struct xen_gnttab_cache_flush {
	uint64_t which;
	uint16_t offset, length;
	uint32_t op;
};
ABI_SIZE(struct xen_gnttab_cache_flush, 16);

#endif
