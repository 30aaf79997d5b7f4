/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions of every kind, on memory that is tracked in every way, and what they leave. */
#ifndef TESTS_MEM_TXN_SCENARIOS_H
#define TESTS_MEM_TXN_SCENARIOS_H

#include "mem/txn_fixture.h"

#define LOW  0ULL
#define NEXT (64 * PAGE)
#define HIGH (8 * GIB)
#define ROM  (4 * GIB)
#define FREE (16 * GIB)
#define FAR  (32 * GIB)

#define LOW_PAGES  64
#define NEXT_PAGES 70
#define ROM_PAGES  16
#define HIGH_PAGES 8
#define WORDS	   4

struct variant {
	const char *name;
	bool tracked;
	unsigned refused_caps;
};

static const struct variant variants[] = {
	{ "untracked", false, 0 },
	{ "tracked", true, 0 },
	{ "tracked, not initially set", true, KVM_DIRTY_LOG_INITIALLY_SET },
	{ "tracked without manual protection", true, ~0U },
};

static inline void map(struct mem_txn *txn)
{
	mem_txn_map(txn, "new", FREE, 3 * PAGE, 0);
}

static inline void map_rom(struct mem_txn *txn)
{
	mem_txn_map(txn, "new", FREE, 3 * PAGE, MEM_READONLY);
}

static inline void map_many(struct mem_txn *txn)
{
	for (unsigned i = 0; i < 8; i++)
		mem_txn_map(txn, "new", FREE + i * 2 * PAGE, PAGE, i % 2 ? MEM_READONLY : 0);
}

static inline void unmap(struct mem_txn *txn)
{
	mem_txn_unmap(txn, NEXT);
}

static inline void unmap_all(struct mem_txn *txn)
{
	mem_txn_unmap(txn, HIGH);
	mem_txn_unmap(txn, LOW);
	mem_txn_unmap(txn, ROM);
	mem_txn_unmap(txn, NEXT);
}

static inline void move(struct mem_txn *txn)
{
	mem_txn_move(txn, HIGH, FREE);
}

static inline void move_onto_itself(struct mem_txn *txn)
{
	mem_txn_move(txn, NEXT, NEXT + PAGE);
	mem_txn_move(txn, ROM, ROM - PAGE);
}

static inline void swap(struct mem_txn *txn)
{
	mem_txn_move(txn, LOW, FREE);
	mem_txn_move(txn, HIGH, LOW);
	mem_txn_move(txn, FREE, HIGH);
}

static inline void protect(struct mem_txn *txn)
{
	mem_txn_protect(txn, NEXT, true);
}

static inline void unprotect(struct mem_txn *txn)
{
	mem_txn_protect(txn, ROM, false);
}

static inline void protect_twice(struct mem_txn *txn)
{
	mem_txn_protect(txn, LOW, true);
	mem_txn_protect(txn, ROM, false);
	mem_txn_protect(txn, LOW, false);
	mem_txn_protect(txn, HIGH, false);
}

static inline void toggle_log(struct mem_txn *txn)
{
	mem_txn_log(txn, !mem.tracked);
}

static inline void log_anew(struct mem_txn *txn)
{
	mem_txn_log(txn, false);
	mem_txn_log(txn, true);
	mem_txn_unmap(txn, HIGH);
}

static inline void replace(struct mem_txn *txn)
{
	mem_txn_unmap(txn, NEXT);
	mem_txn_map(txn, "new", NEXT, 10 * PAGE, 0);
}

/* A page in the middle of memory becomes another. */
static inline void overlay(struct mem_txn *txn)
{
	const uint8_t *hva = mem_ptr(&mem, NEXT, PAGE);

	mem_txn_unmap(txn, NEXT);
	mem_txn_map_alias(txn, "before", NEXT, 20 * PAGE, 0, hva);
	mem_txn_map(txn, "overlay", NEXT + 20 * PAGE, PAGE, 0);
	mem_txn_map_alias(txn, "behind", NEXT + 21 * PAGE, (NEXT_PAGES - 21) * PAGE, 0,
			  hva + 21 * PAGE);
}

static inline void alias(struct mem_txn *txn)
{
	const uint8_t *hva = mem_ptr(&mem, NEXT, PAGE);

	mem_txn_map_alias(txn, "again", FREE, 2 * PAGE, 0, hva + 3 * PAGE);
	mem_txn_map_alias(txn, "and again", FAR, PAGE, MEM_READONLY, hva + 4 * PAGE);
}

