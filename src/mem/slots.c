/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of KVM's slots, and the way back. */
#include "mem/slots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/error.h>

#include "base/bits.h"
#include "mem/dirty.h"
#include "mem/mem_impl.h"

int slots_init(struct slots *slots, struct mem *mem, size_t changes, size_t edits)
{
	*slots = (struct slots){ .mem = mem, .logged = atomic_load(&mem->tracked) };
	slots->changes = calloc(changes + 1, sizeof(*slots->changes));
	if (!slots->changes)
		return because(-ENOMEM, "out of memory");
	return mem_map_edit(mem, edits, &slots->map);
}

static void forget(struct slot_change *change)
{
	mem_record_put(change->record);
	free(change->told);
}

void slots_finish(struct slots *slots)
{
	for (size_t i = 0; slots->changes && i < slots->count; i++)
		forget(&slots->changes[i]);
	free(slots->changes);
	mem_map_put(slots->map);
	*slots = (struct slots){ 0 };
}

/* Takes the reference to the record. */
static struct slot_change *note(struct slots *slots, enum slot_change_kind kind,
				struct mem_record *record)
{
	struct slot_change *change = &slots->changes[slots->count++];

	*change = (struct slot_change){ .kind = kind, .record = record };
	return change;
}

static int refused(int r, const struct mem_region *region)
{
	return because(r, "KVM refuses memory %s at %#llx: %s", region->name,
		       (unsigned long long)region->gpa, strerror(-r));
}

static bool is_slot_used(const struct mem *mem, uint32_t slot)
{
	return mem->slots[slot / 64] >> slot % 64 & 1;
}

static void use_slot(struct mem *mem, uint32_t slot, bool used)
{
	if (used) {
		mem->slots[slot / 64] |= 1ULL << slot % 64;
		return;
	}
	mem->slots[slot / 64] &= ~(1ULL << slot % 64);
	if (slot < mem->first_slot)
		mem->first_slot = slot;
}

static int free_slot(struct mem *mem, uint32_t *ret_slot)
{
	for (uint32_t word = mem->first_slot / 64; word * 64 < mem->max_slots; word++) {
		uint64_t unused = ~mem->slots[word] & bits_word_mask(word, 0, mem->max_slots);

		if (!unused)
			continue;
		*ret_slot = word * 64 + (uint32_t)__builtin_ctzll(unused);
		mem->first_slot = *ret_slot;
		return 0;
	}
	return because(-ENOSPC, "all %u memory slots are in use", mem->max_slots);
}

/* ~told, and of the last word only what is a page; told NULL: all. */
static int clear_but(const struct mem *mem, const struct mem_region *region, const uint64_t *told)
{
	uint64_t words = mem_dirty_words(region), pages = region->size / GUEST_PAGE_SIZE;
	uint64_t *bits = calloc(words, sizeof(*bits));
	int r;

	if (!bits)
		return because(-ENOMEM, "out of memory");
	for (uint64_t i = 0; i < words; i++)
		bits[i] = ~(told ? told[i] : 0) & bits_word_mask(i, 0, pages);
	r = mem_log_clear(mem, region, bits);
	free(bits);
	return r;
}

static void mark(const struct mem_region *region, const uint64_t *told)
{
	for (uint64_t i = 0; i < mem_dirty_words(region); i++)
		if (told[i])
			atomic_fetch_or(&region->dirty[i], told[i]);
}

/* The log of a slot that KVM has just made says what told says, with ferry's marks' help. */
static int restore_log(const struct mem *mem, const struct mem_region *region, const uint64_t *told)
{
	if (mem->manual_protect && mem->initially_set)
		return clear_but(mem, region, told);
	if (told)
		mark(region, told);
	return 0;
}

static int check_pins(const struct mem *mem, const struct mem_region *region)
{
	if (!mem->pins || (region->flags & MEM_FOREIGN))
		return 0;
	return because(-EBUSY, "memory is being copied: its map cannot change now");
}

