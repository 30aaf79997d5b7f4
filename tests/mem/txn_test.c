/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions of every kind, and a failure at each of their ioctls: all of it happens, or nothing.
 */
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

static void map(struct mem_txn *txn)
{
	mem_txn_map(txn, "new", FREE, 3 * PAGE, 0);
}

static void map_rom(struct mem_txn *txn)
{
	mem_txn_map(txn, "new", FREE, 3 * PAGE, MEM_READONLY);
}

static void map_many(struct mem_txn *txn)
{
	for (unsigned i = 0; i < 8; i++)
		mem_txn_map(txn, "new", FREE + i * 2 * PAGE, PAGE, i % 2 ? MEM_READONLY : 0);
}

static void unmap(struct mem_txn *txn)
{
	mem_txn_unmap(txn, NEXT);
}

static void unmap_all(struct mem_txn *txn)
{
	mem_txn_unmap(txn, HIGH);
	mem_txn_unmap(txn, LOW);
	mem_txn_unmap(txn, ROM);
	mem_txn_unmap(txn, NEXT);
}

static void move(struct mem_txn *txn)
{
	mem_txn_move(txn, HIGH, FREE);
}

static void move_onto_itself(struct mem_txn *txn)
{
	mem_txn_move(txn, NEXT, NEXT + PAGE);
	mem_txn_move(txn, ROM, ROM - PAGE);
}

static void swap(struct mem_txn *txn)
{
	mem_txn_move(txn, LOW, FREE);
	mem_txn_move(txn, HIGH, LOW);
	mem_txn_move(txn, FREE, HIGH);
}

static void protect(struct mem_txn *txn)
{
	mem_txn_protect(txn, NEXT, true);
}

static void unprotect(struct mem_txn *txn)
{
	mem_txn_protect(txn, ROM, false);
}

static void protect_twice(struct mem_txn *txn)
{
	mem_txn_protect(txn, LOW, true);
	mem_txn_protect(txn, ROM, false);
	mem_txn_protect(txn, LOW, false);
	mem_txn_protect(txn, HIGH, false);
}

static void toggle_log(struct mem_txn *txn)
{
	mem_txn_log(txn, !mem.tracked);
}

static void log_anew(struct mem_txn *txn)
{
	mem_txn_log(txn, false);
	mem_txn_log(txn, true);
	mem_txn_unmap(txn, HIGH);
}

static void replace(struct mem_txn *txn)
{
	mem_txn_unmap(txn, NEXT);
	mem_txn_map(txn, "new", NEXT, 10 * PAGE, 0);
}

/* A page in the middle of memory becomes another. */
static void overlay(struct mem_txn *txn)
{
	const uint8_t *hva = mem_ptr(&mem, NEXT, PAGE);

	mem_txn_unmap(txn, NEXT);
	mem_txn_map_alias(txn, "before", NEXT, 20 * PAGE, 0, hva);
	mem_txn_map(txn, "overlay", NEXT + 20 * PAGE, PAGE, 0);
	mem_txn_map_alias(txn, "behind", NEXT + 21 * PAGE, (NEXT_PAGES - 21) * PAGE, 0,
			  hva + 21 * PAGE);
}

static void alias(struct mem_txn *txn)
{
	const uint8_t *hva = mem_ptr(&mem, NEXT, PAGE);

	mem_txn_map_alias(txn, "again", FREE, 2 * PAGE, 0, hva + 3 * PAGE);
	mem_txn_map_alias(txn, "and again", FAR, PAGE, MEM_READONLY, hva + 4 * PAGE);
}

static void map_and_unmap(struct mem_txn *txn)
{
	mem_txn_map(txn, "new", FREE, PAGE, 0);
	mem_txn_move(txn, FREE, FAR);
	mem_txn_unmap(txn, FAR);
}

static void protect_and_move(struct mem_txn *txn)
{
	mem_txn_protect(txn, HIGH, true);
	mem_txn_move(txn, HIGH, FREE);
	mem_txn_protect(txn, FREE, false);
	mem_txn_move(txn, FREE, FAR);
}

