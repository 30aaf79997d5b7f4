/* SPDX-License-Identifier: Apache-2.0 */
/* What a Xen guest puts into the rings that ferry serves: Xenstore's, and a block device's with its grants. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "pv/xen/blk.h"
#include "pv/xen/xen_impl.h"
#include "vm/vm.h"

#define PAGES 16

static struct vm vm;
static struct xen xen;

static void init(void)
{
	const struct mem_options options = { .name = "fuzz" };

	if (vm.mem.memfd_size)
		return;
	xen.vm = &vm;
	pthread_mutex_init(&xen.lock, NULL);
	if (mem_init(&vm.mem, -1, 8, &options) < 0 ||
	    mem_map_ram(&vm.mem, "ram", 0, PAGES * XEN_PAGE_SIZE, 0) < 0 ||
	    xen_grants_init(&xen) < 0)
		abort();
}

/* Whatever was asked for: every node has its parent, and there are no more than may be. */
static void check_store(const struct store *store)
{
	uint32_t owned = 0;
	char parent[XEN_XS_ABS_PATH_MAX + 1];

	for (size_t i = 0; i < store->tree.count; i++) {
		const struct store_node *node = store->tree.nodes[i];

		if (!store_path_is_valid(node->path) || node->value_len > STORE_VALUE_MAX)
			abort();
		if (i && strcmp(store->tree.nodes[i - 1]->path, node->path) >= 0)
			abort();
		store_parent(node->path, parent);
		if (i && !store_tree_find(&store->tree, parent))
			abort();
		owned += node->perms[0].domid == store->guest;
	}
	if (owned > STORE_NODES_MAX || store->watch_count > STORE_WATCHES_MAX ||
	    store->out_len > STORE_OUT_MAX)
		abort();
}

/* Pieces, each with its length in front: put into the ring, which is then served and emptied. */
static void fuzz_store(const uint8_t *data, size_t size)
{
	static struct xen_xs_ring ring;
	struct store store;

	memset(&ring, 0, sizeof(ring));
	if (store_init(&store, 1) < 0 || store_write(&store, "/local/domain/1/data", "") < 0 ||
	    store_set_perms(&store, "/local/domain/1/data", "n1") < 0)
		abort();
	while (size > 1) {
		size_t len = data[0];

		data++, size--;
		if (len == 255 && size >= 4) { /* an index that goes astray */
			memcpy(&ring.req_prod, data, 4);
			len = 4;
		} else {
			len = len < size ? len : size;
			for (size_t i = 0; i < len; i++)
				ring.req[ring.req_prod++ % XEN_XS_RING_SIZE] = data[i];
		}
		data += len, size -= len;
		store_serve(&store, &ring);
		ring.rsp_cons = ring.rsp_prod;
	}
	check_store(&store);
	store_finish(&store);
}

/* The first page is the grant table, the second a ring; the rest is granted memory. */
static void fuzz_ring(const uint8_t *data, size_t size)
{
	static struct xen_blk blk;
	struct xen_back_ring ring = { 0 };
	uint8_t pages[PAGES * XEN_PAGE_SIZE] = { 0 }, entry[sizeof(struct xen_blkif_request_64)];
	struct xen_grant grant;

	memcpy(pages, data, size < sizeof(pages) ? size : sizeof(pages));
	blk.dev.xen = &xen;
	blk.is_32 = pages[sizeof(pages) - 1] & 1;
	memcpy(xen.grants.frame[0].own, pages, XEN_PAGE_SIZE);
	mem_write(&vm.mem, 0, pages, sizeof(pages));
	ring.area.pages = 1;
	ring.area.hva[0] = pages + XEN_PAGE_SIZE;
	xen_back_ring_begin(&ring, blk.is_32 ? sizeof(struct xen_blkif_request_32)
					     : sizeof(struct xen_blkif_request_64),
			    xen_back_ring_rsp_prod(&ring));
	while (xen_back_ring_take(&ring, entry, ring.entry_size) == 1) {
		if (xen_blk_wish_read(&blk, entry) == 0 && blk.wish.count > BLK_SEGMENTS_MAX)
			abort();
		for (unsigned i = 0; i < blk.wish.count; i++)
			if (xen_grant_pin(&xen, 0, blk.wish.segments[i].gref, i & 1, false,
					  &grant) == GNTST_okay)
				xen_grant_unpin(&xen, &grant);
	}
	for (uint32_t ref = 0; ref < xen_grant_entries(&xen); ref++)
		if (xen_grant_is_pinned(&xen, ref))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	init();
	if (size < 2)
		return 0;
	if (data[0] & 1)
		fuzz_store(data + 1, size - 1);
	else
		fuzz_ring(data + 1, size - 1);
	return 0;
}
