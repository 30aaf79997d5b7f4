/* SPDX-License-Identifier: Apache-2.0 */
/* Copies memory into one or more sinks at once, in rounds, while the guest may go on writing to it. */
#ifndef MIGRATE_COPIER_H
#define MIGRATE_COPIER_H

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct mem;
struct copier;

/* Where pages go. Its functions are called by one thread at a time; they return 0 or -errno. */
struct page_sink {
	int (*add)(void *self, uint64_t gpa, const void *page);
	int (*add_zero)(void *self, uint64_t gpa, uint64_t pages);
	/* What add() kept back is on its way now. */
	int (*flush)(void *self);
	void *self;
};

struct copier_options {
	struct mem *mem;
	const struct page_sink *sinks; /* one thread each; copied */
	unsigned count;
	uint64_t bandwidth; /* bytes a second over all sinks; 0: no limit */
};

/*
 * Threads, and a bitmap in which every page is still to be copied. Dirty tracking has been started
 * (mem/dirty.h). The same page always goes to the same sink, so that its newest copy arrives last.
 */
int copier_create(const struct copier_options *options, struct copier **ret_copier);
/* Ends the threads. NULL is fine. */
void copier_destroy(struct copier *copier);

/* Adds what became dirty. Not during a round. */
int copier_collect(struct copier *copier);

/*
 * Copies every page that is to be copied, and returns when all sinks have taken them. What the guest
 * writes meanwhile is for the next round. In the first, pages that are zero are left out: they are
 * zero where they would go. The first failure of any sink, or what copier_stop() was given.
 */
int copier_round(struct copier *copier);

/* A round under way ends soon, and so does each later one, with the rest still to be copied. Any thread. */
void copier_interrupt(struct copier *copier);

/*
 * The guest stands still from here: nothing is tracked any more. An interruption is over, and pages
 * that are zero are left out again.
 */
void copier_set_still(struct copier *copier);

/*
 * What is still to be copied, as the bitmaps of all regions (mem/dirty.h) one behind the other, words
 * little-endian. Not during a round. -ENOMEM; import: -EBADMSG when it is not of this memory's size.
 */
int copier_export(const struct copier *copier, struct buffer *bitmaps);
int copier_import(struct copier *copier, const struct buffer *bitmaps);

/* Makes a round under way fail with err, and its text. Any thread. */
void copier_stop(struct copier *copier, int err);
/* Bytes a second from now on. Any thread. */
void copier_set_bandwidth(struct copier *copier, uint64_t bandwidth);

/* Pages still to be copied; shrinks during a round. Any thread. */
uint64_t copier_pending(const struct copier *copier);
/* Pages done so far; and those of them that were not zero. Any thread. */
uint64_t copier_copied(const struct copier *copier);
uint64_t copier_loaded(const struct copier *copier);

#endif