static void all_kinds(struct mem_txn *txn)
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
} scenarios[] = {
	{ "map", map, true, false },
	{ "map read-only", map_rom, true, false },
	{ "map many", map_many, true, false },
	{ "unmap", unmap, false, false },
	{ "unmap all", unmap_all, false, false },
	{ "move", move, false, false },
	{ "move onto itself", move_onto_itself, false, false },
	{ "swap", swap, false, false },
	{ "protect", protect, false, false },
	{ "unprotect", unprotect, false, false },
	{ "protect twice", protect_twice, false, false },
	{ "toggle log", toggle_log, true, true },
	{ "log anew", log_anew, false, true },
	{ "replace", replace, false, false },
	{ "overlay", overlay, false, false },
	{ "alias", alias, true, false },
	{ "map and unmap", map_and_unmap, false, false },
	{ "protect and move", protect_and_move, false, false },
	{ "all kinds", all_kinds, false, true },
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

static void read_log(const struct mem_region *region, uint64_t *bits)
{
	struct kvm_dirty_log log = { .slot = region->slot, .dirty_bitmap = bits };

	if (mem.tracked && mem.manual_protect && !(region->flags & MEM_READONLY))
		ck_assert_int_eq(kvm_get_dirty_log(mem.vm_fd, &log), 0);
}

static void take_state(struct state *state)
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

static void check_same(const struct state *a, const struct state *b, bool more)
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
static void make_dirty(const struct mem_region *region)
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

static void begin(const struct variant *variant)
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

static int commit(const struct scenario *scenario)
{
	struct mem_txn txn;
	int r;

	faults.seen = 0;
	faults.hit = 0;
	error_clear();
	mem_txn_begin(&txn, &mem);
	scenario->steps(&txn);
	r = mem_txn_commit(&txn);
	faults.at[0] = faults.at[1] = -1;
	return r;
}

/* Content stays, wherever it has gone. */
static void check_content(const struct scenario *scenario)
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

static int run_whole(const struct variant *variant, const struct scenario *scenario)
{
	int r, seen;

	begin(variant);
	r = commit(scenario);
	ck_assert_msg(r == 0, "%s: %s: %s", variant->name, scenario->name, error_text(r));
	seen = faults.seen;
	check_model();
	check_logs();
	check_at_rest();
	check_content(scenario);
	ck_assert_int_eq(faults.stops, !scenario->is_additive);
	fixture_close();
	return seen;
}

static void fail_at(const struct variant *variant, const struct scenario *scenario, int at,
		    int error)
{
	static struct state was, is;
	bool more = scenario->unlogs;
	int r;

	begin(variant);
	take_state(&was);
	faults.at[0] = at;
	faults.error = error;
	r = commit(scenario);
	/* What is asked of KVM besides may fail without harm. */
	if (r == 0) {
		fixture_close();
		return;
	}
	ck_assert_int_eq(faults.hit, 1);
	ck_assert_int_eq(r, error);
	ck_assert(strstr(error_text(r), strerror(-error)));
	take_state(&is);
	check_same(&was, &is, more);
	check_model();
	check_logs();
	check_at_rest();
	check_content(scenario);
	/* And it can be done after all. */
	ck_assert_int_eq(commit(scenario), 0);
	check_model();
	check_logs();
	fixture_close();
}

START_TEST(test_every_kind_of_transaction_is_what_kvm_has_afterwards)
{
	for (size_t v = 0; v < ARRAY_SIZE(variants); v++)
		for (size_t s = 0; s < ARRAY_SIZE(scenarios); s++)
			ck_assert_int_gt(run_whole(&variants[v], &scenarios[s]), 0);
}
END_TEST

START_TEST(test_a_failure_at_any_ioctl_leaves_everything_as_it_was)
{
	static const int errors[] = { -ENOMEM, -EINVAL, -EEXIST };
	unsigned turn = 0;
	int cases = 0, left_out = 0;

	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		for (size_t s = 0; s < ARRAY_SIZE(scenarios); s++) {
			int count = run_whole(&variants[v], &scenarios[s]);

			for (int at = 0; at < count; at++)
				for (size_t e = 0; e < ARRAY_SIZE(errors); e++, cases++)
					if (is_left_out(&turn, 7))
						left_out++;
					else
						fail_at(&variants[v], &scenarios[s], at, errors[e]);
		}
	}
	printf("%d failures\n", cases - left_out);
	ck_assert_int_gt(cases, 500);
}
END_TEST