int slots_add(struct slots *slots, struct mem_region *region, bool is_new)
{
	struct mem *mem = slots->mem;
	struct mem_record *record;
	int r = check_pins(mem, region);

	if (r == 0 && is_new)
		r = free_slot(mem, &region->slot);
	if (r < 0)
		return r;
	if (is_new)
		region->id = ++mem->last_id;
	record = mem_record_create(region);
	if (!record)
		return because(-ENOMEM, "out of memory");
	r = mem_set_slot(mem, region, region->size, slots->logged);
	if (r < 0) {
		mem_record_put(record);
		return refused(r, region);
	}
	use_slot(mem, region->slot, true);
	mem_map_insert(mem, slots->map, record);
	note(slots, SLOT_ADDED, record);
	if (!is_new && slots->logged && mem_has_log(mem, region))
		return restore_log(mem, region, NULL);
	return 0;
}

/* The guest is at rest, so nothing is written between the two. */
static int remove_slot(const struct mem *mem, const struct mem_region *region, bool logged,
		       uint64_t **ret_told)
{
	uint64_t *told = NULL;
	int r = logged ? mem_log_get(mem, region, &told) : 0;

	if (r < 0)
		return r;
	r = mem_set_slot(mem, region, 0, false);
	if (r == 0) {
		*ret_told = told;
		return 0;
	}
	/* Where asking for the log has cleared it, the marks have what it said. */
	if (told && !mem->manual_protect)
		mark(region, told);
	free(told);
	return refused(r, region);
}

int slots_remove(struct slots *slots, struct mem_record *record, bool kept)
{
	const struct mem_region *region = &record->region;
	struct slot_change *change;
	uint64_t *told = NULL;
	bool logged = slots->logged && mem_has_log(slots->mem, region);
	int r = check_pins(slots->mem, region);

	if (r == 0)
		r = remove_slot(slots->mem, region, logged, &told);
	if (r < 0)
		return r;
	change = note(slots, SLOT_REMOVED, mem_record_get(record));
	change->kept = kept;
	change->told = told;
	use_slot(slots->mem, region->slot, false);
	mem_map_remove(slots->mem, slots->map, record);
	return 0;
}

int slots_move(struct slots *slots, struct mem_record *record, gpa_t to)
{
	struct mem_region region = record->region;
	struct mem_record *moved;
	int r = check_pins(slots->mem, &region);

	if (r < 0)
		return r;
	region.gpa = to;
	moved = mem_record_create(&region);
	if (!moved)
		return because(-ENOMEM, "out of memory");
	r = mem_set_slot(slots->mem, &region, region.size, slots->logged);
	if (r < 0) {
		mem_record_put(moved);
		return refused(r, &region);
	}
	note(slots, SLOT_MOVED, mem_record_get(record))->to = to;
	mem_map_replace(slots->mem, slots->map, record, moved);
	mem_record_put(moved);
	return 0;
}

int slots_log(struct slots *slots, const struct mem_region *region, bool on)
{
	int r;

	if (region->flags & MEM_READONLY)
		return 0;
	r = mem_set_slot(slots->mem, region, region->size, on);
	if (r < 0)
		return because(r, "KVM's dirty log of memory %s: %s", region->name, strerror(-r));
	note(slots, on ? SLOT_LOGGED : SLOT_UNLOGGED, mem_record_get(mem_record_of(region)));
	return 0;
}

void slots_plug(struct slots *slots)
{
	slots->mem->is_unplugged = false;
	note(slots, SLOT_PLUGGED, NULL);
}

int slots_tell(struct slots *slots, const struct mem_region *region)
{
	int r = mem_set_slot(slots->mem, region, region->size, slots->logged);

	if (r < 0)
		return refused(r, region);
	note(slots, SLOT_TOLD, mem_record_get(mem_record_of(region)));
	return 0;
}

/* The change's region where it is now; NULL: that it was taken away could not be taken back. */
static struct mem_record *find(const struct slots *slots, const struct slot_change *change,
			       gpa_t gpa)
{
	const struct mem_region *region = mem_map_find_any(slots->map, gpa);

	if (!region || region->gpa != gpa || region->slot != change->record->region.slot)
		return NULL;
	return mem_record_of(region);
}

