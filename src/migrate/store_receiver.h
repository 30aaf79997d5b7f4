/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of disks from records: STREAM.md, section 6. */
#ifndef MIGRATE_STORE_RECEIVER_H
#define MIGRATE_STORE_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

struct migrate_guest;
struct record;
struct stream;

/* A zeroed one refuses every block. */
struct store_receiver {
	const struct migrate_guest *guest;
	uint8_t *payload; /* aligned as stores ask for it */
	bool is_dirty;	  /* what was written may not be on stable storage */
};

/* -ENOMEM. */
int store_receiver_init(struct store_receiver *receiver, const struct migrate_guest *guest);
void store_receiver_finish(struct store_receiver *receiver);

/*
 * Receives the payload of a record of disk blocks and writes it. -EBADMSG: no blocks of these disks, or
 * damaged (nothing is written then); what a store says; and those of the stream.
 */
int store_receiver_receive(struct store_receiver *receiver, const struct stream *stream,
			   const struct record *record);
/* What was received is on stable storage then. */
int store_receiver_sync(struct store_receiver *receiver);

#endif
