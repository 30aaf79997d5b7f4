/* SPDX-License-Identifier: Apache-2.0 */
/* Dirty tracking: KVM's log of the slots, and the bitmaps of what ferry itself wrote. */
#include "mem/dirty.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/bits.h"
#include "base/cleanup.h"
#include "base/util.h"
#include "kvm/kvm.h"
#include "mem/mem_impl.h"
#include "mem/txn.h"

/* Release: who clears the bit sees what was written before. Always a store, even where the bit is
 * set: a look at it could pass the write, and a clearing between the two be missed. */
void mem_mark_region(const struct mem_region *region, uint64_t offset, uint64_t len)
{
	uint64_t first = offset / GUEST_PAGE_SIZE;
	uint64_t end = (offset + len + GUEST_PAGE_SIZE - 1) / GUEST_PAGE_SIZE;

	if (!len)
		return;
	for (uint64_t word = first / 64; word <= (end - 1) / 64; word++)
		atomic_fetch_or_explicit(&region->dirty[word], bits_word_mask(word, first, end),
					 memory_order_release);
}

void mem_mark_tracked(struct mem *mem, gpa_t gpa, uint64_t len)
{
	unsigned look = mem_look_begin(mem);
	const struct mem_map *map = mem_map(mem);
	gpa_t end = gpa + min_u64(len, UINT64_MAX - gpa);
	const struct mem_region *region = NULL;

	while (len && (region = mem_map_next(map, region, gpa, len))) {
		gpa_t from = max_u64(gpa, region->gpa);

		mem_mark_region(region, from - region->gpa,
				min_u64(end, region->gpa + region->size) - from);
	}
	mem_look_end(mem, look);
}

/* By each of the regions that have the pages. */
void mem_mark_tracked_hva(struct mem *mem, const void *hva, uint64_t len)
{
	unsigned look = mem_look_begin(mem);
	const struct mem_map *map = mem_map(mem);
	const struct mem_region *region = NULL;
	const uint8_t *begin = hva;

	while (len && (region = mem_map_next_hva(map, region, hva, len))) {
		const uint8_t *from = begin > region->hva ? begin : region->hva;
		uint64_t offset = (uint64_t)(from - region->hva);

		mem_mark_region(region, offset,
				min_u64(region->size - offset, len - (uint64_t)(from - begin)));
	}
	mem_look_end(mem, look);
}

/* Without it KVM_GET_DIRTY_LOG also clears, and protects a whole slot at once. */
void mem_log_prepare(struct mem *mem)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 };
	int offered;

	mem->manual_protect = mem->initially_set = false;
	if (mem->vm_fd < 0)
		return;
	offered = kvm_check_extension(mem->vm_fd, cap.cap);
	if (offered <= 0)
		return;
	cap.args[0] = (unsigned)offered &
		      (KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
	mem->manual_protect = kvm_enable_cap(mem->vm_fd, &cap) == 0;
	mem->initially_set =
		mem->manual_protect && (cap.args[0] & KVM_DIRTY_LOG_INITIALLY_SET) != 0;
}

int mem_dirty_start(struct mem *mem)
{
	struct mem_txn txn;
	int r;

	mem_txn_begin(&txn, mem);
	if (atomic_load(&mem->stop_failed))
		mem_txn_log(&txn, false);
	mem_txn_log(&txn, true);
	r = mem_txn_commit(&txn);
	if (r == 0)
		atomic_store(&mem->stop_failed, false);
	return r;
}

int mem_dirty_stop(struct mem *mem)
{
	struct mem_txn txn;
	int r;

	if (!atomic_load(&mem->tracked))
		return 0;
	mem_txn_begin(&txn, mem);
	mem_txn_log(&txn, false);
	r = mem_txn_commit(&txn);
	atomic_store(&mem->stop_failed, r < 0);
	return r;
}

