/* SPDX-License-Identifier: Apache-2.0 */
/* A migration or a snapshot on its way: the thread that does it, and what becomes of it. */
#ifndef CONTROL_MIGRATION_H
#define CONTROL_MIGRATION_H

#include <ferry/error.h>

#include "migrate/guest.h"
#include "migrate/progress.h"
#include "migrate/source.h"

struct json_object;
struct migration;
struct vm;

enum migration_kind {
	MIGRATION_MOVE,
	MIGRATION_SNAPSHOT,
};

/* How it ended. */
struct migration_end {
	enum migrate_outcome outcome; /* MIGRATE_WENT_ON for a snapshot */
	int err;		   /* 0: it succeeded */
	char text[ERROR_TEXT_MAX]; /* why not */
	const char *refusals;	   /* one reason a line; the migration's */
	struct migrate_progress progress;
};

/* Descriptors by which it reaches what it may not open: they are the migration's, whatever comes of it. */
struct migration_fds {
	int *fds;
	unsigned count;
};

struct migration_options {
	struct vm *vm;
	const struct migrate_guest *guest;
	const char *machine; /* what the other side makes its machine from */
	/*
	 * Called on the loop's thread when it has ended, once for its start and for each recovery. It may
	 * destroy the migration.
	 */
	void (*ended)(void *self, struct migration *migration);
	void *self;
};

/*
 * Each starts a thread. What the options say is checked before; strings are copied. fds are connected
 * sockets, as many as the migration has connections (one more where there may be post-copy), or the
 * files of the snapshot: memory and state. -EINVAL, -ENOMEM, and what pthread_create(3) says.
 */
int migration_move(const struct migration_options *options,
		   const struct migrate_source_options *source, struct migration_fds *fds,
		   struct migration **ret_migration);
int migration_snapshot(const struct migration_options *options, const char *dir,
		       struct migration_fds *fds, struct migration **ret_migration);

/*
 * After MIGRATE_BROKEN: goes on over other sockets, which lead to uri (NULL: the one it had). -ENOMEM,
 * -EINVAL, and what pthread_create(3) says; it stays broken then.
 */
int migration_recover(struct migration *migration, const char *uri, struct migration_fds *fds);

/* After ended() has begun. NULL is fine. */
void migration_destroy(struct migration *migration);

/* Gives up: ended() will tell. -EALREADY: it is too late. */
int migration_cancel(struct migration *migration);

/* Lets the guest run there before all its memory is there: migrate_source_postcopy(). -EINVAL: a snapshot. */
int migration_postcopy(struct migration *migration);

enum migration_kind migration_kind(const struct migration *migration);
/* The URI, or the directory. */
const char *migration_target(const struct migration *migration);
void migration_progress(struct migration *migration, struct migrate_progress *ret_progress);
/* After ended() has begun. */
const struct migration_end *migration_end(const struct migration *migration);

/* Milliseconds to a thousandth, from nanoseconds. */
struct json_object *migration_ms(uint64_t ns);

/* What a destination knows of it. */
struct json_object *migration_describe_arrival(const struct migrate_progress *progress);

/* Progress as an object of the control socket's. */
struct json_object *migration_describe(struct migration *migration);

#endif
