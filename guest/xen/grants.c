/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grant tables of both versions: sizes, frames, copies, maps, and what Xen answers to what cannot be. spin=1: it
 * writes a page at two addresses, for ever.
 */
#include <abi/pvh.h>

#include "lib/cmdline.h"
#include "lib/xen.h"

#include <abi/xen_grant.h>

#define NOWHERE 0x7ffff0000000ULL
#define US 1 /* the guest's own number */
#define HOLE 0xd0000000ULL /* where no memory is */

static uint8_t frames[2][4096] __attribute__((aligned(4096)));
static uint8_t status[4096] __attribute__((aligned(4096)));
static uint8_t pages[3][4096] __attribute__((aligned(4096)));

static int64_t op(uint32_t cmd, void *arg, uint32_t count)
{
	return xen_call(HYPERVISOR_grant_table_op, cmd, (uintptr_t)arg, count);
}

static int64_t place(uint64_t idx, void *page)
{
	struct xen_add_to_physmap_64 add = { .domid = XEN_DOMID_SELF,
					     .space = XENMAPSPACE_grant_table,
					     .idx = idx,
					     .gpfn = (uintptr_t)page / 4096 };

	return xen_call(HYPERVISOR_memory_op, XENMEM_add_to_physmap, (uintptr_t)&add, 0);
}

static void sizes(void)
{
	struct xen_gnttab_query_size size = { .dom = XEN_DOMID_SELF };
	struct xen_gnttab_setup_table_64 setup = { .dom = XEN_DOMID_SELF, .nr_frames = 2 };
	uint64_t list[2] = { 0 };

	xen_expect("query", op(GNTTABOP_query_size, &size, 1), 0);
	xen_expect("its status", size.status, GNTST_okay);
	xen_expect("at most", size.max_nr_frames, 64);
	size.dom = 77;
	xen_expect("query another", op(GNTTABOP_query_size, &size, 1), 0);
	xen_expect("no domain", size.status, GNTST_bad_domain);
	xen_expect("two queries", op(GNTTABOP_query_size, &size, 2), -XEN_EINVAL);
	xen_expect("many", op(GNTTABOP_query_size, &size, 0x80000000), -XEN_EINVAL);
	xen_expect("from nowhere", op(GNTTABOP_query_size, (void *)NOWHERE, 1), -XEN_EFAULT);
	xen_expect("no such op", op(99, &size, 1), -XEN_ENOSYS);

	xen_expect("place 0", place(0, frames[0]), 0);
	setup.frame_list = (uintptr_t)list;
	xen_expect("setup", op(GNTTABOP_setup_table, &setup, 1), 0);
	xen_expect("its status", setup.status, GNTST_okay);
	xen_expect("where it is", (int64_t)list[0], (int64_t)((uintptr_t)frames[0] / 4096));
	setup.nr_frames = 65;
	xen_expect("too much", op(GNTTABOP_setup_table, &setup, 1), 0);
	xen_expect("its status", setup.status, GNTST_general_error);
	xen_expect("place 64", place(64, frames[1]), -XEN_EINVAL);
	xen_expect("place the last", place(UINT64_MAX, frames[1]), -XEN_EINVAL);
	xen_expect("place 1", place(1, frames[1]), 0);
}

static struct xen_gnttab_copy_64 copy_of(uint64_t from, uint64_t to, uint16_t flags)
{
	return (struct xen_gnttab_copy_64){
		.source = { from, flags & GNTCOPY_source_gref ? US : XEN_DOMID_SELF, 16, 0 },
		.dest = { to, flags & GNTCOPY_dest_gref ? US : XEN_DOMID_SELF, 32, 0 },
		.len = 100,
		.flags = flags,
	};
}

static void expect_copy(const char *what, struct xen_gnttab_copy_64 copy, int16_t wanted)
{
	xen_expect(what, op(GNTTABOP_copy, &copy, 1), 0);
	xen_expect(what, copy.status, wanted);
}

