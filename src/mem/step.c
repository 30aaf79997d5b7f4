/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of transactions: what each needs, and what it changes. */
#include "mem/step.h"

#include <errno.h>
#include <unistd.h>

#include <ferry/error.h>

#include "base/barrier.h"
#include "base/util.h"
#include "mem/dirty.h"
#include "mem/mem_impl.h"

/*
 * There is one place for it. Who was there keeps the pages until the commit cannot fail any more:
 * new ones cannot be there at the same time.
 */
static int back_in_window(const struct slots *slots, struct mem_region *region)
{
	for (size_t i = 0; i < slots->count; i++) {
		const struct slot_change *change = &slots->changes[i];
		const struct mem_region *gone = &change->record->region;

		if (change->kind == SLOT_REMOVED && region->gpa < gone->gpa + gone->size &&
		    gone->gpa < region->gpa + region->size)
			return because(-EBUSY, "memory %s at %#llx: memory %s leaves its place in "
				       "the window only now", region->name,
				       (unsigned long long)region->gpa, gone->name);
	}
	return mem_back(slots->mem, region);
}

static int make_map(struct slots *slots, struct mem_region *region)
{
	struct mem *mem = slots->mem;
	int r = mem_map_check(slots->map, region, mem_unit(mem, region), NULL);

	if (r == 0 && (region->flags & MEM_WINDOW))
		r = back_in_window(slots, region);
	else if (r == 0 && mem_window_has(mem, region->gpa, region->size))
		r = because(-EINVAL, "memory %s at %#llx cannot lie in the window", region->name,
			    (unsigned long long)region->gpa);
	if (r < 0)
		return r;
	if (slots->logged && !(region->flags & MEM_FOREIGN))
		mem_mark_region(region, 0, region->size);
	return slots_add(slots, region, true);
}

/* Whose addresses they are. */
static struct mem_body *owner_of(const struct mem_region *region)
{
	return region->body->owner ? region->body->owner : region->body;
}

/* Which of the file's pages the alias has: they are one row, in one region or in several. */
static int find_pages(const struct slots *slots, struct mem_region *alias)
{
	struct mem_body *body = NULL;

	for (uint64_t done = 0; done < alias->size;) {
		const uint8_t *hva = alias->hva + done;
		const struct mem_region *region = mem_map_find_hva(slots->map, hva);
		uint64_t inside;

		if (!region)
			region = mem_map_find_hva(mem_map(slots->mem), hva);
		if (!region || (region->flags & MEM_WINDOW) || (body && owner_of(region) != body))
			return -EFAULT;
		inside = (uint64_t)(hva - region->hva);
		if (!body) {
			body = owner_of(region);
			alias->offset = region->offset + inside;
			alias->flags |= region->flags & MEM_PRIVATE;
		}
		done += region->size - inside;
	}
	if (!is_aligned((uintptr_t)alias->hva, slots->mem->page_size))
		return -EFAULT;
	alias->body->owner = mem_body_get(body);
	return 0;
}

static int make_alias(struct slots *slots, struct mem_region *alias)
{
	int r = find_pages(slots, alias);

	if (r < 0)
		return because(r, "memory %s at %#llx: there are no such pages to be shared",
			       alias->name, (unsigned long long)alias->gpa);
	if (slots->mem->pager)
		return because(-EBUSY, "memory %s: its pages are not all here yet", alias->name);
	return make_map(slots, alias);
}

static int make_unmap(struct slots *slots, gpa_t gpa)
{
	struct mem_record *record = mem_map_record(slots->map, gpa);

	return record ? slots_remove(slots, record, false) : -ENOENT;
}

static int make_move(struct slots *slots, gpa_t gpa, gpa_t to)
{
	struct mem_record *record = mem_map_record(slots->map, gpa);
	struct mem_region moved;
	int r;

	if (!record)
		return -ENOENT;
	moved = record->region;
	moved.gpa = to;
	r = mem_map_check(slots->map, &moved, mem_unit(slots->mem, &moved), &record->region);
	if (r < 0 || gpa == to)
		return r;
	if ((moved.flags & MEM_WINDOW) || mem_window_has(slots->mem, to, moved.size))
		return because(-EINVAL, "memory %s at %#llx moves neither into the window nor in it",
			       moved.name, (unsigned long long)gpa);
	return slots_move(slots, record, to);
}