/* The region as the map has it now. */
static int find_tracked(const struct mem *mem, const struct mem_region *region,
			const struct mem_region **ret_region)
{
	const struct mem_region *same = mem_find_same(mem, region);

	if (!atomic_load(&mem->tracked))
		return because(-EINVAL, "the writes to memory are not tracked");
	if (!same)
		return because(-ENOENT, "memory %s is not there any more", region->name);
	*ret_region = same;
	return 0;
}

bool mem_has_log(const struct mem *mem, const struct mem_region *region)
{
	return mem->vm_fd >= 0 && !mem->is_unplugged &&
	       !(region->flags & (MEM_READONLY | MEM_FOREIGN));
}

int mem_log_get(const struct mem *mem, const struct mem_region *region, uint64_t **ret_bits)
{
	AUTO_FREE uint64_t *bits = calloc(mem_dirty_words(region), sizeof(*bits));
	struct kvm_dirty_log log = { .slot = region->slot, .dirty_bitmap = bits };
	int r;

	if (!bits)
		return because(-ENOMEM, "out of memory");
	r = kvm_get_dirty_log(mem->vm_fd, &log);
	if (r < 0)
		return because(r, "KVM's dirty log of memory %s: %s", region->name, strerror(-r));
	*ret_bits = bits;
	bits = NULL;
	return 0;
}

/* KVM's part. Where asking clears, what was told is kept with ferry's own until it is cleared. */
static int collect_log(struct mem *mem, const struct mem_region *region, uint64_t *bitmap)
{
	AUTO_FREE uint64_t *bits = NULL;
	int r = mem_log_get(mem, region, &bits);

	if (!bits)
		return r;
	for (uint64_t i = 0; i < mem_dirty_words(region); i++) {
		if (mem->manual_protect)
			bitmap[i] |= bits[i];
		else if (bits[i])
			atomic_fetch_or(&region->dirty[i], bits[i]);
	}
	return 0;
}

static void collect_always(const struct mem *mem, const struct mem_region *region, uint64_t *bitmap)
{
	for (size_t i = 0; i < mem->always_count; i++) {
		const struct mem_range *range = &mem->always[i];
		uint64_t offset = range->gpa - region->gpa;

		if (offset >= region->size)
			continue;
		for (uint64_t end = offset + min_u64(range->len, region->size - offset),
			      at = align_down(offset, GUEST_PAGE_SIZE);
		     at < end; at += GUEST_PAGE_SIZE)
			bitmap[at / GUEST_PAGE_SIZE / 64] |= 1ULL << at / GUEST_PAGE_SIZE % 64;
	}
}

static int collect_locked(struct mem *mem, const struct mem_region *region, uint64_t *bitmap)
{
	int r = find_tracked(mem, region, &region);

	if (r == 0 && mem_has_log(mem, region))
		r = collect_log(mem, region, bitmap);
	if (r < 0)
		return r;
	for (uint64_t i = 0; i < mem_dirty_words(region); i++)
		bitmap[i] |= atomic_load_explicit(&region->dirty[i], memory_order_acquire);
	collect_always(mem, region, bitmap);
	return 0;
}

int mem_dirty_collect(struct mem *mem, const struct mem_region *region, uint64_t *bitmap)
{
	int r;

	pthread_mutex_lock(&mem->lock);
	r = collect_locked(mem, region, bitmap);
	pthread_mutex_unlock(&mem->lock);
	return r;
}

static int clear_log(const struct mem *mem, const struct mem_region *region, uint64_t first,
		     uint64_t count, const uint64_t *bits)
{
	struct kvm_clear_dirty_log log = {
		.slot = region->slot,
		.num_pages = (uint32_t)count,
		.first_page = first,
		.dirty_bitmap = (void *)(uintptr_t)bits,
	};
	int r = kvm_clear_dirty_log(mem->vm_fd, &log);

	return r < 0 ? because(r, "KVM's dirty log of memory %s: %s", region->name, strerror(-r))
		     : 0;
}