static int undo_add(struct slots *slots, const struct slot_change *change)
{
	const struct mem_region *region = &change->record->region;
	struct mem_record *record = find(slots, change, region->gpa);
	int r;

	if (!record)
		return 0;
	r = mem_set_slot(slots->mem, region, 0, false);
	if (r < 0)
		return r;
	use_slot(slots->mem, region->slot, false);
	mem_record_get(record);
	mem_map_remove(slots->mem, slots->map, record);
	mem_record_put(record);
	return 0;
}

static int undo_remove(struct slots *slots, const struct slot_change *change)
{
	const struct mem_region *region = &change->record->region;
	bool logged = change->told != NULL;
	int r;

	/* Its other form could not be taken back: that is what is there. */
	if (change->kept && mem_map_has(slots->map, region))
		return 0;
	/* Somebody's number who could not be taken back: KVM would take this for a move. */
	if (is_slot_used(slots->mem, region->slot))
		return -EBUSY;
	r = mem_set_slot(slots->mem, region, region->size, logged);
	if (r < 0)
		return r;
	use_slot(slots->mem, region->slot, true);
	mem_map_insert(slots->mem, slots->map, change->record);
	return logged ? restore_log(slots->mem, region, change->told) : 0;
}

static int undo_move(struct slots *slots, const struct slot_change *change)
{
	const struct mem_region *region = &change->record->region;
	struct mem_record *moved = find(slots, change, change->to);
	int r;

	if (!moved)
		return 0;
	r = mem_set_slot(slots->mem, region, region->size, slots->logged);
	if (r < 0)
		return r;
	mem_record_get(moved);
	mem_map_replace(slots->mem, slots->map, moved, change->record);
	mem_record_put(moved);
	return 0;
}

static int undo_one(struct slots *slots, const struct slot_change *change)
{
	const struct mem_region *region;

	if (change->kind == SLOT_PLUGGED) {
		slots->mem->is_unplugged = true;
		return 0;
	}
	region = &change->record->region;
	switch (change->kind) {
	case SLOT_ADDED:
		return undo_add(slots, change);
	case SLOT_REMOVED:
		return undo_remove(slots, change);
	case SLOT_MOVED:
		return undo_move(slots, change);
	case SLOT_LOGGED:
		slots->logged = false;
		return mem_set_slot(slots->mem, region, region->size, false);
	case SLOT_TOLD:
		return mem_set_slot(slots->mem, region, 0, false);
	default:
		slots->logged = true;
		/* Nobody has watched meanwhile. */
		mem_mark_region(region, 0, region->size);
		return mem_set_slot(slots->mem, region, region->size, true);
	}
}

/* What is said of a change that KVM does not take back. */
static const char *remains(const struct slots *slots, const struct slot_change *change)
{
	switch (change->kind) {
	case SLOT_ADDED:
		return "stays mapped so";
	case SLOT_REMOVED:
		return mem_map_has(slots->map, &change->record->region) ? "counts as written"
								: "is gone from the guest";
	case SLOT_MOVED:
		return "stays where it was moved";
	case SLOT_LOGGED:
		return "stays logged";
	case SLOT_TOLD:
		return "is KVM's already";
	default:
		return "stays without a log";
	}
}

int slots_undo(struct slots *slots, int why)
{
	char text[ERROR_TEXT_MAX];
	int err = 0;

	for (; slots->count; slots->count--) {
		struct slot_change *change = &slots->changes[slots->count - 1];
		int r;

		snprintf(text, sizeof(text), "%s", error_text(why));
		r = undo_one(slots, change);
		if (r < 0)
			err = -ENOTRECOVERABLE;
		if (change->told && err < 0)
			mark(&change->record->region, change->told);
		because(err, "%s", text);
		if (r < 0)
			because(err, "%s; not taken back (%s): memory %s at %#llx %s", text,
				strerror(-r), change->record->region.name,
				(unsigned long long)change->record->region.gpa,
				remains(slots, change));
		forget(change);
	}
	return err;
}
