/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the destination share. */
#ifndef MIGRATE_DEST_IMPL_H
#define MIGRATE_DEST_IMPL_H

#include <pthread.h>
#include <stdbool.h>

#include <ferry/error.h>

#include "migrate/dest.h"
#include "migrate/hello.h"
#include "migrate/pages.h"
#include "migrate/state.h"
#include "migrate/store_receiver.h"
#include "migrate/stream.h"

/* One connection besides the first, and the thread that receives from it. */
struct receiver {
	struct migrate_dest *dest;
	struct channel *channel;
	struct stream stream;
	struct page_unpacker unpacker;
	pthread_t thread;
	bool has_thread;
};

struct migrate_dest {
	struct channel_listener *listener;
	const struct migrate_guest *guest;
	struct stream control;
	uint8_t session[SESSION_SIZE];
	struct buffer machine; /* a text, with its NUL */
	struct buffer regions, names, state;
	struct buffer disks; /* the table, if copies_disks */
	struct verdict verdict;
	struct page_unpacker unpacker;
	struct pager *pager; /* post-copy */
	struct store_receiver stores;
	bool can_postcopy, postcopy, copies_disks, has_pinned;
	uint64_t begun;

	/* Who writes to the urgent connection: one at a time, and it stays meanwhile. lock is taken inside. */
	pthread_mutex_t request_lock;
	/* Who writes to the control connection while there are receivers. lock is taken inside. */
	pthread_mutex_t answer_lock;
	pthread_mutex_t lock;
	/* Under lock: who cancels uses them. */
	struct channel *channel; /* NULL while a recovery waits for another */
	/* The urgent one comes last. */
	struct receiver receivers[MIGRATE_CONNECTIONS_MAX];
	unsigned receiver_count, expected;
	struct channel *urgent; /* a receiver's; changes under request_lock too */
	bool complete;		/* all memory is here: what an urgent connection ends with matters no more */
	bool cancelled;
	bool loaded;  /* said so: an ABORT would be taken for the answer to RUN */
	bool running; /* said so: only memory is to come */
	int err; /* the first failure of a receiver */
	char err_text[ERROR_TEXT_MAX];
	struct migrate_progress progress;
	uint64_t missing;	  /* pages, when post-copy began or was recovered */
	_Atomic uint64_t arrived; /* pages; since then */
};

/* dest.c */
void dest_set_phase(struct migrate_dest *dest, enum migrate_phase phase);
/* So many pages are still to come. */
void dest_set_missing(struct migrate_dest *dest, uint64_t pages);

/*
 * receivers.c. The first failure ends every connection, so that nobody waits for the rest. Before LOADED
 * the source is told; while there are receivers nobody else writes to the control connection. Between
 * LOADED and RUNNING the control connection stays: what is said there decides who runs the guest.
 */
void receivers_fail(struct migrate_dest *dest, int err);
/*
 * The same, and says that the guest has everything: -EALREADY when it has; what failed before, when
 * something has.
 */
int receivers_cancel(struct migrate_dest *dest);
int receivers_loaded(struct migrate_dest *dest);
/* The guest runs: its connections are to fail together again. The first failure of any. */
int receivers_running(struct migrate_dest *dest);
/* Tells the source that what it sent of disks is on stable storage. What failed before, if anything has. */
int receivers_answer_sync(struct migrate_dest *dest);
/*
 * The next record, however long it takes: a source that has nothing to send is silent, one that is gone
 * ends its connection.
 */
int receivers_wait(struct channel *channel, struct record *ret_record);
/*
 * Accepts the connections that the source says it opens, and receives pages from those for memory. In
 * post-copy none is received yet: receivers_restart() does that.
 */
int receivers_accept(struct migrate_dest *dest);
/* Begins to receive from them again, pages that the guest may wait for. */
int receivers_restart(struct migrate_dest *dest);
/* Waits until each has received its DONE. The first failure of any. */
int receivers_join(struct migrate_dest *dest);
/* The same without the urgent one, which is ended then. */
int receivers_complete(struct migrate_dest *dest);
/* Closes them; none receives any more. */
void receivers_close(struct migrate_dest *dest);

/* pull.c: whether this host can run a guest whose memory is not all here. 0, or why not. */
int pull_check(struct migrate_dest *dest);
/* Takes the list of what is missing, and has it fetched as it is touched from here on. */
int pull_begin(struct migrate_dest *dest, const struct record *first);
/*
 * Receives what is missing until there is no more; a lost connection (err: it is lost already) is
 * waited for anew. -errno when it cannot come again.
 */
int pull_finish(struct migrate_dest *dest, int err);

#endif