/* Whether the second one was reached: it is in the way back. */
static bool fail_twice(const struct variant *variant, const struct scenario *scenario, int at,
		       int again)
{
	static struct state is;
	int r, hit;

	begin(variant);
	faults.at[0] = at;
	faults.at[1] = again;
	faults.error = -ENOMEM;
	r = commit(scenario);
	hit = faults.hit;
	check_model();
	check_at_rest();
	if (r < 0 && hit == 2 && r != -ENOMEM) {
		ck_assert_int_eq(r, -ENOTRECOVERABLE);
		ck_assert_msg(strstr(error_text(r), "not taken back"), "%s", error_text(r));
		/* All that there is can be taken away and made again. */
		take_state(&is);
		for (size_t i = is.count; i-- > 0;)
			ck_assert_int_eq(mem_unmap(&mem, is.regions[i].gpa), 0);
		check_model();
		ck_assert_int_eq(mem_map_ram(&mem, "low", LOW, LOW_PAGES * PAGE, 0), 0);
		check_model();
	}
	fixture_close();
	return hit == 2;
}

START_TEST(test_what_cannot_be_taken_back_is_told_and_the_map_is_what_kvm_has)
{
	unsigned turn = 0;
	int cases = 0;

	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		for (size_t s = 0; s < ARRAY_SIZE(scenarios); s++) {
			int count = run_whole(&variants[v], &scenarios[s]);

			if (scenarios[s].unlogs)
				continue;
			for (int at = 0; at < count; at++)
				for (int again = at + 1;
				     !is_left_out(&turn, 7) &&
				     fail_twice(&variants[v], &scenarios[s], at, again); again++)
					cases++;
		}
	}
	printf("%d double failures\n", cases);
	ck_assert_int_gt(cases, turn ? 10 : 200);
}
END_TEST

static void step_fails_at_commit(struct mem_txn *txn)
{
	mem_txn_move(txn, HIGH, FREE);
	mem_txn_unmap(txn, NEXT);
	mem_txn_protect(txn, LOW, true);
	mem_txn_map(txn, "new", ROM + PAGE, PAGE, 0); /* overlaps */
}

static void check_refused(void (*steps)(struct mem_txn *txn), int error, const char *text)
{
	const struct scenario scenario = { .steps = steps };
	static struct state was, is;
	int r;

	for (size_t v = 0; v < ARRAY_SIZE(variants); v++) {
		begin(&variants[v]);
		take_state(&was);
		r = commit(&scenario);
		ck_assert_int_eq(r, error);
		ck_assert_msg(strstr(error_text(r), text), "%s", error_text(r));
		take_state(&is);
		check_same(&was, &is, false);
		check_model();
		check_at_rest();
		fixture_close();
	}
}

static void step_fails_at_once(struct mem_txn *txn)
{
	mem_txn_unmap(txn, NEXT);
	ck_assert_int_eq(mem_txn_map(txn, "odd", FREE, 100, 0), -EINVAL);
	ck_assert_int_eq(mem_txn_unmap(txn, LOW), -EINVAL);
}

static void step_unknown(struct mem_txn *txn)
{
	mem_txn_unmap(txn, HIGH);
	mem_txn_unmap(txn, HIGH);
}

static void step_move_onto_other(struct mem_txn *txn)
{
	mem_txn_unmap(txn, LOW);
	mem_txn_move(txn, NEXT, ROM + PAGE);
}

static void step_foreign_alias(struct mem_txn *txn)
{
	static uint8_t page[2 * PAGE] __attribute__((aligned(4096)));

	mem_txn_unmap(txn, LOW);
	mem_txn_map_alias(txn, "alias", LOW, PAGE, 0, page);
}

static void step_alias_past_end(struct mem_txn *txn)
{
	mem_txn_map_alias(txn, "alias", FREE, 2 * PAGE, 0,
			  (const uint8_t *)mem_ptr(&mem, HIGH, PAGE) + (HIGH_PAGES - 1) * PAGE);
}

START_TEST(test_a_step_that_cannot_be_undoes_those_before)
{
	check_refused(step_fails_at_commit, -EEXIST, "new");
	check_refused(step_fails_at_once, -EINVAL, "odd");
	check_refused(step_unknown, -ENOENT, "no memory begins");
	check_refused(step_move_onto_other, -EEXIST, "rom");
	check_refused(step_foreign_alias, -EFAULT, "alias");
	check_refused(step_alias_past_end, -EFAULT, "alias");
}
END_TEST

START_TEST(test_an_abort_is_as_if_nothing_had_been)
{
	static struct state was, is;
	struct mem_txn txn;

	begin(&variants[1]);
	take_state(&was);
	mem_txn_begin(&txn, &mem);
	all_kinds(&txn);
	mem_txn_abort(&txn);
	take_state(&is);
	check_same(&was, &is, false);
	check_at_rest();
	fixture_close();
}
END_TEST

