/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest without KVM, for both sides of a move: it writes a number into one page after the other,
 * knows of every page which it wrote last, and looks whether it is still there. What it knows is
 * not part of a side but of the world, so that nothing it should carry with it can hide there: a
 * page that is lost or old is seen by whoever runs next.
 */
#ifndef TESTS_MIGRATE_FAKE_GUEST_H
#define TESTS_MIGRATE_FAKE_GUEST_H

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <ferry/error.h>

#include "base/util.h"
#include "mem/mem.h"
#include "migrate/fake_regs.h"
#include "migrate/guest.h"
#include "migrate/record.h"

#define WORLD_LOW   (2 * MIB + 3 * GUEST_PAGE_SIZE)
#define WORLD_FAR   (4 * GIB)
#define WORLD_PAGES (WORLD_LOW / GUEST_PAGE_SIZE + 32)

struct world {
	uint64_t number; /* written last */
	uint64_t random;
	uint64_t pages[WORLD_PAGES]; /* what each page holds; 0: zeros */
	uint64_t held[WORLD_PAGES];  /* the same when it was last held */
	_Atomic int running;	     /* never more than 1 */
	_Atomic uint64_t steps;
};

struct fake_guest {
	struct migrate_guest guest; /* what the engine gets */
	struct world *world;
	struct mem mem;
	struct fake_regs regs;
	pthread_t thread;
	bool is_running;
	bool was_running; /* when it was held */
	atomic_bool stop;
	pthread_mutex_t step; /* held while a step is under way */
	_Atomic unsigned holds, go_ons, arrivals, surrenders, retakes, glances;
	unsigned percent;
	void (*in_arrive)(void);			 /* NULL, or what happens before it runs */
	int hold_err, go_on_err, arrive_err, retake_err; /* what they answer once */
};

static inline uint64_t world_gpa(uint64_t page)
{
	return page < WORLD_LOW / GUEST_PAGE_SIZE
		       ? page * GUEST_PAGE_SIZE
		       : WORLD_FAR + (page - WORLD_LOW / GUEST_PAGE_SIZE) * GUEST_PAGE_SIZE;
}

/* Three in four pages are of one word, the others not; nought is a page of zeros. */
static inline uint64_t world_word(uint64_t number, unsigned i)
{
	return number % 4 || !number ? number : (number + i) * 0x9e3779b97f4a7c15;
}

static inline bool world_page_is(const struct mem *mem, uint64_t page, uint64_t number)
{
	uint64_t words[GUEST_PAGE_SIZE / 8];

	mem_read(mem, world_gpa(page), words, sizeof(words));
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i] != world_word(number, i))
			return false;
	return true;
}

static inline void fake_guest_write(struct fake_guest *fake, uint64_t page, uint64_t number)
{
	uint64_t words[GUEST_PAGE_SIZE / 8];

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = world_word(number, i);
	fake->world->pages[page] = number;
	ck_assert_int_eq(mem_write(&fake->mem, world_gpa(page), words, sizeof(words)), 0);
}

/* Every page as it should be: of pages, the world's or those of when it was held. */
static inline void fake_guest_check(const struct fake_guest *fake, const uint64_t *pages)
{
	for (uint64_t i = 0; i < WORLD_PAGES; i++)
		ck_assert_msg(world_page_is(&fake->mem, i, pages[i]),
			      "page %llu is not what was written last", (unsigned long long)i);
}

static inline void fake_guest_step(struct fake_guest *fake)
{
	struct world *world = fake->world;
	uint64_t page;

	world->random ^= world->random << 13;
	world->random ^= world->random >> 7;
	world->random ^= world->random << 17;
	page = world->random % WORLD_PAGES;
	ck_assert_msg(world_page_is(&fake->mem, page, world->pages[page]),
		      "page %llu is not what the guest wrote last", (unsigned long long)page);
	world->number++;
	fake_guest_write(fake, page, world->random % 5 ? world->number : 0);
	atomic_fetch_add(&world->steps, 1);
}

static inline void *fake_guest_main(void *arg)
{
	struct fake_guest *fake = arg;
	const struct timespec pause = { .tv_nsec = 20000 };

	ck_assert_int_eq(atomic_fetch_add(&fake->world->running, 1), 0);
	while (!fake->stop) {
		pthread_mutex_lock(&fake->step);
		fake_guest_step(fake);
		pthread_mutex_unlock(&fake->step);
		nanosleep(&pause, NULL);
	}
	atomic_fetch_sub(&fake->world->running, 1);
	return NULL;
}

static inline void fake_guest_start(struct fake_guest *fake)
{
	ck_assert(!fake->is_running);
	fake->stop = false;
	fake->is_running = true;
	ck_assert_int_eq(pthread_create(&fake->thread, NULL, fake_guest_main, fake), 0);
}