/* KVM refuses to change KVM_MEM_READONLY of a slot (EINVAL): it is made anew. */
static int make_protect(struct slots *slots, gpa_t gpa, bool readonly)
{
	struct mem_record *record = mem_map_record(slots->map, gpa);
	struct mem_region region;
	int r;

	if (!record)
		return -ENOENT;
	region = record->region;
	if (!(region.flags & MEM_READONLY) == !readonly)
		return 0;
	r = slots_remove(slots, record, true);
	if (r < 0)
		return r;
	region.flags ^= MEM_READONLY;
	return slots_add(slots, &region, false);
}

static void forget_marks(const struct mem_map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		const struct mem_region *region = mem_map_at(map, i);

		for (uint64_t word = 0; word < mem_dirty_words(region); word++)
			atomic_store_explicit(&region->dirty[word], 0, memory_order_relaxed);
	}
}

/* Marks of a tracking that ends in the same transaction stay: it may have to be taken back. */
static int begin_log(struct slots *slots)
{
	struct mem *mem = slots->mem;

	if (slots->logged)
		return because(-EBUSY, "the writes to memory are tracked already");
	if (sysconf(_SC_PAGESIZE) != GUEST_PAGE_SIZE)
		return because(-EOPNOTSUPP, "dirty tracking needs a host with pages of %lu bytes",
			       GUEST_PAGE_SIZE);
	if (!atomic_load(&mem->tracked))
		forget_marks(slots->map);
	mem_log_prepare(mem);
	atomic_store(&mem->tracked, true);
	return barrier_everywhere();
}

static int make_log(struct slots *slots, bool on)
{
	int r = 0;

	if (!on && !slots->logged)
		return 0;
	if (on)
		r = begin_log(slots);
	for (size_t i = 0; r == 0 && i < slots->map->count; i++)
		r = slots_log(slots, mem_map_at(slots->map, i), on);
	if (r == 0)
		slots->logged = on;
	return r;
}

static int make_plug(struct slots *slots)
{
	const struct mem_region *region;
	int r = 0;

	if (!slots->mem->is_unplugged)
		return 0;
	slots_plug(slots);
	for (size_t i = 0; r == 0 && i < slots->map->count; i++)
		r = slots_tell(slots, mem_map_at(slots->map, i));
	for (size_t i = 0; r == 0 && (region = mem_tree_at(slots->map->foreign, i)); i++)
		r = slots_tell(slots, region);
	return r;
}

int mem_step_make(struct mem_step *step, struct slots *slots)
{
	switch (step->kind) {
	case STEP_MAP:
		return make_map(slots, &step->region);
	case STEP_ALIAS:
		return make_alias(slots, &step->region);
	case STEP_UNMAP:
		return make_unmap(slots, step->region.gpa);
	case STEP_MOVE:
		return make_move(slots, step->region.gpa, step->to);
	case STEP_PROTECT:
		return make_protect(slots, step->region.gpa, step->on);
	case STEP_LOG:
		return make_log(slots, step->on);
	default:
		return make_plug(slots);
	}
}

size_t mem_step_changes(const struct mem_step *step, size_t regions)
{
	switch (step->kind) {
	case STEP_LOG:
		return regions;
	case STEP_PLUG:
		return regions + 1;
	case STEP_PROTECT:
		return 2;
	default:
		return 1;
	}
}

size_t mem_step_edits(const struct mem_step *step)
{
	switch (step->kind) {
	case STEP_LOG:
	case STEP_PLUG:
		return 0;
	case STEP_MOVE:
	case STEP_PROTECT:
		return 2;
	default:
		return 1;
	}
}

bool mem_step_stops(const struct mem_step *step)
{
	return step->kind == STEP_UNMAP || step->kind == STEP_MOVE || step->kind == STEP_PROTECT;
}