static int refuse_to_stop(void *self)
{
	(void)self;
	return because(-ENOSYS, "cannot stop");
}

START_TEST(test_a_guest_that_cannot_be_stopped_keeps_its_memory)
{
	static struct state was, is;

	begin(&variants[1]);
	take_state(&was);
	mem.guard.stop = refuse_to_stop;
	ck_assert_int_eq(mem_unmap(&mem, LOW), -ENOSYS);
	ck_assert_str_eq(error_text(0), "cannot stop");
	take_state(&is);
	check_same(&was, &is, false);
	ck_assert_int_eq(faults.goes, 0);
	fixture_close();
}
END_TEST

static unsigned told(gpa_t gpa, uint64_t *bits)
{
	const struct mem_map *now = mem_map(&mem);
	unsigned sum = 0;

	for (size_t i = 0; i < now->count; i++) {
		if (mem_map_at(now, i)->gpa != gpa)
			continue;
		memset(bits, 0, WORDS * sizeof(*bits));
		ck_assert_int_eq(mem_dirty_collect(&mem, mem_map_at(now, i), bits), 0);
		for (unsigned word = 0; word < WORDS; word++)
			sum += (unsigned)__builtin_popcountll(bits[word]);
	}
	return sum;
}

START_TEST(test_dirty_pages_are_told_after_each_change)
{
	for (size_t v = 1; v < ARRAY_SIZE(variants); v++) {
		uint64_t was[WORDS], is[WORDS];

		begin(&variants[v]);
		ck_assert_uint_gt(told(NEXT, was), 10);
		ck_assert_int_eq(commit(&(struct scenario){ .steps = protect }), 0);
		told(NEXT, is);
		ck_assert(memcmp(was, is, sizeof(was)) == 0);
		told(HIGH, was);
		ck_assert_int_eq(commit(&(struct scenario){ .steps = protect_and_move }), 0);
		told(FAR, is);
		ck_assert(memcmp(was, is, sizeof(was)) == 0);
		told(ROM, was);
		ck_assert_int_eq(commit(&(struct scenario){ .steps = unprotect }), 0);
		told(ROM, is);
		ck_assert(memcmp(was, is, sizeof(was)) == 0);
		fixture_close();
	}
}
END_TEST

/* KVM says of a new slot that all of it is dirty, and of a page that is what ferry's marks say. */
START_TEST(test_what_was_written_through_an_alias_is_told_by_the_owner_when_it_goes)
{
	for (size_t v = 1; v < ARRAY_SIZE(variants); v++) {
		const struct mem_region *next;
		uint64_t bits[WORDS];

		begin(&variants[v]);
		ck_assert_int_eq(commit(&(struct scenario){ .steps = alias }), 0);
		next = mem_map_at(mem_map(&mem), 1);
		memset(bits, 0xff, sizeof(bits));
		ck_assert_int_eq(mem_dirty_clear(&mem, next, 0, NEXT_PAGES, bits), 0);
		ck_assert_uint_eq(told(NEXT, bits), 0);
		mem_mark_dirty(&mem, FREE + PAGE, 1);
		ck_assert_uint_eq(told(NEXT, bits), 0);
		ck_assert_int_eq(mem_unmap(&mem, FREE), 0);
		told(NEXT, bits);
		ck_assert_uint_eq(bits[0], 3 << 3); /* a new alias is wholly dirty */
		fixture_close();
	}
}
END_TEST

static uint32_t word_at(gpa_t gpa)
{
	uint32_t word = 0;

	ck_assert_int_eq(mem_read(&mem, gpa, &word, sizeof(word)), 0);
	return word;
}

START_TEST(test_an_overlay_hides_a_page_and_gives_it_back)
{
	static const uint32_t value = 77;
	struct mem_txn txn;

	begin(&variants[0]);
	ck_assert_int_eq(mem_write(&mem, NEXT + 20 * PAGE, &value, sizeof(value)), 0);
	ck_assert_int_eq(mem_write(&mem, NEXT + 69 * PAGE, &value, sizeof(value)), 0);
	mem_txn_begin(&txn, &mem);
	overlay(&txn);
	mem_txn_map_alias(&txn, "hidden", FAR, PAGE, 0, mem_ptr(&mem, NEXT + 20 * PAGE, PAGE));
	ck_assert_int_eq(mem_txn_commit(&txn), 0);
	ck_assert_uint_eq(word_at(NEXT + 20 * PAGE), 0);
	ck_assert_uint_eq(word_at(NEXT + 69 * PAGE), 77);
	ck_assert_uint_eq(word_at(NEXT), 0x600dda7a);
	mem_txn_begin(&txn, &mem);
	mem_txn_unmap(&txn, NEXT + 20 * PAGE);
	mem_txn_move(&txn, FAR, NEXT + 20 * PAGE);
	ck_assert_int_eq(mem_txn_commit(&txn), 0);
	ck_assert_uint_eq(word_at(NEXT + 20 * PAGE), 77);
	check_model();
	fixture_close();
}
END_TEST

