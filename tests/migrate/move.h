/* SPDX-License-Identifier: Apache-2.0 */
/* Moves of a fake guest inside this process, and what must be true after each however it ended. */
#ifndef TESTS_MIGRATE_MOVE_H
#define TESTS_MIGRATE_MOVE_H

#include "check_main.h"

#include <sched.h>
#include <unistd.h>

#include "io/channel.h"
#include "migrate/dest.h"
#include "migrate/fake_guest.h"
#include "migrate/source.h"

/* Does something to the count-th operation of one side's channels. */
struct cut {
	struct channel_fault fault;
	_Atomic enum channel_fault_kind kind;
	unsigned at_op; /* from 0 on */
	size_t at;
	_Atomic unsigned ops;
	atomic_bool is_done;
	atomic_bool wrote_run, wrote_loaded;
};

struct move {
	struct world *world;
	struct fake_guest *source, *dest;
	struct migrate_source_options options;
	struct channel_options dest_options;
	struct cut source_cut, dest_cut;
	void (*during)(struct move *move); /* on a thread of its own */
	unsigned recoveries;		   /* allowed */
	/* How it ended. */
	struct channel_listener *listener;
	struct migrate_source *migration;
	pthread_mutex_t lock;
	struct migrate_dest *arriving; /* under lock; NULL before and after */
	pthread_t dest_thread, during_thread;
	enum migrate_outcome outcome;
	enum migrate_arrival arrival;
	int source_err, dest_err;
	char source_text[ERROR_TEXT_MAX], dest_text[ERROR_TEXT_MAX];
	char refusals[4096];
	unsigned recovered;
	struct migrate_progress progress;
	atomic_bool ended, dest_ended;
};

static inline int cut_before(void *self, enum channel_op op, const void *data, size_t len,
			     struct channel_fault_action *action)
{
	struct cut *cut = self;

	if (op == CHANNEL_WRITE && len == RECORD_HEADER_SIZE) {
		if (get_u32(data) == RECORD_RUN)
			cut->wrote_run = true;
		if (get_u32(data) == RECORD_LOADED)
			cut->wrote_loaded = true;
	}
	if (cut->kind == CHANNEL_FAULT_NONE || atomic_fetch_add(&cut->ops, 1) != cut->at_op)
		return 0;
	cut->is_done = true;
	action->kind = cut->kind;
	action->at = cut->at;
	return 0;
}

static inline void move_set_arriving(struct move *move, struct migrate_dest *dest)
{
	pthread_mutex_lock(&move->lock);
	move->arriving = dest;
	pthread_mutex_unlock(&move->lock);
}

static inline void *move_dest_main(void *arg)
{
	struct move *move = arg;
	struct migrate_dest *dest = NULL;

	move->arrival = MIGRATE_NOT_ARRIVED;
	error_clear();
	move->dest_err = migrate_dest_open(move->listener, &dest);
	if (!move->dest_err) {
		move_set_arriving(move, dest);
		move->arrival = migrate_dest_run(dest, &move->dest->guest, &move->dest_err);
	}
	snprintf(move->dest_text, sizeof(move->dest_text), "%s", error_text(move->dest_err));
	move_set_arriving(move, NULL);
	migrate_dest_destroy(dest);
	move->dest_ended = true;
	return NULL;
}

static inline void *move_during_main(void *arg)
{
	struct move *move = arg;

	move->during(move);
	return NULL;
}

static inline void move_init(struct move *move, struct world *world, struct fake_guest *source,
			     struct fake_guest *dest)
{
	*move = (struct move){
		.world = world,
		.source = source,
		.dest = dest,
		.options = {
			.machine = "{}",
			.connections = 1,
			.downtime_ms = 300,
			.copy_memory = true,
			.channel.timeout_ms = 3000,
		},
		.dest_options.timeout_ms = 3000,
	};
	pthread_mutex_init(&move->lock, NULL);
	move->source_cut.fault = (struct channel_fault){ cut_before, &move->source_cut };
	move->dest_cut.fault = (struct channel_fault){ cut_before, &move->dest_cut };
}

