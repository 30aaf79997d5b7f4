/* SPDX-License-Identifier: Apache-2.0 */
/* What a block front end asks for, in either layout, with its segments in place or in pages of theirs. */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "pv/xen/blk.h"
#include "pv/xen/xen_impl.h"

/* Either layout's parts of a request with indirect descriptors. */
struct indirect {
	uint8_t op;
	unsigned count;
	uint64_t id, sector;
	uint32_t gref; /* of the first page, which holds as many as there may be */
};

_Static_assert(BLK_SEGMENTS_MAX <= BLKIF_SEGMENTS_A_PAGE, "one page has them all");

static int read_indirect(struct xen_blk *blk, const struct indirect *said)
{
	struct xen_blk_wish *wish = &blk->wish;
	struct xen *xen = blk->dev.xen;
	struct xen_grant grant;
	int r;

	wish->op = said->op; /* the answer names what was done, not how it was asked for */
	wish->id = said->id;
	wish->sector = said->sector;
	wish->is_write = said->op == BLKIF_OP_WRITE;
	if ((said->op != BLKIF_OP_READ && said->op != BLKIF_OP_WRITE) || !said->count ||
	    said->count > BLK_SEGMENTS_MAX)
		return -EPROTO;
	xen_lock(xen);
	r = xen_grant_pin(xen, XEN_FERRY_DOMID, said->gref, false, false, &grant);
	if (r == GNTST_okay) {
		r = mem_read(&xen->vm->mem, grant.gpa, wish->segments,
			     said->count * sizeof(wish->segments[0]));
		xen_grant_unpin(xen, &grant);
	}
	xen_unlock(xen);
	wish->count = r == 0 ? said->count : 0;
	return r == 0 ? 0 : -EPROTO;
}

static int read_segments(struct xen_blk_wish *wish, unsigned count,
			 const struct xen_blkif_segment *segments)
{
	if (count > BLKIF_SEGMENTS)
		return -EPROTO;
	wish->is_write = wish->op != BLKIF_OP_READ;
	wish->count = count;
	memcpy(wish->segments, segments, count * sizeof(*segments));
	return 0;
}

static int read_64(struct xen_blk *blk, const void *entry)
{
	struct xen_blk_wish *wish = &blk->wish;
	struct xen_blkif_request_64 plain;
	struct xen_blkif_indirect_64 indirect;
	struct xen_blkif_discard_64 discard;

	memcpy(&plain, entry, sizeof(plain));
	wish->op = plain.operation;
	wish->id = plain.id;
	wish->sector = plain.sector_number;
	if (plain.operation == BLKIF_OP_INDIRECT) {
		memcpy(&indirect, entry, sizeof(indirect));
		return read_indirect(blk, &(struct indirect){ indirect.indirect_op,
							      indirect.nr_segments, indirect.id,
							      indirect.sector_number,
							      indirect.indirect_grefs[0] });
	}
	if (plain.operation == BLKIF_OP_DISCARD) {
		memcpy(&discard, entry, sizeof(discard));
		wish->sectors = discard.nr_sectors;
		wish->flag = discard.flag;
		return 0;
	}
	return read_segments(wish, plain.nr_segments, plain.seg);
}

static int read_32(struct xen_blk *blk, const void *entry)
{
	struct xen_blk_wish *wish = &blk->wish;
	struct xen_blkif_segment segments[BLKIF_SEGMENTS];
	struct xen_blkif_request_32 plain;
	struct xen_blkif_indirect_32 indirect;
	struct xen_blkif_discard_32 discard;

	memcpy(&plain, entry, sizeof(plain));
	wish->op = plain.operation;
	wish->id = plain.id;
	wish->sector = plain.sector_number;
	if (plain.operation == BLKIF_OP_INDIRECT) {
		memcpy(&indirect, entry, sizeof(indirect));
		return read_indirect(blk, &(struct indirect){ indirect.indirect_op,
							      indirect.nr_segments, indirect.id,
							      indirect.sector_number,
							      indirect.indirect_grefs[0] });
	}
	if (plain.operation == BLKIF_OP_DISCARD) {
		memcpy(&discard, entry, sizeof(discard));
		wish->sectors = discard.nr_sectors;
		wish->flag = discard.flag;
		return 0;
	}
	memcpy(segments, plain.seg, sizeof(segments));
	return read_segments(wish, plain.nr_segments, segments);
}

int xen_blk_wish_read(struct xen_blk *blk, const void *entry)
{
	blk->wish.count = 0;
	blk->wish.is_write = false;
	return blk->is_32 ? read_32(blk, entry) : read_64(blk, entry);
}
