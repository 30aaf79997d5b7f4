/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions: notes steps, makes them in KVM and in a new picture, publishes that or takes all
 * back. */
#include "mem/txn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "mem/dirty.h"
#include "mem/mem_impl.h"
#include "mem/slots.h"
#include "mem/step.h"
#include "mem/tree.h"

void mem_txn_begin(struct mem_txn *txn, struct mem *mem)
{
	*txn = (struct mem_txn){ .mem = mem };
}

/* Keeps the first error, with its text. */
static int fail(struct mem_txn *txn, int r)
{
	if (!txn->failed) {
		txn->failed = r;
		txn->text = strdup(error_text(r));
	}
	return r;
}

static int add_step(struct mem_txn *txn, const struct mem_step *step)
{
	if (txn->failed)
		return txn->failed;
	if (txn->count == txn->capacity) {
		size_t capacity = txn->capacity ? 2 * txn->capacity : 4;
		struct mem_step *steps = reallocarray(txn->steps, capacity, sizeof(*steps));

		if (!steps)
			return fail(txn, because(-ENOMEM, "out of memory"));
		txn->steps = steps;
		txn->capacity = capacity;
	}
	txn->steps[txn->count++] = *step;
	return 0;
}

static int add_region(struct mem_txn *txn, enum step_kind kind, const struct mem_region *region)
{
	struct mem_step step = { .kind = kind, .region = *region };
	struct mem_region *added;
	int r = add_step(txn, &step);

	if (r < 0)
		return r;
	added = &txn->steps[txn->count - 1].region;
	added->body = mem_body_create();
	if (!added->body)
		return fail(txn, because(-ENOMEM, "out of memory"));
	if (!region->size || region->gpa + region->size < region->gpa ||
	    !is_aligned(region->gpa | region->size, mem_unit(txn->mem, region)))
		return fail(txn,
			    because(-EINVAL, "memory %s: %#llx bytes at %#llx are not whole pages",
				    region->name, (unsigned long long)region->size,
				    (unsigned long long)region->gpa));
	return 0;
}

static int add_marks(struct mem_txn *txn)
{
	struct mem_region *region = &txn->steps[txn->count - 1].region;

	region->dirty = calloc(1 + mem_dirty_words(region), sizeof(*region->dirty));
	region->body->dirty = region->dirty;
	return region->dirty ? 0 : fail(txn, because(-ENOMEM, "out of memory"));
}

int mem_txn_map(struct mem_txn *txn, const char *name, gpa_t gpa, uint64_t size, unsigned flags)
{
	const struct mem_region region = {
		.name = name, .gpa = gpa, .size = size, .flags = flags & MEM_READONLY
	};
	struct mem *mem = txn->mem;
	struct mem_region *added;
	int r = add_region(txn, STEP_MAP, &region);

	if (r < 0)
		return r;
	added = &txn->steps[txn->count - 1].region;
	pthread_mutex_lock(&mem->lock);
	r = mem_window_check(mem, added);
	if (r == 0 && !(added->flags & MEM_WINDOW))
		r = mem_back(mem, added);
	pthread_mutex_unlock(&mem->lock);
	if (r < 0)
		return fail(txn, r);
	return added->flags & MEM_WINDOW ? 0 : add_marks(txn);
}

int mem_txn_map_alias(struct mem_txn *txn, const char *name, gpa_t gpa, uint64_t size,
		      unsigned flags, const void *hva)
{
	const struct mem_region region = {
		.name = name,
		.gpa = gpa,
		.size = size,
		.flags = MEM_ALIAS | (flags & MEM_READONLY),
		.hva = (uint8_t *)(uintptr_t)hva,
	};

	int r = add_region(txn, STEP_ALIAS, &region);

	return r < 0 ? r : add_marks(txn);
}

int mem_txn_map_file(struct mem_txn *txn, const char *name, gpa_t gpa, uint64_t size,
		     unsigned flags, int fd, uint64_t offset)
{
	const struct mem_region region = {
		.name = name,
		.gpa = gpa,
		.size = size,
		.flags = MEM_FOREIGN | (flags & MEM_READONLY),
		.offset = offset,
	};
	int r = add_region(txn, STEP_MAP, &region);

	if (r == 0)
		r = mem_back_by_file(&txn->steps[txn->count - 1].region, fd);
	return r < 0 ? fail(txn, r) : 0;
}

int mem_txn_unmap(struct mem_txn *txn, gpa_t gpa)
{
	return add_step(txn, &(struct mem_step){ .kind = STEP_UNMAP, .region.gpa = gpa });
}