static void copies(void)
{
	struct xen_grant_entry_v1 *table = (struct xen_grant_entry_v1 *)frames[0];
	uint64_t first = (uintptr_t)pages[0] / 4096, second = (uintptr_t)pages[1] / 4096;
	struct xen_gnttab_copy_64 long_one = copy_of(first, second, 0);

	for (int i = 0; i < 4096; i++)
		pages[0][i] = (uint8_t)i;
	table[9] = (struct xen_grant_entry_v1){ GTF_permit_access, US, (uint32_t)second };
	table[10] = (struct xen_grant_entry_v1){ GTF_permit_access | GTF_readonly, US,
						 (uint32_t)first };
	table[11] = (struct xen_grant_entry_v1){ GTF_permit_access, 0, (uint32_t)first };
	table[12] = (struct xen_grant_entry_v1){ GTF_permit_access, US, 0x7fffffff };
	expect_copy("by references", copy_of(10, 9, GNTCOPY_source_gref | GNTCOPY_dest_gref),
		    GNTST_okay);
	xen_expect("first byte", pages[1][32], 16);
	xen_expect("last byte", pages[1][131], 115);
	xen_expect("no byte", pages[1][132], 0);
	xen_expect("not in use any more", table[9].flags, GTF_permit_access);
	expect_copy("to what is for reading", copy_of(first, 10, GNTCOPY_dest_gref),
		    GNTST_general_error);
	expect_copy("another's", copy_of(11, second, GNTCOPY_source_gref), GNTST_general_error);
	expect_copy("no reference", copy_of(1024, second, GNTCOPY_source_gref), GNTST_bad_gntref);
	expect_copy("not granted", copy_of(13, second, GNTCOPY_source_gref), GNTST_general_error);
	expect_copy("no page", copy_of(12, second, GNTCOPY_source_gref), GNTST_bad_page);
	expect_copy("no frame", copy_of(first, 0x7fffffff, 0), GNTST_bad_page);
	long_one.len = 4090;
	expect_copy("over the edge", long_one, GNTST_bad_copy_arg);
	long_one = copy_of(first, second, 0);
	long_one.source.domid = 0;
	expect_copy("of domain 0", long_one, GNTST_permission_denied);
	xen_expect("from nowhere", op(GNTTABOP_copy, (void *)NOWHERE, 1), -XEN_EFAULT);
}

static void expect_swap(const char *what, uint32_t a, uint32_t b, int16_t wanted)
{
	struct xen_gnttab_swap_grant_ref swap = { .ref_a = a, .ref_b = b };

	xen_expect(what, op(GNTTABOP_swap_grant_ref, &swap, 1), 0);
	xen_expect(what, swap.status, wanted);
}

static void swaps(void)
{
	struct xen_grant_entry_v1 *table = (struct xen_grant_entry_v1 *)frames[0];
	struct xen_grant_entry_v1 one = table[9], other = table[10];

	expect_swap("swap", 9, 10, GNTST_okay);
	xen_expect("one", table[10].flags, one.flags);
	xen_expect("its page", table[10].frame, one.frame);
	xen_expect("other", table[9].flags, other.flags);
	xen_expect("its page", table[9].frame, other.frame);
	expect_swap("back", 10, 9, GNTST_okay);
	expect_swap("itself", 9, 9, GNTST_okay);
	expect_swap("no reference", 9, 1024, GNTST_bad_gntref);
	xen_expect("from nowhere", op(GNTTABOP_swap_grant_ref, (void *)NOWHERE, 1), -XEN_EFAULT);
}

