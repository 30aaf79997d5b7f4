/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A carried guest (carried.h) that moves by the engine, over a socket between two machines of a
 * process.
 */
#ifndef TESTS_MACHINE_MIGRATED_H
#define TESTS_MACHINE_MIGRATED_H

#include "machine/carried.h"

#include "control/guest.h"
#include "io/loop.h"
#include "migrate/dest.h"
#include "migrate/source.h"

struct arrival {
	struct channel_listener *listener;
	struct control_guest guest;
	enum migrate_arrival how;
	int err;
	char text[ERROR_TEXT_MAX];
};

static inline void *migrated_arrive(void *arg)
{
	struct arrival *arrival = arg;
	struct migrate_dest *dest = NULL;

	arrival->how = MIGRATE_NOT_ARRIVED;
	arrival->err = migrate_dest_open(arrival->listener, &dest);
	if (!arrival->err)
		arrival->how = migrate_dest_run(dest, &arrival->guest.ops, &arrival->err);
	snprintf(arrival->text, sizeof(arrival->text), "%s", error_text(arrival->err));
	migrate_dest_destroy(dest);
	return NULL;
}

static inline void migrated_send(struct control_guest *guest, struct arrival *arrival,
				 bool postcopy)
{
	struct migrate_source_options options = {
		.uri = channel_listener_uri(arrival->listener),
		.machine = "{}",
		.connections = 1,
		.downtime_ms = MIGRATE_DOWNTIME_MS,
		.copy_memory = true,
		.postcopy = postcopy,
	};
	struct migrate_source *source = NULL;
	enum migrate_outcome outcome;
	pthread_t thread;
	int err;

	ck_assert_int_eq(pthread_create(&thread, NULL, migrated_arrive, arrival), 0);
	ck_assert_int_eq(migrate_source_create(&guest->ops, &options, &source), 0);
	outcome = migrate_source_run(source, &err);
	ck_assert_msg(outcome == MIGRATE_MOVED, "outcome %d: %s\n%s", outcome, error_text(err),
		      migrate_source_refusals(source));
	pthread_join(thread, NULL);
	ck_assert_msg(arrival->how == MIGRATE_ARRIVED, "arrival %d: %s", arrival->how,
		      arrival->text);
	migrate_source_destroy(source);
}

/* Moves the guest into a new machine; with postcopy it runs there before its memory has come. */
static inline void migrated_move(struct carried *c, bool postcopy)
{
	char dir[] = "/tmp/ferry-migrated-XXXXXX", uri[64];
	const struct channel_options channel = { 0 };
	struct control_guest guest = { 0 };
	struct arrival arrival = { 0 };
	struct machine *from = c->machine;
	pthread_t loop = c->loop;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(uri, sizeof(uri), "unix:%s/s", dir);
	ck_assert_int_eq(channel_listen(uri, &channel, &arrival.listener), 0);
	ck_assert_int_eq(control_guest_init(&guest, from, false), 0);
	c->machine = carried_make(c, true);
	ck_assert_int_eq(control_guest_init(&arrival.guest, c->machine, true), 0);
	carried_begin_loop(c);
	migrated_send(&guest, &arrival, postcopy);
	carried_end(c, from, loop);
	control_guest_finish(&guest);
	control_guest_finish(&arrival.guest);
	channel_listener_destroy(arrival.listener);
	rmdir(dir);
}

/* Waits until the guest has said the text, which it has not said before. */
static inline void migrated_wait_for(struct carried *c, const char *text)
{
	bool said;

	for (;;) {
		pthread_mutex_lock(&c->lock);
		said = strstr(c->console, text) != NULL;
		pthread_mutex_unlock(&c->lock);
		if (said)
			return;
		carried_wait(c, 1);
	}
}

static void migrated_press_here(void *arg)
{
	machine_input(arg, MACHINE_CONSOLE_SERIAL, "x", 1);
}

/* A character for the guest. */
static inline void migrated_press(struct carried *c)
{
	struct loop *loop = vm_loop(machine_vm(c->machine));

	ck_assert_int_eq(loop_call(loop, migrated_press_here, c->machine), 0);
}

#endif