static inline void map_and_unmap(struct mem_txn *txn)
{
	mem_txn_map(txn, "new", FREE, PAGE, 0);
	mem_txn_move(txn, FREE, FAR);
	mem_txn_unmap(txn, FAR);
}

static inline void protect_and_move(struct mem_txn *txn)
{
	mem_txn_protect(txn, HIGH, true);
	mem_txn_move(txn, HIGH, FREE);
	mem_txn_protect(txn, FREE, false);
	mem_txn_move(txn, FREE, FAR);
}

static inline void all_kinds(struct mem_txn *txn)
{
	const uint8_t *hva = mem_ptr(&mem, LOW, PAGE);

	mem_txn_map(txn, "new", FREE, PAGE, 0);
	mem_txn_unmap(txn, NEXT);
	mem_txn_log(txn, !mem.tracked);
	mem_txn_move(txn, HIGH, NEXT);
	mem_txn_protect(txn, LOW, true);
	mem_txn_map_alias(txn, "again", FAR, PAGE, 0, hva);
	mem_txn_unmap(txn, ROM);
	mem_txn_map(txn, "last", HIGH, PAGE, 0);
}

/* is_additive: nothing is taken away, so the guest is not stopped. */
static const struct scenario {
	const char *name;
	void (*steps)(struct mem_txn *txn);
	bool is_additive;
	bool unlogs; /* a region's log may be off for a moment, and the region then be told wholly
		      */
	bool is_one_piece; /* one deletion: it stops the guest only for what was written last */
} scenarios[] = {
	{ "map", map, true, false, false },
	{ "map read-only", map_rom, true, false, false },
	{ "map many", map_many, true, false, false },
	{ "unmap", unmap, false, false, true },
	{ "unmap all", unmap_all, false, false, false },
	{ "move", move, false, false, false },
	{ "move onto itself", move_onto_itself, false, false, false },
	{ "swap", swap, false, false, false },
	{ "protect", protect, false, false, false },
	{ "unprotect", unprotect, false, false, false },
	{ "protect twice", protect_twice, false, false, false },
	{ "toggle log", toggle_log, true, true, false },
	{ "log anew", log_anew, false, true, false },
	{ "replace", replace, false, false, false },
	{ "overlay", overlay, false, false, false },
	{ "alias", alias, true, false, false },
	{ "map and unmap", map_and_unmap, false, false, false },
	{ "protect and move", protect_and_move, false, false, false },
	{ "all kinds", all_kinds, false, true, false },
};

/* What there is to be compared. */
struct state {
	const struct mem_map *map;
	size_t count;
	struct mem_region regions[SLOTS];
	struct kvm_userspace_memory_region model[SLOTS];
	uint64_t told[SLOTS][WORDS], marks[SLOTS][WORDS], log[SLOTS][WORDS];
	uint64_t slots, memfd_size;
	bool tracked;
};

static inline void read_log(const struct mem_region *region, uint64_t *bits)
{
	struct kvm_dirty_log log = { .slot = region->slot, .dirty_bitmap = bits };

	if (mem.tracked && mem.manual_protect && !(region->flags & MEM_READONLY))
		ck_assert_int_eq(kvm_get_dirty_log(mem.vm_fd, &log), 0);
}

static inline void take_state(struct state *state)
{
	memset(state, 0, sizeof(*state));
	state->map = mem_map(&mem);
	state->count = state->map->count;
	state->slots = mem.slots[0];
	state->memfd_size = mem.memfd_size;
	state->tracked = mem.tracked;
	memcpy(state->model, faults.model, sizeof(state->model));
	for (size_t i = 0; i < state->count; i++) {
		const struct mem_region *region = mem_map_at(state->map, i);

		memcpy(&state->regions[i], region, sizeof(*region));
		if (mem.manual_protect)
			for (unsigned word = 0; word < mem_dirty_words(region); word++)
				state->marks[i][word] = region->dirty[word];
		read_log(region, state->log[i]);
		if (mem.tracked)
			ck_assert_int_eq(mem_dirty_collect(&mem, region, state->told[i]), 0);
	}
}