int mem_txn_move(struct mem_txn *txn, gpa_t gpa, gpa_t to)
{
	return add_step(txn, &(struct mem_step){ .kind = STEP_MOVE, .region.gpa = gpa, .to = to });
}

int mem_txn_protect(struct mem_txn *txn, gpa_t gpa, bool readonly)
{
	return add_step(
		txn, &(struct mem_step){ .kind = STEP_PROTECT, .region.gpa = gpa, .on = readonly });
}

int mem_txn_log(struct mem_txn *txn, bool on)
{
	return add_step(txn, &(struct mem_step){ .kind = STEP_LOG, .on = on });
}

int mem_txn_plug(struct mem_txn *txn)
{
	return add_step(txn, &(struct mem_step){ .kind = STEP_PLUG });
}

/*
 * KVM makes one deletion in one piece: the guest has the memory until then, and no vCPU does when
 * the ioctl returns. Nothing is in between, and nothing to be taken back. What the guest writes
 * until then is lost with the region, so while writes are told it is stopped first.
 */
static bool is_one_piece(const struct mem_txn *txn)
{
	return txn->count == 1 && txn->steps[0].kind == STEP_UNMAP &&
	       !atomic_load(&txn->mem->tracked);
}

static bool wants_stop(const struct mem_txn *txn)
{
	if (!txn->mem->guard.stop || is_one_piece(txn))
		return false;
	for (size_t i = 0; i < txn->count; i++)
		if (mem_step_stops(&txn->steps[i]))
			return true;
	return false;
}

/* All that may be refused for want of ferry's own memory, before KVM is told anything. */
static int prepare(const struct mem_txn *txn, struct slots *slots)
{
	const struct mem_map *map = mem_map(txn->mem);
	size_t regions = map->count + mem_tree_count(map->foreign) + txn->count;
	size_t changes = 0, edits = 0;

	for (size_t i = 0; i < txn->count; i++) {
		changes += mem_step_changes(&txn->steps[i], regions);
		edits += mem_step_edits(&txn->steps[i]);
	}
	return slots_init(slots, txn->mem, changes, edits);
}

static void free_pages(struct mem *mem, const struct mem_region *region, uint64_t from, uint64_t to)
{
	if (!(region->flags & MEM_PRIVATE))
		mem_punch(mem, region, from, to - from);
	else if (!(region->flags & (MEM_ALIAS | MEM_WINDOW)))
		mem_discard_private(mem, region, from, to - from);
}

/* Up to where, from an offset of the region on, its pages are in a region of the map, or in none. */
static uint64_t stretch(const struct mem *mem, const struct mem_region *region, uint64_t from,
			bool *ret_shared)
{
	const uint8_t *hva = region->hva + from;
	const struct mem_region *other = mem_map_find_hva(mem_map(mem), hva);

	*ret_shared = other != NULL;
	if (!other)
		other = mem_map_next_hva(mem_map(mem), NULL, hva, region->size - from);
	if (!other)
		return region->size;
	if (!*ret_shared)
		return from + (uint64_t)(other->hva - hva);
	return min_u64(region->size, from + other->size - (uint64_t)(hva - other->hva));
}

static void free_unshared(struct mem *mem, const struct mem_region *region)
{
	bool shared = (region->flags & MEM_ALIAS) || mem_map(mem)->aliases;

	if (!shared)
		free_pages(mem, region, 0, region->size);
	for (uint64_t from = 0, to; shared && from < region->size; from = to) {
		bool is_shared;

		to = stretch(mem, region, from, &is_shared);
		if (!is_shared)
			free_pages(mem, region, from, to);
	}
}

/* What was written through a region that is gone is told by those that have the same pages. */
static void hand_down(struct mem *mem, const struct mem_region *region)
{
	for (uint64_t word = 0; word < mem_dirty_words(region); word++) {
		uint64_t bits = atomic_load(&region->dirty[word]);

		for (; bits; bits &= bits - 1) {
			uint64_t page = word * 64 + (unsigned)__builtin_ctzll(bits);

			mem_mark_tracked_hva(mem, region->hva + page * GUEST_PAGE_SIZE,
					     GUEST_PAGE_SIZE);
		}
	}
}