static void maps(void)
{
	struct xen_gnttab_map_grant_ref map = { .host_addr = (uintptr_t)pages[2], .ref = 9, .dom = US };
	struct xen_gnttab_unmap_grant_ref unmap = { .handle = 3 };
	struct xen_gnttab_cache_flush flush = { .which = (uintptr_t)pages[0], .length = 64,
						.op = GNTTAB_CACHE_CLEAN };

	xen_expect("map", op(GNTTABOP_map_grant_ref, &map, 1), 0);
	xen_expect("map for nobody", map.status, GNTST_bad_gntref);
	map.flags = GNTMAP_host_map;
	xen_expect("map", op(GNTTABOP_map_grant_ref, &map, 1), 0);
	xen_expect("where memory is", map.status, GNTST_general_error);
	xen_expect("unmap", op(GNTTABOP_unmap_grant_ref, &unmap, 1), 0);
	xen_expect("no handle", unmap.status, GNTST_bad_handle);
	xen_expect("flush", op(GNTTABOP_cache_flush, &flush, 1), 0);
	flush.op = GNTTAB_CACHE_INVAL;
	xen_expect("invalidate", op(GNTTABOP_cache_flush, &flush, 1), -XEN_EOPNOTSUPP);
	flush.offset = 4090;
	xen_expect("over the edge", op(GNTTABOP_cache_flush, &flush, 1), -XEN_EINVAL);
}

static int16_t unmap_at(uint32_t cmd, uint64_t address, uint32_t handle, uint64_t other)
{
	struct xen_gnttab_unmap_grant_ref unmap = { .host_addr = address, .dev_bus_addr = other,
						    .handle = handle };

	xen_expect("unmap", op(cmd, &unmap, 1), 0);
	return unmap.status;
}

/* Where no memory was there is the page a second time, until the handle is given back. */
static void own_maps(void)
{
	const struct xen_grant_entry_v1 *table = (struct xen_grant_entry_v1 *)frames[0];
	struct xen_gnttab_map_grant_ref map = { .host_addr = HOLE, .ref = 9, .dom = US,
						.flags = GNTMAP_host_map };
	struct xen_gnttab_map_grant_ref second = map;
	volatile uint8_t *there = (volatile uint8_t *)HOLE, *here = pages[1];
	uint32_t version = 2;

	map.dom = 0;
	xen_expect("of domain 0", op(GNTTABOP_map_grant_ref, &map, 1), 0);
	xen_expect("of domain 0", map.status, GNTST_bad_gntref);
	map.dom = US;
	xen_expect("map", op(GNTTABOP_map_grant_ref, &map, 1), 0);
	xen_expect("mapped", map.status, GNTST_okay);
	xen_expect("its page", (int64_t)map.dev_bus_addr, (int64_t)(uintptr_t)pages[1]);
	xen_expect("in use", table[9].flags, GTF_permit_access | GTF_reading | GTF_writing);
	xen_expect("no other version meanwhile", op(GNTTABOP_set_version, &version, 1), -XEN_EBUSY);
	there[7] = 99;
	xen_expect("written there", here[7], 99);
	here[8] = 98;
	xen_expect("read there", there[8], 98);
	xen_expect("map again", op(GNTTABOP_map_grant_ref, &second, 1), 0);
	xen_expect("something is there", second.status, GNTST_general_error);
	second.host_addr = HOLE + 4096;
	second.ref = 10;
	xen_expect("map to write", op(GNTTABOP_map_grant_ref, &second, 1), 0);
	xen_expect("what is for reading", second.status, GNTST_general_error);
	second.flags |= GNTMAP_readonly;
	xen_expect("map", op(GNTTABOP_map_grant_ref, &second, 1), 0);
	xen_expect("mapped to read", second.status, GNTST_okay);
	xen_expect("in use", table[10].flags, GTF_permit_access | GTF_readonly | GTF_reading);
	xen_expect("a handle of its own", second.handle != map.handle, 1);
	xen_expect("read there", ((volatile uint8_t *)HOLE)[4096 + 5], pages[0][5]);
	xen_expect("elsewhere", unmap_at(GNTTABOP_unmap_grant_ref, HOLE + 8192, map.handle, 0),
		   GNTST_general_error);
	xen_expect("nowhere", unmap_at(GNTTABOP_unmap_grant_ref, 0, map.handle, 0), GNTST_okay);
	xen_expect("replaced", unmap_at(GNTTABOP_unmap_and_replace, HOLE, map.handle, HOLE),
		   GNTST_general_error);
	xen_expect("unmap", unmap_at(GNTTABOP_unmap_grant_ref, HOLE, map.handle, 0), GNTST_okay);
	xen_expect("unmap", unmap_at(GNTTABOP_unmap_and_replace, HOLE + 4096, second.handle, 0),
		   GNTST_okay);
	xen_expect("not in use", table[9].flags, GTF_permit_access);
	xen_expect("nor the other", table[10].flags, GTF_permit_access | GTF_readonly);
	xen_expect("nothing is there", there[7], 0xff);
	xen_expect("its handle is free", unmap_at(GNTTABOP_unmap_grant_ref, HOLE, map.handle, 0),
		   GNTST_bad_handle);
}