static inline void move_listen(struct move *move, const char *uri)
{
	int err;

	move->options.channel.fault = &move->source_cut.fault;
	move->dest_options.fault = &move->dest_cut.fault;
	err = channel_listen(uri, &move->dest_options, &move->listener);
	ck_assert_msg(err == 0, "%s", error_text(err));
	move->options.uri = channel_listener_uri(move->listener);
	err = migrate_source_create(&move->source->guest, &move->options, &move->migration);
	ck_assert_msg(err == 0, "%s", error_text(err));
}

/* Whether the guest is there already, and its memory is not: the source cannot always know. */
static inline bool move_is_broken(const struct move *move)
{
	while (move->outcome == MIGRATE_BROKEN && !move->dest_ended && !move->dest->arrivals)
		sched_yield();
	/* Complete there, and only the word of it was lost; or it never ran there. */
	return move->outcome == MIGRATE_BROKEN && !move->dest_ended;
}

/* Again, as often as is allowed. */
static inline void move_recover(struct move *move)
{
	while (move_is_broken(move) && move->recovered < move->recoveries) {
		move->recovered++;
		move->outcome = migrate_source_recover(move->migration, NULL, &move->source_err);
	}
}

/* All of it. The source's guest is running before, unless it does not run at all. */
static inline void move_run(struct move *move, const char *uri)
{
	move_listen(move, uri);
	ck_assert_int_eq(pthread_create(&move->dest_thread, NULL, move_dest_main, move), 0);
	if (move->during)
		ck_assert_int_eq(pthread_create(&move->during_thread, NULL, move_during_main, move),
				 0);
	error_clear();
	move->outcome = migrate_source_run(move->migration, &move->source_err);
	move_recover(move);
	snprintf(move->source_text, sizeof(move->source_text), "%s", error_text(move->source_err));
	snprintf(move->refusals, sizeof(move->refusals), "%s",
		 migrate_source_refusals(move->migration));
	move->ended = true;
	/* A destination that still waits for a connection waits in vain. */
	channel_listener_stop(move->listener);
	pthread_join(move->dest_thread, NULL);
	if (move->during)
		pthread_join(move->during_thread, NULL);
	migrate_source_progress(move->migration, &move->progress);
	migrate_source_destroy(move->migration);
	channel_listener_destroy(move->listener);
}

/* Whoever runs goes on for a while, and all of its memory is right. */
static inline void check_runs(struct fake_guest *guest)
{
	uint64_t before = guest->world->steps;

	ck_assert(guest->is_running);
	while (guest->world->steps < before + 20)
		sched_yield();
	ck_assert_int_eq(guest->world->running, 1);
	fake_guest_stop(guest);
	fake_guest_check(guest, guest->world->pages);
	fake_guest_start(guest);
}

/* Who runs it, of all the ways in which a move may end: the table of STREAM.md, 7.4. */
static inline struct fake_guest *check_one_runs(struct move *move)
{
	bool is_here = move->outcome == MIGRATE_WENT_ON;
	bool is_there = move->arrival == MIGRATE_ARRIVED;

	ck_assert_msg(move->source->is_running == is_here, "%d: %s", move->outcome,
		      move->source_text);
	ck_assert_msg(move->dest->is_running == is_there, "%d: %s; %d: %s", move->outcome,
		      move->source_text, move->arrival, move->dest_text);
	ck_assert_msg(!is_here || !is_there, "both run it: %s, %s", move->source_text,
		      move->dest_text);
	if (move->outcome == MIGRATE_MOVED)
		ck_assert_msg(is_there, "nobody runs it: %s", move->dest_text);
	/* In doubt only who may have been told, or may not have been. */
	if (move->outcome == MIGRATE_IN_DOUBT)
		ck_assert(move->source_cut.wrote_run && move->arrival != MIGRATE_NOT_ARRIVED);
	if (move->arrival == MIGRATE_ARRIVAL_IN_DOUBT)
		ck_assert(move->dest_cut.wrote_loaded);
	if (is_here || is_there) {
		check_runs(is_here ? move->source : move->dest);
		return is_here ? move->source : move->dest;
	}
	ck_assert_int_eq(move->outcome, move->options.postcopy ? MIGRATE_BROKEN : MIGRATE_IN_DOUBT);
	ck_assert_int_eq(move->arrival,
			 move->options.postcopy ? MIGRATE_NOT_ARRIVED : MIGRATE_ARRIVAL_IN_DOUBT);
	return NULL;
}

#endif