/*
 * KVM clears words, or up to the slot's end: a last word that is not wholly meant goes by itself,
 * masked. So does what is more than num_pages can say.
 */
static int clear_log_words(const struct mem *mem, const struct mem_region *region, uint64_t first,
			   uint64_t end, const uint64_t *bitmap)
{
	uint64_t pages = region->size / GUEST_PAGE_SIZE;
	uint64_t whole = end == pages ? end : align_down(end, 64);
	int r = 0;

	for (uint64_t at = first, count; r == 0 && at < whole; at += count) {
		count = min_u64(whole - at, 1 << 30);
		r = clear_log(mem, region, at, count, &bitmap[at / 64]);
	}
	if (r == 0 && whole < end) {
		uint64_t last = bitmap[whole / 64] & bits_word_mask(whole / 64, whole, end);

		r = clear_log(mem, region, whole, min_u64(64, pages - whole), &last);
	}
	return r;
}

int mem_log_clear(const struct mem *mem, const struct mem_region *region, const uint64_t *bits)
{
	return clear_log_words(mem, region, 0, region->size / GUEST_PAGE_SIZE, bits);
}

static int clear_locked(struct mem *mem, const struct mem_region *region, uint64_t first,
			uint64_t end, const uint64_t *bitmap)
{
	uint64_t any = 0;
	int r = find_tracked(mem, region, &region);

	if (r < 0)
		return r;
	for (uint64_t word = first / 64; word * 64 < end; word++) {
		uint64_t bits = bitmap[word] & bits_word_mask(word, first, end);

		any |= bits;
		if (bits)
			atomic_fetch_and(&region->dirty[word], ~bits);
	}
	if (!any || !mem->manual_protect || !mem_has_log(mem, region))
		return 0;
	return clear_log_words(mem, region, first, end, bitmap);
}

int mem_dirty_clear(struct mem *mem, const struct mem_region *region, uint64_t first,
		    uint64_t count, const uint64_t *bitmap)
{
	int r;

	if (first % 64 || !range_inside(first, count, region->size / GUEST_PAGE_SIZE))
		return because(-EINVAL, "no pages %llu+%llu to clear in memory %s",
			       (unsigned long long)first, (unsigned long long)count, region->name);
	pthread_mutex_lock(&mem->lock);
	r = clear_locked(mem, region, first, first + count, bitmap);
	pthread_mutex_unlock(&mem->lock);
	return r;
}

static int add_always(struct mem *mem, struct mem_range range)
{
	struct mem_range *more;

	if (!mem_ptr(mem, range.gpa, range.len))
		return because(-EFAULT, "%#llx is not guest memory", (unsigned long long)range.gpa);
	more = realloc(mem->always, (mem->always_count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	more[mem->always_count++] = range;
	mem->always = more;
	return 0;
}

int mem_mark_always_dirty(struct mem *mem, gpa_t gpa, uint64_t len)
{
	int r;

	pthread_mutex_lock(&mem->lock);
	r = add_always(mem, (struct mem_range){ gpa, len });
	pthread_mutex_unlock(&mem->lock);
	return r;
}

static int remove_always(struct mem *mem, gpa_t gpa, uint64_t len)
{
	for (size_t i = 0; i < mem->always_count; i++) {
		if (mem->always[i].gpa != gpa || mem->always[i].len != len)
			continue;
		mem->always[i] = mem->always[--mem->always_count];
		return 0;
	}
	return because(-ENOENT, "memory at %#llx is not always dirty", (unsigned long long)gpa);
}

int mem_unmark_always_dirty(struct mem *mem, gpa_t gpa, uint64_t len)
{
	int r;

	pthread_mutex_lock(&mem->lock);
	r = remove_always(mem, gpa, len);
	/* What was written while it was marked is told once more. */
	if (r == 0)
		mem_mark_dirty(mem, gpa, len);
	pthread_mutex_unlock(&mem->lock);
	return r;
}