/* For ever: what is written at one of the two addresses is read at the other. A dot for each thousand times. */
static void spin(void)
{
	struct xen_gnttab_map_grant_ref map = { .host_addr = HOLE, .ref = 9, .dom = US,
						.flags = GNTMAP_host_map };
	volatile uint32_t *there = (volatile uint32_t *)HOLE, *here = (volatile uint32_t *)pages[1];
	struct xen_grant_entry_v1 *table = (struct xen_grant_entry_v1 *)frames[0];

	xen_expect("place 0", place(0, frames[0]), 0);
	table[9] = (struct xen_grant_entry_v1){ GTF_permit_access, US,
						(uint32_t)((uintptr_t)pages[1] / 4096) };
	xen_expect("map", op(GNTTABOP_map_grant_ref, &map, 1), 0);
	xen_expect("mapped", map.status, GNTST_okay);
	for (uint32_t i = 1;; i++) {
		if (i % 2)
			there[i % 1024] = i;
		else
			here[i % 1024] = i;
		if (here[i % 1024] != i || there[i % 1024] != i)
			guest_puts("bad: another page\n");
		if (i > 1024 && there[(i - 512) % 1024] != i - 512)
			guest_puts("bad: it was lost\n");
		if (i % 1000 == 0)
			guest_puts(".");
	}
}

static void too_many_maps(void)
{
	struct xen_gnttab_map_grant_ref map = { .ref = 9, .dom = US, .flags = GNTMAP_host_map };
	volatile uint8_t *here = pages[1];
	uint32_t count = 0;

	for (map.host_addr = HOLE; count < 1000; map.host_addr += 4096, count++) {
		xen_expect("map", op(GNTTABOP_map_grant_ref, &map, 1), 0);
		if (map.status != GNTST_okay)
			break;
		((volatile uint8_t *)map.host_addr)[9] = (uint8_t)count;
		xen_expect("one page", here[9], (uint8_t)count);
	}
	xen_expect("no handle is left", map.status, GNTST_no_device_space);
	xen_expect("so many there are", count, 256);
	for (uint32_t handle = 0; handle < count; handle++)
		xen_expect("unmap", unmap_at(GNTTABOP_unmap_grant_ref, HOLE + handle * 4096ULL, handle, 0),
			   GNTST_okay);
}