static inline void check_same(const struct state *a, const struct state *b, bool more)
{
	ck_assert_ptr_eq(a->map, b->map);
	ck_assert_uint_eq(a->count, b->count);
	ck_assert(memcmp(a->regions, b->regions, sizeof(a->regions)) == 0);
	ck_assert(memcmp(a->model, b->model, sizeof(a->model)) == 0);
	ck_assert_uint_eq(a->slots, b->slots);
	ck_assert_uint_eq(a->memfd_size, b->memfd_size);
	ck_assert_int_eq(a->tracked, b->tracked);
	for (size_t i = 0; i < a->count; i++)
		for (unsigned word = 0; word < WORDS; word++)
			ck_assert_uint_eq(a->told[i][word] & ~b->told[i][word], 0);
	if (more)
		return;
	ck_assert(memcmp(a->told, b->told, sizeof(a->told)) == 0);
	/* Where KVM cannot be given its bits back, the marks have them. */
	if (!mem.initially_set)
		return;
	ck_assert(memcmp(a->marks, b->marks, sizeof(a->marks)) == 0);
	ck_assert(memcmp(a->log, b->log, sizeof(a->log)) == 0);
}

/* KVM's log tells every third page, and ferry's marks every fifth. */
static inline void make_dirty(const struct mem_region *region)
{
	uint64_t bits[WORDS] = { 0 };

	for (uint64_t page = 0; page < region->size / PAGE; page++) {
		if (page % 3)
			bits[page / 64] |= 1ULL << page % 64;
		if (page % 5 == 0)
			mem_mark_dirty(&mem, region->gpa + page * PAGE, 1);
	}
	ck_assert_int_eq(mem_dirty_clear(&mem, region, 0, region->size / PAGE, bits), 0);
	for (uint64_t page = 0; page < region->size / PAGE; page += 5)
		mem_mark_dirty(&mem, region->gpa + page * PAGE, 1);
}

static inline void begin(const struct variant *variant)
{
	static const uint32_t word = 0x600dda7a;

	fixture_open(variant->refused_caps);
	ck_assert_int_eq(mem_map_ram(&mem, "low", LOW, LOW_PAGES * PAGE, 0), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "next", NEXT, NEXT_PAGES * PAGE, 0), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "rom", ROM, ROM_PAGES * PAGE, MEM_READONLY), 0);
	ck_assert_int_eq(mem_map_ram(&mem, "high", HIGH, HIGH_PAGES * PAGE, 0), 0);
	for (size_t i = 0; i < mem_map(&mem)->count; i++)
		memcpy(mem_map_at(mem_map(&mem), i)->hva, &word, sizeof(word));
	if (variant->tracked) {
		ck_assert_int_eq(mem_dirty_start(&mem), 0);
		ck_assert_int_eq(mem.manual_protect, variant->refused_caps != ~0U);
		ck_assert_int_eq(mem.initially_set, variant->refused_caps == 0);
		for (size_t i = 0; i < mem_map(&mem)->count; i++)
			make_dirty(mem_map_at(mem_map(&mem), i));
	}
	check_model();
	check_logs();
	faults.stops = faults.goes = 0;
}

static inline int commit(const struct scenario *scenario)
{
	struct mem_txn txn;
	int r;

	faults.seen = 0;
	faults.hit = 0;
	faults.in_pieces = !scenario->is_one_piece;
	error_clear();
	mem_txn_begin(&txn, &mem);
	scenario->steps(&txn);
	r = mem_txn_commit(&txn);
	faults.at[0] = faults.at[1] = -1;
	faults.in_pieces = false;
	return r;
}

static inline int expected_stops(const struct variant *variant, const struct scenario *scenario)
{
	return !scenario->is_additive && !(scenario->is_one_piece && !variant->tracked);
}

/* Content stays, wherever it has gone. */
static inline void check_content(const struct scenario *scenario)
{
	for (size_t i = 0; i < mem_map(&mem)->count; i++) {
		const struct mem_region *region = mem_map_at(mem_map(&mem), i);
		uint32_t word = 0;

		memcpy(&word, region->hva, sizeof(word));
		if (strlen(region->name) == 4 || !strcmp(region->name, "low"))
			ck_assert_msg(word == 0x600dda7a || !strcmp(region->name, "last"), "%s: %s",
				      scenario->name, region->name);
	}
}

#endif
