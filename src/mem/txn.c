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
	int r = add_step(txn, &step);

	if (r < 0)
		return r;
	region = &txn->steps[txn->count - 1].region;
	if (!region->size || region->gpa + region->size < region->gpa ||
	    !is_aligned(region->gpa | region->size, txn->mem->page_size))
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

int mem_txn_call(struct mem_txn *txn, int (*fn)(struct mem *mem, struct mem_map *next, void *arg),
		 void *arg)
{
	return add_step(txn, &(struct mem_step){ .kind = STEP_CALL, .fn = fn, .arg = arg });
}

static bool wants_stop(const struct mem_txn *txn)
{
	for (size_t i = 0; txn->mem->guard.stop && i < txn->count; i++)
		if (mem_step_stops(&txn->steps[i]))
			return true;
	return false;
}

/* All that may be refused for want of ferry's own memory, before KVM is told anything. */
static int prepare(const struct mem_txn *txn, struct slots *slots)
{
	struct mem *mem = txn->mem;
	size_t regions = mem_map(mem)->count + txn->count, changes = 0;
	/* At most what each step takes away, and what it has brought. */
	struct mem_region *dropped = reallocarray(
		mem->dropped, mem->dropped_count + 2 * txn->count + 1, sizeof(*dropped));

	if (!dropped)
		return because(-ENOMEM, "out of memory");
	mem->dropped = dropped;
	for (size_t i = 0; i < txn->count; i++)
		changes += mem_step_changes(&txn->steps[i], regions);
	return slots_init(slots, mem, changes);
}

/*
 * Readers of older pictures may still use the region: what it is made of stays until mem_finish().
 * In the window the place is kept for them, and something else is there.
 */
static void drop(struct mem *mem, const struct mem_region *region)
{
	struct mem_region gone = *region;

	if (region->flags & MEM_WINDOW)
		mem_unback(mem, &gone);
	else
		mem->dropped[mem->dropped_count++] = gone;
}

static void free_pages(struct mem *mem, const struct mem_region *region, uint64_t from, uint64_t to)
{
	if (!(region->flags & MEM_PRIVATE))
		mem_punch(mem, region, from, to - from);
	else if (!(region->flags & (MEM_ALIAS | MEM_WINDOW)))
		mem_discard_private(mem, region, from, to - from);
}

/* Up to where, from an offset of the region on, its pages are in a region of the map, or in none.
 */
static uint64_t stretch(const struct mem *mem, const struct mem_region *region, uint64_t from,
			bool *ret_shared)
{
	const struct mem_map *map = mem_map(mem);
	uint64_t to = region->size;

	*ret_shared = false;
	for (size_t i = 0; i < map->count; i++) {
		uint64_t inside = (uintptr_t)region->hva + from - (uintptr_t)map->regions[i].hva;
		uint64_t until = -inside;

		if (inside < map->regions[i].size) {
			*ret_shared = true;
			return min_u64(to, from + map->regions[i].size - inside);
		}
		to = from + min_u64(to - from, until);
	}
	return to;
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

/* The new picture is out, and the guest goes on: what is left of the regions that went. */
static void settle(struct mem *mem, const struct slots *slots)
{
	for (size_t i = 0; i < slots->count; i++) {
		const struct slot_change *change = &slots->changes[i];
		const struct mem_region *region = &change->region;

		if (change->kind != SLOT_REMOVED)
			continue;
		for (uint64_t word = 0; change->told && word < mem_dirty_words(region); word++)
			atomic_fetch_or(&region->dirty[word], change->told[word]);
		if (change->kept)
			continue;
		if (slots->logged && (mem_map(mem)->aliases || (region->flags & MEM_ALIAS)))
			hand_down(mem, region);
		free_unshared(mem, region);
		drop(mem, region);
	}
}

static void publish(struct mem *mem, struct slots *slots)
{
	mem_publish(mem, slots->map);
	slots->map = NULL;
}

/* KVM has not taken everything back: the map shall tell what it has. */
static void publish_rest(struct mem_txn *txn, struct slots *slots)
{
	const struct mem_map *before = mem_map(txn->mem);

	for (size_t i = 0; i < before->count; i++)
		if (!mem_map_has(slots->map, &before->regions[i]))
			drop(txn->mem, &before->regions[i]);
	/* Others of them may share the pages of one that could be taken back. */
	for (size_t i = 0; i < txn->count; i++) {
		struct mem_region *region = &txn->steps[i].region;

		if (region->dirty && !mem_map_has(slots->map, region))
			drop(txn->mem, region);
		*region = (struct mem_region){ 0 };
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
	return undone < 0 ? undone : r;
}

/* The steps' own memory is given back, unless the map has it. */
static void finish(struct mem_txn *txn, bool is_mapped)
{
	if (!is_mapped) {
		pthread_mutex_lock(&txn->mem->lock);
		for (size_t i = txn->count; i-- > 0;)
			mem_unback(txn->mem, &txn->steps[i].region);
		pthread_mutex_unlock(&txn->mem->lock);
	}
	free(txn->steps);
	free(txn->text);
	*txn = (struct mem_txn){ 0 };
}

int mem_txn_commit(struct mem_txn *txn)
{
	struct mem *mem = txn->mem;
	bool stopped = false;
	int r = 0;

	if (txn->failed)
		r = because(txn->failed, "%s", txn->text ? txn->text : strerror(-txn->failed));
	if (r == 0 && wants_stop(txn)) {
		r = mem->guard.stop(mem->guard.self);
		stopped = r == 0;
	}
	if (r == 0) {
		pthread_mutex_lock(&mem->lock);
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