/* Whether the memory's file has a page there. */
static bool has_page(uint64_t offset)
{
	off_t data = lseek(mem.memfd, (off_t)offset, SEEK_DATA);

	return data == (off_t)offset;
}

START_TEST(test_pages_are_freed_when_no_region_has_them)
{
	const struct mem_map *map;
	uint64_t offset;
	const uint8_t *hva;

	begin(&variants[0]);
	map = mem_map_get(&mem);
	offset = mem_map_at(mem_map(&mem), 1)->offset;
	hva = mem_ptr(&mem, NEXT, PAGE);
	for (unsigned page = 0; page < NEXT_PAGES; page++)
		memset((uint8_t *)mem_ptr_rw(&mem, NEXT + page * PAGE, PAGE), 1, PAGE);
	ck_assert_int_eq(commit(&(struct scenario){ .steps = alias }), 0);
	ck_assert_int_eq(mem_unmap(&mem, NEXT), 0);
	ck_assert(!has_page(offset + 2 * PAGE) && !has_page(offset + 5 * PAGE));
	ck_assert(has_page(offset + 3 * PAGE) && has_page(offset + 4 * PAGE));
	ck_assert_int_eq(*(const uint8_t *)mem_ptr(&mem, FREE, PAGE), 1);
	ck_assert_int_eq(mem_unmap(&mem, FREE), 0);
	ck_assert(!has_page(offset + 3 * PAGE) && has_page(offset + 4 * PAGE));
	ck_assert_int_eq(mem_unmap(&mem, FAR), 0);
	ck_assert(!has_page(offset + 4 * PAGE));
	ck_assert_int_eq(hva[0], 0); /* the picture's addresses stay */
	mem_map_put(map);
	fixture_close();
}
END_TEST

START_TEST(test_memory_of_failed_transactions_is_used_again)
{
	uint64_t size;

	begin(&variants[0]);
	size = mem.memfd_size;
	for (int i = 0; i < 1000; i++) {
		faults.at[0] = 5;
		faults.error = -ENOMEM;
		ck_assert_int_eq(commit(&(struct scenario){ .steps = map_many }), -ENOMEM);
	}
	ck_assert_uint_eq(mem.memfd_size, size);
	ck_assert_int_eq(mem_map_ram(&mem, "small", FREE, PAGE, 0), 0);
	ck_assert_uint_eq(mem.memfd_size, size + PAGE);
	fixture_close();
}
END_TEST

START_TEST(test_tracking_that_could_not_be_stopped_begins_anew)
{
	begin(&variants[1]);
	faults.seen = 0;
	faults.at[0] = 1;
	faults.error = -ENOMEM;
	ck_assert_int_eq(mem_dirty_stop(&mem), -ENOMEM);
	ck_assert(mem.tracked);
	check_logs();
	ck_assert_int_eq(mem_dirty_start(&mem), 0);
	ck_assert_int_eq(mem_dirty_start(&mem), -EBUSY);
	ck_assert_int_eq(mem_dirty_stop(&mem), 0);
	check_logs();
	fixture_close();
}
END_TEST

CHECK_MAIN("transactions", test_every_kind_of_transaction_is_what_kvm_has_afterwards,
	   test_a_failure_at_any_ioctl_leaves_everything_as_it_was,
	   test_what_cannot_be_taken_back_is_told_and_the_map_is_what_kvm_has,
	   test_a_step_that_cannot_be_undoes_those_before, test_an_abort_is_as_if_nothing_had_been,
	   test_a_guest_that_cannot_be_stopped_keeps_its_memory,
	   test_dirty_pages_are_told_after_each_change,
	   test_what_was_written_through_an_alias_is_told_by_the_owner_when_it_goes,
	   test_an_overlay_hides_a_page_and_gives_it_back,
	   test_pages_are_freed_when_no_region_has_them,
	   test_memory_of_failed_transactions_is_used_again,
	   test_tracking_that_could_not_be_stopped_begins_anew)