static inline void fake_guest_stop(struct fake_guest *fake)
{
	fake->stop = true;
	if (fake->is_running)
		pthread_join(fake->thread, NULL);
	fake->is_running = false;
}

/* The register that tells from which moment the registers are. */
#define FAKE_NUMBER 3

static inline void fake_guest_set_number(struct fake_guest *fake)
{
	put_u64(fake->regs.regs[FAKE_NUMBER].value, fake->world->number);
}

static inline uint64_t fake_guest_number(const struct fake_guest *fake)
{
	return get_u64(fake->regs.regs[FAKE_NUMBER].value);
}

static inline int fake_guest_glance(void *self, int (*fn)(void *arg), void *arg)
{
	struct fake_guest *fake = self;
	int err;

	fake->glances++;
	pthread_mutex_lock(&fake->step);
	fake_guest_set_number(fake);
	err = fn(arg);
	pthread_mutex_unlock(&fake->step);
	return err;
}

static inline int fake_once(int *err, const char *what)
{
	int once = *err;

	*err = 0;
	return once ? because(once, "%s failed", what) : 0;
}

static inline int fake_guest_hold(void *self)
{
	struct fake_guest *fake = self;
	int err = fake_once(&fake->hold_err, "hold");

	if (err)
		return err;
	fake->was_running = fake->is_running;
	fake_guest_stop(fake);
	fake_guest_set_number(fake);
	memcpy(fake->world->held, fake->world->pages, sizeof(fake->world->held));
	fake->holds++;
	return 0;
}

static inline int fake_guest_go_on(void *self)
{
	struct fake_guest *fake = self;
	int err = fake_once(&fake->go_on_err, "go_on");

	if (err)
		return err;
	ck_assert_uint_gt(fake->holds, fake->go_ons);
	fake->go_ons++;
	if (fake->was_running)
		fake_guest_start(fake);
	return 0;
}

static inline int fake_guest_arrive(void *self)
{
	struct fake_guest *fake = self;
	int err = fake_once(&fake->arrive_err, "arrive");

	if (err)
		return err;
	ck_assert_uint_eq(fake_guest_number(fake), fake->world->number);
	if (fake->in_arrive)
		fake->in_arrive();
	fake->arrivals++;
	fake_guest_start(fake);
	return 0;
}

static inline void fake_guest_surrender(void *self)
{
	((struct fake_guest *)self)->surrenders++;
}

static inline int fake_guest_retake(void *self)
{
	struct fake_guest *fake = self;

	fake->retakes++;
	return fake_once(&fake->retake_err, "retake");
}

static inline void fake_guest_throttle(void *self, unsigned percent)
{
	((struct fake_guest *)self)->percent = percent;
}

static inline void fake_guest_init(struct fake_guest *fake, struct world *world)
{
	const struct mem_options options = { .name = "test" };

	memset(fake, 0, sizeof(*fake));
	fake->world = world;
	pthread_mutex_init(&fake->step, NULL);
	ck_assert_int_eq(mem_init(&fake->mem, -1, 8, &options), 0);
	ck_assert_int_eq(mem_map_ram(&fake->mem, "low", 0, WORLD_LOW, 0), 0);
	ck_assert_int_eq(mem_map_ram(&fake->mem, "far", WORLD_FAR, 32 * GUEST_PAGE_SIZE, 0), 0);
	ck_assert_int_eq(fake_regs_init(&fake->regs), 0);
	fake->regs.touched = mem_ptr(&fake->mem, WORLD_FAR, 1);
	fake->guest = (struct migrate_guest){
		.mem = &fake->mem,
		.regs = &fake->regs.file,
		.self = fake,
		.glance = fake_guest_glance,
		.hold = fake_guest_hold,
		.go_on = fake_guest_go_on,
		.arrive = fake_guest_arrive,
		.surrender = fake_guest_surrender,
		.retake = fake_guest_retake,
		.throttle = fake_guest_throttle,
	};
}

/* A guest that has lived for a while: every second page has something. */
static inline void fake_guest_init_lived(struct fake_guest *fake, struct world *world)
{
	memset(world, 0, sizeof(*world));
	world->random = 88172645463325252;
	fake_guest_init(fake, world);
	fake_regs_fill(&fake->regs, 3);
	for (uint64_t i = 0; i < WORLD_PAGES; i += 2)
		fake_guest_write(fake, i, ++world->number);
}

static inline void fake_guest_finish(struct fake_guest *fake)
{
	fake_guest_stop(fake);
	fake_regs_finish(&fake->regs);
	mem_finish(&fake->mem);
	pthread_mutex_destroy(&fake->step);
}

#endif