static void settle_removed(struct mem *mem, const struct slots *slots,
			   const struct slot_change *change)
{
	const struct mem_region *region = &change->record->region;

	if (region->flags & MEM_FOREIGN)
		return;
	for (uint64_t word = 0; change->told && word < mem_dirty_words(region); word++)
		atomic_fetch_or(&region->dirty[word], change->told[word]);
	if (change->kept)
		return;
	if (slots->logged && (mem_map(mem)->aliases || (region->flags & MEM_ALIAS)))
		hand_down(mem, region);
	free_unshared(mem, region);
	if (region->flags & MEM_WINDOW)
		mem_window_unback(region);
}

/* The new picture is out, and the guest goes on: what is left of the regions that went. */
static void settle(struct mem *mem, const struct slots *slots)
{
	for (size_t i = 0; i < slots->count; i++)
		if (slots->changes[i].kind == SLOT_REMOVED)
			settle_removed(mem, slots, &slots->changes[i]);
}

static void publish(struct mem *mem, struct slots *slots)
{
	mem_publish(mem, slots->map);
	slots->map = NULL;
}

/*
 * KVM has not taken everything back: the map shall tell what it has. Pages stay in the memory's
 * file: others may share those of one that could be taken back.
 */
static void publish_rest(struct mem_txn *txn, struct slots *slots)
{
	const struct mem_map *before = mem_map(txn->mem);

	for (size_t i = 0; i < before->count; i++) {
		struct mem_region region = *mem_map_at(before, i);

		if ((region.flags & MEM_WINDOW) && !mem_map_has(slots->map, &region))
			mem_unback(txn->mem, &region);
	}
	for (size_t i = 0; i < txn->count; i++) {
		struct mem_region *region = &txn->steps[i].region;

		if (region->dirty && (region->flags & MEM_WINDOW) &&
		    !mem_map_has(slots->map, region))
			mem_unback(txn->mem, region);
		region->hva = NULL;
	}
	publish(txn->mem, slots);
}

/* lock held, and the guest stopped if need be. The guest goes on in here. */
static int commit_locked(struct mem_txn *txn, bool stopped)
{
	struct mem *mem = txn->mem;
	bool tracked = atomic_load(&mem->tracked);
	struct slots slots = { 0 };
	int r = prepare(txn, &slots), undone = 0;

	for (size_t i = 0; r == 0 && i < txn->count; i++)
		r = mem_step_make(&txn->steps[i], &slots);
	if (r == 0) {
		publish(mem, &slots);
		tracked = slots.logged;
	} else if (slots.map) {
		undone = slots_undo(&slots, r);
	}
	if (undone < 0)
		publish_rest(txn, &slots);
	atomic_store(&mem->tracked, tracked);
	if (stopped)
		mem->guard.go(mem->guard.self);
	if (r == 0)
		settle(mem, &slots);
	slots_finish(&slots);
	mem_reclaim(mem);
	mem_pool_end(mem->pool);
	return undone < 0 ? undone : r;
}

/* The steps' own memory is given back, unless the map has it. */
static void finish(struct mem_txn *txn, bool is_mapped)
{
	pthread_mutex_lock(&txn->mem->lock);
	for (size_t i = txn->count; i-- > 0;) {
		if (!is_mapped)
			mem_unback(txn->mem, &txn->steps[i].region);
		mem_body_put(txn->steps[i].region.body);
	}
	pthread_mutex_unlock(&txn->mem->lock);
	free(txn->steps);
	free(txn->text);
	*txn = (struct mem_txn){ 0 };
}

/* Takes lock, with the guest stopped if need be: what was no need before lock may be one under it. */
static int begin_commit(struct mem_txn *txn, bool *ret_stopped)
{
	struct mem *mem = txn->mem;
	bool stopped = false;

	for (;;) {
		if (wants_stop(txn)) {
			int r = mem->guard.stop(mem->guard.self);

			if (r < 0)
				return r;
			stopped = true;
		}
		pthread_mutex_lock(&mem->lock);
		if (stopped || !wants_stop(txn))
			break;
		pthread_mutex_unlock(&mem->lock);
	}
	*ret_stopped = stopped;
	return 0;
}

int mem_txn_commit(struct mem_txn *txn)
{
	struct mem *mem = txn->mem;
	bool stopped = false;
	int r = 0;

	if (txn->failed)
		r = because(txn->failed, "%s", txn->text ? txn->text : strerror(-txn->failed));
	if (r == 0)
		r = begin_commit(txn, &stopped);
	if (r == 0) {
		r = commit_locked(txn, stopped);
		pthread_mutex_unlock(&mem->lock);
	}
	finish(txn, r == 0);
	return r;
}

void mem_txn_abort(struct mem_txn *txn)
{
	finish(txn, false);
}
