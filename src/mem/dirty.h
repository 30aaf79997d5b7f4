/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pages of memory were written: by the guest and by KVM (its dirty log), and by ferry itself
 * (marks). One tracking at a time. Bitmaps have one bit a page of GUEST_PAGE_SIZE, page 0 of the
 * region first, in 64-bit words, lowest bit first: mem_dirty_words() of them.
 *
 * Who sends memory while the guest runs does this:
 *
 *   mem_dirty_start(), all bits of its bitmap set
 *   for each piece: mem_dirty_clear() the piece, then read its pages, then zero its bits
 *   mem_dirty_collect(), and the same with what is set now; in the end once more with the guest and
 *   the devices at rest; mem_dirty_stop()
 *
 * A failure in between loses nothing when the next attempt begins with start and all bits set.
 */
#ifndef MEM_DIRTY_H
#define MEM_DIRTY_H

#include "mem/mem.h"

static inline uint64_t mem_dirty_words(const struct mem_region *region)
{
	return (region->size / GUEST_PAGE_SIZE + 63) / 64;
}

/*
 * From here on every write is told by collect. Where KVM can (KVM_DIRTY_LOG_INITIALLY_SET) this costs
 * the same for every size of guest, and each page then counts as dirty until it was cleared once: the
 * first collect may tell everything. A region that is added while tracking is wholly dirty.
 *   -EBUSY      tracking is on already
 *   -EOPNOTSUPP the host's pages are not of GUEST_PAGE_SIZE
 */
int mem_dirty_start(struct mem *mem);

/*
 * Slots are as before and nothing is logged. Harmless when not started, and after mem_finish(). Where
 * KVM refuses (-ENOMEM …) tracking goes on until the next start, which begins anew.
 */
int mem_dirty_stop(struct mem *mem);

/*
 * ORs into bitmap what became dirty since it was last cleared; what was told and not cleared is told
 * again. -ENOENT: the region was unmapped since. -EINVAL: tracking is off.
 */
int mem_dirty_collect(struct mem *mem, const struct mem_region *region, uint64_t *bitmap);

/*
 * Of the pages [first, first + count) those whose bit is set in bitmap (the whole region's, as collect
 * fills it) are clean from here: their next write is told. Call it before reading them, and in pieces:
 * KVM holds up the guest's page faults while it protects (64 MiB a call is a good measure).
 * first is a multiple of 64; count may end anywhere. -EINVAL, -ENOENT as above.
 */
int mem_dirty_clear(struct mem *mem, const struct mem_region *region, uint64_t first,
		    uint64_t count, const uint64_t *bitmap);

/*
 * ferry wrote [gpa, gpa + len), or the part of it that is memory. Any thread. Mark AFTER the write: a
 * mark that comes before it can be collected, and the page be sent, before the write lands. Without
 * tracking it is one relaxed load. mem_write() and mem_discard() mark by themselves; who writes
 * through mem_ptr_rw() while a guest exists marks.
 */
static inline void mem_mark_dirty(struct mem *mem, gpa_t gpa, uint64_t len);

/* The same for who has only the host's address. */
static inline void mem_mark_dirty_hva(struct mem *mem, const void *hva, uint64_t len);

/*
 * Pages that others write without a mark (KVM writes Xen's shared_info so): every collect tells them.
 * Ranges may overlap and be marked twice; unmark takes back one mark of exactly that range.
 *   -ENOMEM   -EFAULT not all of it is memory   -ENOENT (unmark) there is no such mark
 */
int mem_mark_always_dirty(struct mem *mem, gpa_t gpa, uint64_t len);
int mem_unmark_always_dirty(struct mem *mem, gpa_t gpa, uint64_t len);

void mem_mark_tracked(struct mem *mem, gpa_t gpa, uint64_t len);
void mem_mark_tracked_hva(struct mem *mem, const void *hva, uint64_t len);

/*
 * The load is relaxed, yet no write is missed: mem_dirty_start() makes every thread of the process
 * pass a barrier (membarrier(2)) after it has set the flag. The compiler keeps the order here.
 */
static inline bool mem_is_tracked(const struct mem *mem)
{
	atomic_signal_fence(memory_order_seq_cst);
	return __builtin_expect(atomic_load_explicit(&mem->tracked, memory_order_relaxed), 0);
}

static inline void mem_mark_dirty(struct mem *mem, gpa_t gpa, uint64_t len)
{
	if (mem_is_tracked(mem))
		mem_mark_tracked(mem, gpa, len);
}

static inline void mem_mark_dirty_hva(struct mem *mem, const void *hva, uint64_t len)
{
	if (mem_is_tracked(mem))
		mem_mark_tracked_hva(mem, hva, len);
}

#endif