static void versions(void)
{
	struct xen_grant_entry_v2 *table = (struct xen_grant_entry_v2 *)frames[0];
	struct xen_gnttab_get_status_frames_64 list = { 1, XEN_DOMID_SELF, 0, 0 };
	struct xen_gnttab_get_version version = { .dom = XEN_DOMID_SELF };
	uint64_t first = (uintptr_t)pages[0] / 4096, second = (uintptr_t)pages[1] / 4096, gfns[1];
	uint32_t wanted = 3;

	xen_expect("no version 3", op(GNTTABOP_set_version, &wanted, 1), -XEN_EINVAL);
	xen_expect("version 1 is", wanted, 1);
	((struct xen_grant_entry_v1 *)table)[2] = (struct xen_grant_entry_v1){ GTF_permit_access, 0,
									       1234 };
	wanted = 2;
	xen_expect("version 2", op(GNTTABOP_set_version, &wanted, 1), 0);
	xen_expect("get it", op(GNTTABOP_get_version, &version, 1), 0);
	xen_expect("it is", version.version, 2);
	xen_expect("a reserved entry stays", (int64_t)table[2].frame, 1234);
	xen_expect("the others go", table[9].flags, 0);
	xen_expect("no such status", place(XENMAPIDX_grant_table_status | 8, status), -XEN_EINVAL);
	xen_expect("nor that", place(XENMAPIDX_grant_table_status | 1ULL << 53, status), -XEN_EINVAL);
	xen_expect("place status", place(XENMAPIDX_grant_table_status, status), 0);
	list.frame_list = (uintptr_t)gfns;
	xen_expect("status frames", op(GNTTABOP_get_status_frames, &list, 1), 0);
	xen_expect("their status", list.status, GNTST_okay);
	xen_expect("where it is", (int64_t)gfns[0], (int64_t)((uintptr_t)status / 4096));

	table[9] = (struct xen_grant_entry_v2){ GTF_permit_access, US, 0, 0, second };
	table[10] = (struct xen_grant_entry_v2){ GTF_permit_access | GTF_sub_page, US, 16, 100,
						 first };
	pages[1][32] = 0;
	expect_copy("of a part", copy_of(10, 9, GNTCOPY_source_gref | GNTCOPY_dest_gref),
		    GNTST_okay);
	xen_expect("first byte", pages[1][32], 16);
	/* There is no third domain to which it could lead. */
	table[11] = (struct xen_grant_entry_v2){ GTF_transitive, US, 0, 0, 9ULL << 32 | US };
	expect_copy("transitive, to itself", copy_of(11, second, GNTCOPY_source_gref),
		    GNTST_general_error);
	table[10].length = 99;
	expect_copy("of more than the part", copy_of(10, 9, GNTCOPY_source_gref | GNTCOPY_dest_gref),
		    GNTST_general_error);
	xen_expect("not in use any more", ((uint16_t *)status)[9], 0);
	wanted = 1;
	xen_expect("version 1", op(GNTTABOP_set_version, &wanted, 1), 0);
	xen_expect("the entry stays", ((struct xen_grant_entry_v1 *)table)[2].frame, 1234);
}

static void narrow(void)
{
	static struct xen_gnttab_copy_32 copy;
	static struct xen_gnttab_setup_table_32 setup;
	static uint32_t list[1];

	setup.dom = XEN_DOMID_SELF;
	setup.nr_frames = 1;
	setup.frame_list = (uint32_t)(uintptr_t)list;
	xen_expect("setup, 32", xen_call_32(HYPERVISOR_grant_table_op, GNTTABOP_setup_table,
					    (uint32_t)(uintptr_t)&setup, 1), 0);
	xen_expect("where it is", list[0], (int64_t)((uintptr_t)frames[0] / 4096));
	copy.source.which = (uint32_t)((uintptr_t)pages[0] / 4096);
	copy.dest.which = (uint32_t)((uintptr_t)pages[2] / 4096);
	copy.source.domid = copy.dest.domid = XEN_DOMID_SELF;
	copy.source.offset = 5;
	copy.len = 1;
	xen_expect("copy, 32", xen_call_32(HYPERVISOR_grant_table_op, GNTTABOP_copy,
					   (uint32_t)(uintptr_t)&copy, 1), 0);
	xen_expect("its status", copy.status, GNTST_okay);
	xen_expect("its byte", pages[2][0], 5);
}

void guest_main(const void *info)
{
	const struct hvm_start_info *start = info;

	if (!xen_init())
		return;
	if (cmdline_number((const char *)(uintptr_t)start->cmdline_paddr, "spin", 0))
		spin();
	sizes();
	copies();
	swaps();
	maps();
	own_maps();
	too_many_maps();
	versions();
	narrow();
	xen_verdict();
}
