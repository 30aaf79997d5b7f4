/* SPDX-License-Identifier: Apache-2.0 */
/* The side that a guest comes to: STREAM.md, section 7. */
#ifndef MIGRATE_DEST_H
#define MIGRATE_DEST_H

#include <stddef.h>
#include <stdint.h>

#include "io/channel.h"
#include "migrate/guest.h"
#include "migrate/progress.h"

struct migrate_dest;

/*
 * Waits for a source (without a bound, until channel_listener_stop()), and receives what it says of its
 * machine. A connection that does not speak as a source does is told so and dropped, and the next one
 * waited for; those of fd: and exec: are the only ones. listener must outlive the destination.
 * -ECANCELED; and what ends the listener.
 */
int migrate_dest_open(struct channel_listener *listener, struct migrate_dest **ret_dest);
void migrate_dest_destroy(struct migrate_dest *dest);

/* What the source made its machine from: printable text. */
const char *migrate_dest_machine(const struct migrate_dest *dest);

/*
 * The disks that the source copies: how many (0: none, they are shared), and the size and the id of each.
 * The machine must have writable disks of these ids and sizes; what is in them will be lost.
 */
unsigned migrate_dest_disks(const struct migrate_dest *dest);
uint64_t migrate_dest_disk(const struct migrate_dest *dest, unsigned number, const char **ret_id);

/* Tells the source why there will be no machine. Instead of migrate_dest_run(). */
void migrate_dest_refuse(struct migrate_dest *dest, int err);

enum migrate_arrival {
	MIGRATE_ARRIVED,	 /* the guest runs here, and has all its memory */
	MIGRATE_ARRIVED_IN_PART, /* it runs, but the rest of its memory will never come: it is lost */
	MIGRATE_NOT_ARRIVED,	 /* it did not come; the machine is of no more use */
	MIGRATE_ARRIVAL_IN_DOUBT, /* all of it is here, nobody said whether to run it: it is held */
};

/*
 * Receives the guest into a blank machine and runs it. On the calling thread, which blocks. The reason
 * of what is not MIGRATE_ARRIVED is this thread's error text, and its errno *ret_err. In post-copy the
 * guest runs (arrive() has been called) long before this returns; a connection that is lost then is
 * waited for anew at the listener.
 */
enum migrate_arrival migrate_dest_run(struct migrate_dest *dest, const struct migrate_guest *guest,
				      int *ret_err);

/*
 * Makes migrate_dest_run() give up, unless everything has arrived and nobody has said whether to run it:
 * -EALREADY. A guest that runs in post-copy must have ended before, for this tells its source that the rest
 * of its memory is not needed; channel_listener_stop() is to follow, or the source could come again. Any thread.
 */
int migrate_dest_cancel(struct migrate_dest *dest);

/*
 * What has come; remaining is known only in post-copy, of which pages that are zero need not come.
 * Any thread.
 */
void migrate_dest_progress(struct migrate_dest *dest, struct migrate_progress *ret_progress);

/* What this host has against the guest, one reason a line; "" when nothing. */
const char *migrate_dest_refusals(const struct migrate_dest *dest);

#endif
