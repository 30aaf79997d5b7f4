/* SPDX-License-Identifier: Apache-2.0 */
/* Copies disks over the control connection, in rounds, while the guest may go on writing to them. */
#ifndef MIGRATE_STORE_COPIER_H
#define MIGRATE_STORE_COPIER_H

#include <stdint.h>

struct channel;
struct migrate_guest;
struct store_copier;

/*
 * Writes to the guest's stores are tracked from here on, and every block of them is still to be copied.
 * channel stays the caller's; nobody else uses it during a round. bandwidth: bytes a second, 0: no
 * limit. -ENOMEM, and what a store says.
 */
int store_copier_create(const struct migrate_guest *guest, struct channel *channel, uint64_t bandwidth,
			struct store_copier **ret_copier);
/* Nothing is tracked any more. NULL is fine. */
void store_copier_destroy(struct store_copier *copier);

/* Adds what was written. Not during a round. */
void store_copier_collect(struct store_copier *copier);

/*
 * Copies every block that is to be copied, and returns when the other side has them on stable storage.
 * What the guest writes meanwhile is for the next round. What a store or the channel says; -ECANCELED
 * after store_copier_stop().
 */
int store_copier_round(struct store_copier *copier);

/* A round under way, and every later one, fails soon. Any thread. */
void store_copier_stop(struct store_copier *copier);

/* Bytes still to be copied; shrinks during a round. Any thread. */
uint64_t store_copier_pending(const struct store_copier *copier);
/* Bytes done so far; and those of them that were not a hole. Any thread. */
uint64_t store_copier_copied(const struct store_copier *copier);
uint64_t store_copier_loaded(const struct store_copier *copier);
/* How long a round would take now, by the speed of those before. */
uint64_t store_copier_expected_ns(const struct store_copier *copier);

#endif
