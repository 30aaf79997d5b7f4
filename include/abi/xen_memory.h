/* SPDX-License-Identifier: Apache-2.0 */
/* Xen's memory_op (xen/include/public/memory.h), in both widths. */
#ifndef ABI_XEN_MEMORY_H
#define ABI_XEN_MEMORY_H

#include <abi/abi.h>

enum xen_memop {
	XENMEM_increase_reservation = 0,
	XENMEM_decrease_reservation = 1,
	XENMEM_maximum_ram_page = 2,
	XENMEM_current_reservation = 3,
	XENMEM_maximum_reservation = 4,
	XENMEM_populate_physmap = 6,
	XENMEM_add_to_physmap = 7,
	XENMEM_memory_map = 9,
	XENMEM_exchange = 11,
	XENMEM_maximum_gpfn = 14,
	XENMEM_remove_from_physmap = 15,
	XENMEM_add_to_physmap_batch = 23,
};
#define XEN_MEMOP_CMD_MASK     0x3fu
#define XEN_MEMOP_EXTENT_SHIFT 6u

enum xen_mapspace {
	XENMAPSPACE_shared_info = 0,
	XENMAPSPACE_grant_table = 1,
	XENMAPSPACE_gmfn = 2,
	XENMAPSPACE_gmfn_range = 3,
	XENMAPSPACE_gmfn_foreign = 4,
	XENMAPSPACE_dev_mmio = 5,
};
#define XENMAPIDX_grant_table_status 0x80000000u

struct xen_add_to_physmap_64 {
	uint16_t domid;
	uint16_t size;
	uint32_t space;
	uint64_t idx, gpfn;
};
ABI_SIZE(struct xen_add_to_physmap_64, 24);

struct xen_add_to_physmap_32 {
	uint16_t domid;
	uint16_t size;
	uint32_t space;
	uint32_t idx, gpfn;
};
ABI_SIZE(struct xen_add_to_physmap_32, 16);

struct xen_add_to_physmap_batch_64 {
	uint16_t domid, space, size, extra;
	uint64_t idxs, gpfns, errs;
};
ABI_SIZE(struct xen_add_to_physmap_batch_64, 32);

struct xen_add_to_physmap_batch_32 {
	uint16_t domid, space, size, extra;
	uint32_t idxs, gpfns, errs;
};
ABI_SIZE(struct xen_add_to_physmap_batch_32, 20);

struct xen_remove_from_physmap_64 {
	uint16_t domid;
	uint16_t pad[3];
	uint64_t gpfn;
};
ABI_SIZE(struct xen_remove_from_physmap_64, 16);

struct xen_remove_from_physmap_32 {
	uint16_t domid;
	uint16_t pad;
	uint32_t gpfn;
};
ABI_SIZE(struct xen_remove_from_physmap_32, 8);

struct xen_memory_reservation_64 {
	uint64_t extent_start, nr_extents;
	uint32_t extent_order, mem_flags;
	uint16_t domid;
	uint16_t pad[3];
};
ABI_SIZE(struct xen_memory_reservation_64, 32);

struct xen_memory_reservation_32 {
	uint32_t extent_start, nr_extents;
	uint32_t extent_order, mem_flags;
	uint16_t domid;
	uint16_t pad;
};
ABI_SIZE(struct xen_memory_reservation_32, 20);

struct xen_memory_map_64 {
	uint32_t nr_entries;
	uint32_t pad;
	uint64_t buffer;
};
ABI_SIZE(struct xen_memory_map_64, 16);

struct xen_memory_map_32 {
	uint32_t nr_entries;
	uint32_t buffer;
};
ABI_SIZE(struct xen_memory_map_32, 8);

struct xen_e820_entry {
	uint64_t addr, size;
	uint32_t type;
} __attribute__((packed));
ABI_SIZE(struct xen_e820_entry, 20);

#endif
