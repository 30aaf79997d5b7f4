/* SPDX-License-Identifier: Apache-2.0 */
/* The side that a guest leaves: STREAM.md, section 7. */
#ifndef MIGRATE_SOURCE_H
#define MIGRATE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/channel.h"
#include "migrate/guest.h"
#include "migrate/hello.h"
#include "migrate/progress.h"

struct migrate_source;

#define MIGRATE_DOWNTIME_MS 300

struct migrate_source_options {
	const char *uri;
	/*
	 * Where another has connected: gives the next connection to uri. NULL: channel_connect() does, with
	 * what is in channel.
	 */
	int (*connect)(void *self, struct channel **ret_channel);
	void *connect_self;
	struct channel_options channel;
	const char *machine;   /* what the other side makes its machine from; not looked into here */
	unsigned connections;  /* 1 … MIGRATE_CONNECTIONS_MAX; more than 1 where the URI can repeat */
	int compress;	       /* zstd level; 0: none */
	uint64_t bandwidth;    /* bytes a second; 0: no limit */
	unsigned downtime_ms;  /* how long the guest may stand still, as far as it can be foreseen */
	bool throttle;	       /* slow the guest down when it dirties memory faster than it goes */
	bool postcopy;	       /* let the guest run there after the first round, the rest follows */
	bool copy_memory;      /* even where a descriptor could be handed over */
	bool copy_disks;       /* each side has its own: the guest's stores are copied too */
};

enum migrate_outcome {
	MIGRATE_WENT_ON,  /* it failed, and the guest goes on here as if nothing had happened */
	MIGRATE_MOVED,	  /* the guest runs there; here it is held for good */
	MIGRATE_IN_DOUBT, /* told to run, the other side did not answer: held until somebody decides */
	/*
	 * Post-copy: it runs there, or may (told to, the other side did not answer), and lacks pages that
	 * are only here: migrate_source_recover() finds out. Here it is held.
	 */
	MIGRATE_BROKEN,
};

/* Copies the options with their strings; guest stays the caller's and outlives it. -ENOMEM, -EINVAL. */
int migrate_source_create(const struct migrate_guest *guest,
			  const struct migrate_source_options *options,
			  struct migrate_source **ret_source);
void migrate_source_destroy(struct migrate_source *source);

/*
 * Does all of it, on the calling thread. The reason of whatever is not MIGRATE_MOVED is this thread's
 * error text, and its errno *ret_err.
 */
enum migrate_outcome migrate_source_run(struct migrate_source *source, int *ret_err);

/*
 * After MIGRATE_BROKEN: connects anew (uri NULL: where it was) and sends what is missing.
 * MIGRATE_MOVED, or MIGRATE_BROKEN once more.
 */
enum migrate_outcome migrate_source_recover(struct migrate_source *source, const char *uri,
					    int *ret_err);

/*
 * Ends copying while the guest runs: it is to run there now, and get the rest as it needs it. -EALREADY
 * when it is too late for that; -EOPNOTSUPP when the other side could not; any thread.
 */
int migrate_source_postcopy(struct migrate_source *source);

/*
 * Gives up, unless the other side may be running already. -EALREADY then. Any thread.
 */
int migrate_source_cancel(struct migrate_source *source);

/* Any thread. */
void migrate_source_progress(struct migrate_source *source, struct migrate_progress *ret_progress);

/* What the other side has against the guest, one reason a line; "" when nothing. After run. */
const char *migrate_source_refusals(const struct migrate_source *source);

#endif
