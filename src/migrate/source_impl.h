/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the source share. */
#ifndef MIGRATE_SOURCE_IMPL_H
#define MIGRATE_SOURCE_IMPL_H

#include <pthread.h>

#include "migrate/copier.h"
#include "migrate/hello.h"
#include "migrate/pages.h"
#include "migrate/source.h"
#include "migrate/state.h"
#include "migrate/store_copier.h"
#include "migrate/stream.h"

struct migrate_source {
	const struct migrate_guest *guest;
	struct migrate_source_options options;
	char *uri, *machine, *tls;
	int give_up; /* an eventfd, for a connection that is not there yet */
	uint8_t session[SESSION_SIZE];
	struct stream streams[MIGRATE_CONNECTIONS_MAX];
	struct page_packer packers[MIGRATE_CONNECTIONS_MAX];
	struct buffer state;
	struct buffer refusals; /* a text, with its NUL */
	uint64_t begun;
	uint64_t round_begun, memory_begun;   /* ns: when the last round did, and its share of memory */
	uint64_t disks_loaded, memory_loaded; /* before it: bytes, pages */
	uint64_t memory_rate;		      /* bytes a second, of the last round that tells it */
	bool is_held, is_tracking;
	unsigned stuck; /* rounds in a row that did not get ahead */
	bool can_postcopy;
	bool postcopy;	/* the guest runs there before all of its memory is */
	pthread_t server;
	bool has_server;
	struct channel *served; /* the server's, which urgent is no more when all is being closed */

	pthread_mutex_t lock;
	/* Under lock: who cancels uses them. */
	struct channel *urgent; /* NULL without post-copy */
	struct channel *channels[MIGRATE_CONNECTIONS_MAX];
	unsigned channel_count;
	struct copier *copier;	    /* NULL: not yet, or a descriptor is given */
	struct store_copier *disks; /* NULL: not yet, or they are shared */
	bool cancelled, committed, wants_postcopy;
	uint64_t held_at; /* 0: not yet */
	struct migrate_progress progress;
};

/* source.c */
void source_set_phase(struct migrate_source *source, enum migrate_phase phase);
/* -ECANCELED, with its text. */
int source_was_cancelled(void);
/* Brings the guest to rest, unless the migration was cancelled. */
int source_hold(struct migrate_source *source);

/* Opens a connection of the migration: the control connection first. */
int source_connect(struct migrate_source *source, enum stream_kind kind, unsigned flags);

/* precopy.c: copies memory while the guest runs, holds it, and copies or announces the rest. */
int precopy_run(struct migrate_source *source);
/* The same for the disks alone. */
int precopy_run_disks(struct migrate_source *source);
/* A packer on every connection, and the copier over them. */
int precopy_start_copier(struct migrate_source *source);

/* postcopy.c: what is to be copied still, as a record; page requests are answered from then on. */
int postcopy_announce(struct migrate_source *source);
/* Answers requests, on a thread of its own. */
int postcopy_serve(struct migrate_source *source);
/* Sends what is missing there, until the other side has all. */
int postcopy_push(struct migrate_source *source);
/* Waits for the thread that answers requests; its connection is broken by then, or will be. */
void postcopy_end(struct migrate_source *source);

#endif
